"""``python -m benchmarks.page``: what the page costs, with 1,000 queues on 200 hosts, of which 50
change all the time; for who opens it, and a server, for one viewer and for 50.

It takes a minute.
"""

from __future__ import annotations

import os
import random
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

import psutil

from woodenwaiter.protocol.hosts import Crew, Host, Running
from woodenwaiter.protocol.keys import REGISTRY, Keys
from woodenwaiter.protocol.link import Link
from woodenwaiter.protocol.published import publication

from .screens import program
from .server import Server, free_port

QUEUES, HOSTS, BUSY, ROUNDS, WATCHED = 1000, 200, 50, 5, 10.0


def name(number: int) -> str:
    return f"team{number % 37}:job-{number}"


def fill(client: Any) -> None:
    """An hour of notes in each, and something that waits."""
    now = int(client.time()[0]) * 1000
    with client.pipeline() as pipe:
        for number in range(QUEUES):
            keys = Keys(name(number))
            sums = [(m * 100, m * 98, m, 0, 0, m % 40) for m in range(60)]
            notes = [
                " ".join(map(str, (now - (60 - m) * 60_000, *sums[m]))) for m in reversed(range(60))
            ]
            pipe.sadd(REGISTRY, keys.queue)
            pipe.rpush(keys.minutes, *notes)
            pipe.hset(keys.tally, mapping={"done": 98 * 59, "failed": 59})
            pipe.lpush(keys.queue, *["{}"] * (number % 5 + 1))
        pipe.execute()


@contextmanager
def busy(server: Server) -> Iterator[None]:
    """Tasks come, and hosts tell of themselves, until it ends."""
    over = threading.Event()

    def go_on() -> None:
        link = Link(server.client, 10)
        while not over.wait(1.0):
            with server.client.pipeline() as pipe:
                for number in random.sample(range(QUEUES), BUSY):
                    pipe.lpush(name(number), "{}")
                pipe.execute()
            link.exchange([publication(f"h{n}.1/0", host(n)) for n in range(0, HOSTS, 5)])
        link.close()

    link = Link(server.client, 10)
    link.exchange([publication(f"h{n}.1/0", host(n)) for n in range(HOSTS)])
    link.close()
    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def host(number: int) -> Host:
    served = [name((number * 5 + n) % QUEUES) for n in range(5)]
    times = tuple(random.randrange(1000) for _ in range(20))
    crews = tuple(Crew(q, 1, 4, running=2, idle=1, times=times) for q in served)
    workers = tuple(
        Running(q, n, 1000 + n, f"h{number}.1/x/{n}", random.random() * 1000, 7, cpu=99.0)
        for q in served
        for n in range(2)
    )
    return Host(f"h{number}", 1, "1.0.0", 1e5, 16, 16, {}, 300.0, 10**8, crews, workers)


class Viewer:
    """Reads all that it is told."""

    def __init__(self, port: int) -> None:
        began = time.perf_counter()
        self._connection = HTTPConnection("127.0.0.1", port)
        self._connection.request("GET", "/api/events?view=overview")
        self._response: HTTPResponse = self._connection.getresponse()
        first = self._response.readline()
        self.seconds = time.perf_counter() - began
        self.bytes = self.size = len(first)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while line := self._response.readline():
            self.bytes += len(line)

    def close(self) -> None:
        if self._connection.sock:
            self._connection.sock.shutdown(2)
        self._thread.join()
        self._connection.close()


def shell(port: int) -> float:
    """Milliseconds for the page itself and all that it loads."""
    files = [*(Path(__file__).parents[1] / "woodenwaiter/web/static").iterdir()]
    began = time.perf_counter()
    for path in ("/", "/api/me", *(f"/static/{f.name}" for f in files if f.suffix != ".html")):
        connection = HTTPConnection("127.0.0.1", port)
        connection.request("GET", path)
        connection.getresponse().read()
        connection.close()
    return (time.perf_counter() - began) * 1000


def cost(server: Server, page: psutil.Process, port: int, number: int) -> None:
    viewers = [Viewer(port) for _ in range(number)]
    time.sleep(3)
    before = server.cpu_seconds(), spent(page), server.traffic()[0], sum(v.bytes for v in viewers)
    time.sleep(WATCHED)
    after = server.cpu_seconds(), spent(page), server.traffic()[0], sum(v.bytes for v in viewers)
    redis, own, requests, told = ((b - a) / WATCHED for a, b in zip(before, after, strict=True))
    print(
        f"{number:>3} viewers: {redis:.1%} of a core of Redis, {requests:.0f} reads a second; "
        f"{own:.1%} of a core of the page; {told / number / 1000:.0f} KB/s each"
    )
    for viewer in viewers:
        viewer.close()


def spent(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def up(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port)
    try:
        connection.request("GET", "/api/me")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def main() -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = Server(folder, None)
        stack.callback(server.close)
        fill(server.client)
        stack.enter_context(busy(server))
        port = free_port()
        environment = {"WOODENWAITER_REDIS_URL": server.url()}
        process = stack.enter_context(
            program("woodenwaiter", "web", "--port", str(port), **environment)
        )
        while not up(port):
            time.sleep(0.1)
        print(f"{QUEUES:,} queues, {HOSTS} hosts; {os.cpu_count()} CPUs, Python {sys.version[:6]}")
        viewer = Viewer(port)
        print(f"nobody has looked before: {viewer.seconds * 1000:.0f} ms to the first table")
        loads = [shell(port) for _ in range(ROUNDS)]
        print(f"the page and its files: {statistics.median(loads):.0f} ms")
        time.sleep(12)  # until all of the last hour is read
        more = [Viewer(port) for _ in range(ROUNDS)]
        seconds = statistics.median(each.seconds for each in more)
        print(f"while somebody looks: {seconds * 1000:.0f} ms, {more[0].size / 1e6:.1f} MB")
        for each in (viewer, *more):
            each.close()
        cost(server, psutil.Process(process.pid), port, 1)
        cost(server, psutil.Process(process.pid), port, 50)


if __name__ == "__main__":
    main()
