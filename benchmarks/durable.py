"""``python -m benchmarks.durable``: what does it cost to wait for a replica?

A primary and one replica, both on this machine: a network adds its round trip. Pushes, and claims
that settle what was claimed before, one after the other; with and without ``durable=1`` in turns.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from woodenwaiter import WoodenWaiter
from woodenwaiter.protocol.link import Link
from woodenwaiter.protocol.queue import Queue
from woodenwaiter.protocol.replicas import Replicas
from woodenwaiter.protocol.tokens import Tokens

from .server import Server

ROUNDS = 9
TIMEOUT = 10
FOODS = {"n": 123456, "url": "https://example.org/some/path"}


def pushes(server: Server, replicas: int, number: int) -> float:
    """Seconds for one."""
    waiter = WoodenWaiter.from_url(server.url(), durable=replicas)
    waiter.take_dish("t:d", FOODS)  # connects
    begin = time.monotonic()
    for _ in range(number):
        waiter.take_dish("t:d", FOODS)
    return (time.monotonic() - begin) / number


def claims(server: Server, replicas: int, number: int, want: int) -> float:
    """Seconds for one, of so many tasks at once."""
    server.client.lpush("t:d", *[b"{}"] * (number * want))
    link = Link(server.client, TIMEOUT, replicas=Replicas(replicas, TIMEOUT))
    queue = Queue(link, "t:d", lease=30)
    queue.enroll("owner", 0, 1)
    begin = time.monotonic()
    for n in range(number):
        queue.claim("owner", n * want, want, Tokens(1 + n, 2 + n))
    took = (time.monotonic() - begin) / number
    queue.release("owner", number * want, 1 + number)
    link.close()
    return took


def replicated(folder: Path) -> tuple[Server, Server]:
    """A primary and its replica, which has caught up."""
    primary, replica = (Server(folder / name, None) for name in ("primary", "replica"))
    settings = primary.client.connection_pool.connection_kwargs
    replica.client.replicaof(settings["host"], settings["port"])
    primary.client.config_set("repl-diskless-sync-delay", 0)
    while replica.client.info("replication")["master_link_status"] != "up":
        time.sleep(0.05)
    return primary, replica


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.durable", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="for a first look")
    number = 20 if parser.parse_args(arguments).quick else 1000
    cases: dict[str, Callable[[Server, int], float]] = {
        "a push": lambda server, replicas: pushes(server, replicas, number),
        "a claim of 1 task": lambda server, replicas: claims(server, replicas, number, 1),
        "a claim of 256": lambda server, replicas: claims(server, replicas, number // 10, 256),
    }
    with tempfile.TemporaryDirectory(prefix="durable-") as folder:
        primary, replica = replicated(Path(folder))
        try:
            print(f"server: {primary.describe()}; a replica beside it; medians of {ROUNDS} rounds")
            print(f"\n{'µs':>20}{'alone':>10}{'durable=1':>12}{'times':>8}")
            for name, case in cases.items():
                taken = [(case(primary, 0), case(primary, 1)) for _ in range(ROUNDS)]
                alone, both = (1e6 * statistics.median(each) for each in zip(*taken, strict=True))
                times = statistics.median(with_it / without for without, with_it in taken)
                print(f"{name:>20}{alone:10.0f}{both:12.0f}{times:8.2f}", flush=True)
                primary.empty()
        finally:
            replica.close()
            primary.close()


if __name__ == "__main__":
    main()
