"""``python -m benchmarks.scale``: what does a fleet of hosts cost the one server that it shares?

The server is real, and so are the scripts and what decides when to ask for them: one `Site` for
each host, as a housekeeper has it, at real time. There is no worker: rows of a scoreboard stand for
those that are idle, and what their waits cost is measured with some connections and multiplied. A
fleet that works is owners that claim, one after the other, as fast as the server answers.
"""

from __future__ import annotations

import argparse
import heapq
import random
import socket
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import redis

from woodenwaiter import pace
from woodenwaiter.consumer import Consumer
from woodenwaiter.housekeeper.portrait import Portrait
from woodenwaiter.housekeeper.publisher import Publisher
from woodenwaiter.housekeeper.site import Site
from woodenwaiter.processes.row import Row, State
from woodenwaiter.processes.scoreboard import Scoreboard
from woodenwaiter.protocol import scripts
from woodenwaiter.protocol.calls import run_all
from woodenwaiter.protocol.hosts import Crew, Host, Running
from woodenwaiter.protocol.link import Command, Link
from woodenwaiter.protocol.published import publication
from woodenwaiter.protocol.queue import Queue
from woodenwaiter.protocol.tending import Visit
from woodenwaiter.protocol.tokens import Tokens
from woodenwaiter.protocol.verdict import Policy
from woodenwaiter.settings import Settings

from .server import Server

LEASE = pace.LEASE
WORKERS = 16
SIZES = (1, 10, 100, 1000)
LOOK = 0.5
"""Seconds between two looks of one of so many hosts in one process: housekeepers take 0.1 s."""

PAYLOAD = b'{"n": 123456, "url": "https://example.org/some/path"}'


@dataclass
class Usage:
    """Of a server, in some seconds."""

    seconds: float
    cpu: float
    requests: int
    commands: int

    @property
    def share(self) -> float:
        """Per cent of a core."""
        return 100 * self.cpu / self.seconds


class Meter:
    """What a server has used since."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._began, self._cpu = time.monotonic(), server.cpu_seconds()
        self._requests, self._commands = server.traffic()

    def read(self) -> Usage:
        requests, commands = self._server.traffic()
        return Usage(
            time.monotonic() - self._began,
            self._server.cpu_seconds() - self._cpu,
            requests - self._requests,
            commands - self._commands,
        )


def key_memory(server: Server) -> int:
    """Bytes of what is stored, without connections and what they have in their buffers."""
    info = server.client.info("memory")
    return int(info["used_memory_dataset"])


# Idle: the hosts' upkeep.


class WatchedSite(Site):
    """Notes when which queue is tended."""

    visits: defaultdict[str, list[float]]

    def _exchange(self, visits: Sequence[Visit], along: Sequence[Command]) -> Sequence[Any]:
        now = time.monotonic()
        for visit in visits:
            self.visits[visit.keys.queue].append(now)
        return super()._exchange(visits, along)


class Housekeeper:
    """Of one host. ``queues``: of each of its workers."""

    def __init__(self, client: redis.Redis, queues: Sequence[str]) -> None:
        self.site = WatchedSite(client, LEASE, timeout=pace.reply_within(LEASE))
        self._rows: dict[str, list[Row]] = {}
        names = [*dict.fromkeys(queues)]
        scoreboard = Scoreboard(len(queues), len(names))
        for slot, name in enumerate(queues):
            row: Row = scoreboard.allocate()  # type: ignore[assignment]
            row.open(names.index(name), slot, slot + 1)
            row.become(State.LIVE)
            self.site.add(name, Policy(), 1)
            self._rows.setdefault(name, []).append(row)
            Queue(self.site.link, name, LEASE).enroll(row.owner, 0, 1)
        consumers = [Consumer(name, client, print, 1.0, 1, Policy()) for name in names]
        portrait = Portrait(scoreboard, Settings(), dict(enumerate(consumers)), 0)
        name, happenings = f"{scoreboard.pool}/0", self.site.happenings
        self.site.publisher = Publisher(self.site.link, name, portrait, happenings)

    def look(self) -> None:
        self.site.attend(self._rows)


def fleet(client: redis.Redis, hosts: int, *, is_spread: bool) -> list[Housekeeper]:
    """As many queues as hosts: each queue's workers on as many hosts as can be, or on one."""
    others = range(WORKERS) if is_spread else [0] * WORKERS
    return [Housekeeper(client, [f"q:{(n + o) % hosts}" for o in others]) for n in range(hosts)]


def look_around(hosts: Sequence[Housekeeper], seconds: float) -> float:
    """Let all of them look now and then; returns the seconds between two looks of one of them."""
    looks = [(time.monotonic() + random.uniform(0, LOOK), n) for n in range(len(hosts))]
    heapq.heapify(looks)
    end, made = time.monotonic() + seconds, 0
    while (now := time.monotonic()) < end:
        at, number = looks[0]
        if now < at:
            time.sleep(min(at, end) - now)
            continue
        heapq.heapreplace(looks, (at + LOOK, number))
        hosts[number].look()
        made += 1
    return seconds * len(hosts) / made


def upkeep(server: Server, hosts: int, warm_up: float, seconds: float, *, is_spread: bool) -> str:
    server.empty()
    before = key_memory(server)
    there = fleet(server.client, hosts, is_spread=is_spread)
    WatchedSite.visits = defaultdict(list)
    look_around(there, warm_up)
    meter = Meter(server)
    WatchedSite.visits.clear()
    looked = look_around(there, seconds)
    used, visits = meter.read(), WatchedSite.visits
    memory = key_memory(server) - before
    for host in there:
        host.site.link.close()
    waits = sorted(waits_for(visits, random.Random(0)))
    return (
        f"{hosts:6,} {'many' if is_spread else 'one':>5}"
        f"{sum(map(len, visits.values())) / used.seconds:10,.1f}"
        f"{used.requests / used.seconds:10,.1f}{used.commands / used.seconds:12,.1f}"
        f"{used.share:9.2f}{_at(waits, 0.5):9.1f}{_at(waits, 0.99):7.1f}"
        f"{memory / hosts / WORKERS:13,.0f}{looked:8.2f}"
    )


def waits_for(visits: dict[str, list[float]], chance: random.Random) -> Iterator[float]:
    """Of what happens at any time to any queue, until somebody comes by."""
    for times in visits.values():
        for _ in range(20):
            at = chance.uniform(times[0], times[-1])
            yield next(time for time in times if time >= at) - at


def _at(ordered: Sequence[float], share: float) -> float:
    return ordered[int(share * (len(ordered) - 1))] if ordered else 0.0


# What hosts tell of themselves.


def told(server: Server, hosts: int, seconds: float) -> tuple[float, int]:
    """Microseconds of the server's for each document of so many hosts, whose workers all run a
    task, and its bytes: each is a request of its own."""
    server.empty()
    link = Link(server.client, timeout=60)
    names = [f"q:{number}" for number in range(WORKERS)]
    crews = tuple(Crew(name, 1, 1, running=1) for name in names)
    documents = []
    for number in range(hosts):
        pool = owner_of(WORKERS * number).partition("/")[0]
        tasks = tuple(
            Running(
                name, 0, 4711 + n, f"{pool}/{n}/123456", 12.345, 123455, memory=40 << 20, cpu=9.9
            )
            for n, name in enumerate(names)
        )
        host = Host("host", 4711, "1.0.0", 12345.678, WORKERS, WORKERS, queues=crews, workers=tasks)
        documents.append(publication(f"{pool}/0", host))
    meter, made, end = Meter(server), 0, time.monotonic() + seconds
    while time.monotonic() < end:
        link.exchange([documents[made % hosts]])
        made += 1
    cost = 1e6 * meter.read().cpu / made
    link.close()
    return cost, len(documents[0][6])


# Idle: the workers' waits.


def waits(server: Server, connections: int, seconds: float) -> tuple[float, float, float]:
    """Microseconds of the server's for each wait, and bytes for each connection: by the server's
    account, and by the system's."""
    info = server.client.info
    before = info("memory")
    there = [_connect(server) for _ in range(connections)]
    wait = b"BLMOVE q:q {q:q}:arrivals RIGHT LEFT 1\r\n"
    for each in there:
        each.sendall(wait)
    while info("clients")["blocked_clients"] < connections:
        time.sleep(0.01)
    after = info("memory")
    meter, ended, end = Meter(server), 0, time.monotonic() + seconds
    while time.monotonic() < end:
        for each in there:
            each.recv(100)
            each.sendall(wait)
            ended += 1
    cost = 1e6 * meter.read().cpu / ended
    for each in there:
        each.close()
    used, resident = (after[n] - before[n] for n in ("used_memory", "used_memory_rss"))
    return cost, used / connections, resident / connections


def _connect(server: Server) -> socket.socket:
    settings = server.client.connection_pool.connection_kwargs
    return socket.create_connection((settings["host"], settings["port"]))


def herd(server: Server, connections: int) -> tuple[float, float]:
    """Microseconds of the server's for each worker that comes back at once: it connects, enrolls,
    and claims in vain; and seconds until all have."""
    meter = Meter(server)
    queues = []
    for number in range(connections):
        queue = Queue(Link(server.client, timeout=10), f"q:{number % 100}", LEASE)
        queue.enroll(owner_of(number), 0, 1)
        queue.claim(owner_of(number), 0, 1, Tokens(1, 2))
        queues.append(queue)
    used = meter.read()
    for queue in queues:
        queue.link.close()
    return 1e6 * used.cpu / connections, used.seconds


# Busy.


def owner_of(number: int) -> str:
    return f"host-{number // WORKERS}.4711.0123456789abcdef0123456789abcdef/{number % WORKERS}"


def busy(server: Server, hosts: int, want: int, tasks: int) -> float:
    """Microseconds of the server's for each task, of owners that claim so many at once in turn."""
    server.empty()
    link = Link(server.client, timeout=60)
    queues = [Queue(link, f"q:{number}", LEASE) for number in range(hosts)]
    owners = [(queues[n % hosts], owner_of(n)) for n in range(WORKERS * hosts)]
    for queue, owner in owners:
        queue.enroll(owner, 0, 1)
    each = max(1, tasks // hosts)
    for queue in queues:
        for _ in range(0, 2 * each, 1000):  # a fair share of what waits is enough
            link.call("LPUSH", queue.name, *[PAYLOAD] * min(2 * each, 1000))
    meter, taken = Meter(server), 0
    completed, token = [0] * len(owners), 1
    for turn in count():
        if taken >= tasks:
            break
        token = 2 + turn
        for first in range(0, len(owners), 100):
            batch = range(first, min(first + 100, len(owners)))
            calls = [
                (
                    scripts.CLAIM,
                    *owners[n][0]._claim(owners[n][1], completed[n], want, Tokens(1, token)),
                )
                for n in batch
            ]
            for n, claimed in zip(batch, run_all(link, calls), strict=True):
                completed[n] += len(claimed)
                taken += len(claimed)
            if taken >= tasks:
                break
    cost = 1e6 * meter.read().cpu / taken
    link.close()
    return cost


# What is told.


def bare(server: Server, requests: int = 20_000) -> float:
    """Microseconds of the server's for a request that does nothing: how fast the machine is, and
    how busy with other things."""
    meter = Meter(server)
    for _ in range(requests):
        server.client.ping()
    return 1e6 * meter.read().cpu / requests


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("hosts", nargs="*", type=int, default=SIZES, help="how many: 1 10 100 1000")
    parser.add_argument("--quick", action="store_true", help="for a first look")
    given = parser.parse_args(arguments)
    warm_up, seconds = (3.0, 3.0) if given.quick else (pace.CALM + 15, 20.0)
    with tempfile.TemporaryDirectory(prefix="scale-") as folder:
        server = Server(Path(folder), None)
        try:
            print(f"server: {server.describe()}; lease {LEASE:g} s, {WORKERS} workers a host")
            tell_of_idle(server, given.hosts, warm_up, seconds)
            tell_of_busy(server, given.hosts, 2_000 if given.quick else 100_000)
        finally:
            server.close()


def tell_of_idle(server: Server, sizes: Sequence[int], warm_up: float, seconds: float) -> None:
    cost, used, resident = waits(server, 500, min(seconds, 10))
    back, _ = herd(server, 1000)
    document, size = told(server, max(sizes), min(seconds, 10))
    print(
        f"\nA PING: {bare(server):.1f} µs of the server's\n"
        f"A wait of an idle worker: {cost:.1f} µs of the server's, once in"
        f" {pace.slumber(0):g} s (measured with 500 connections, and multiplied below)\n"
        f"A connection that waits: {used / 1024:.1f} KiB by the server's account,"
        f" {resident / 1024:.1f} KiB resident\n"
        f"A worker that comes back: {back:.0f} µs of the server's (of 1,000 at once)\n"
        f"A document of a busy host, of {size:,} bytes: {document:.1f} µs of the server's, once in"
        f" {pace.PUBLISH:g} s: {100 * max(sizes) * document / 1e6 / pace.PUBLISH:.2f} % for"
        f" {max(sizes):,} hosts (those of idle ones are counted below)\n\n"
        f"Idle, as many queues as hosts, the workers of each queue on many hosts or on one:\n\n"
        f" hosts    on  visits/s requests/s  commands/s   core %  wait p50    p99"
        f"  bytes/worker  looks     + waits %"
    )
    for hosts in sizes:
        for is_spread in (True, False) if hosts > 1 else (False,):
            row = upkeep(server, hosts, warm_up, seconds, is_spread=is_spread)
            share = 100 * WORKERS * hosts / pace.slumber(0) * cost / 1e6
            print(f"{row}{share:14.2f}", flush=True)


def tell_of_busy(server: Server, sizes: Sequence[int], tasks: int) -> None:
    print("\nBusy: µs of the server's for each task, by how many are claimed at once:\n")
    print(f"{'hosts':>6}" + "".join(f"{want:>9}" for want in (1, 16, 256)))
    for hosts in sizes:
        costs = [busy(server, hosts, want, tasks) for want in (1, 16, 256)]
        print(f"{hosts:6,}" + "".join(f"{cost:9.1f}" for cost in costs), flush=True)


if __name__ == "__main__":
    main()
