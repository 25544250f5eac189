"""A producer: ``python -m tests.soak.producers NAME LEDGER URL SEED``, until SIGTERM.

It uses what the published 0.0.4 has too, and runs with whichever ``woodenwaiter`` comes first.
"""

from __future__ import annotations

import json
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import redis

import woodenwaiter.woodenwaiter
from woodenwaiter.woodenwaiter import WoodenCooker, WoodenMenu, WoodenWaiter

from ..topologies.clients import client_at, repeats_nothing
from .kinds import DEADLY, GARBAGE, PLAIN, QUEUES, QUICK, ROUGH, SIZES
from .ledger import Ledger

PAUSE = 0.3
"""Seconds between two bursts."""

PATIENCE = 5.0
"""Seconds for the server to answer."""

MOST = 60
"""Tasks in a burst."""

ROUGH_EVERY = 0.6
DEADLY_EVERY = 10.0
GARBAGE_EVERY = 5.0
"""Seconds, for each producer."""


def deck(rng: random.Random, kinds: dict[str, tuple[str, ...]]) -> Iterator[tuple[str, str]]:
    """Queues and kinds in random order, but all of them before any comes again."""
    cards = [(queue, kind) for queue, names in kinds.items() for kind in names]
    while True:
        rng.shuffle(cards)
        yield from cards


class Rhythm:
    """Is due now and then."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._next = time.monotonic() + seconds / 2

    def due(self) -> bool:
        if time.monotonic() < self._next:
            return False
        self._next = time.monotonic() + self._seconds
        return True


class Producer:
    def __init__(self, name: str, ledger: Ledger, waiter: WoodenWaiter, seed: str) -> None:
        self._name = name
        self._ledger = ledger
        self._waiter = waiter
        self._rng = random.Random(seed + name)
        self._count = 0
        self._stopped = False
        repeats_nothing(waiter.redis_clt)

    def stop(self, number: int, frame: FrameType | None) -> None:
        self._stopped = True

    def produce(self) -> None:
        rough, deadly = deck(self._rng, ROUGH), deck(self._rng, DEADLY)
        rough_time, deadly_time = Rhythm(ROUGH_EVERY), Rhythm(DEADLY_EVERY)
        garbage_time = Rhythm(GARBAGE_EVERY)
        while not self._stopped:
            queue = self._rng.choice(QUEUES)
            for _ in range(self._rng.randrange(MOST)):
                self._push(queue, self._rng.choice(QUICK))
            if rough_time.due():
                self._push(*next(rough))
            if deadly_time.due():
                self._push(*next(deadly))
            if garbage_time.due():
                self._push_garbage()
            time.sleep(PAUSE)

    def _push(self, queue: str, kind: str) -> None:
        def push(task: str) -> None:
            table, dish = queue.split(":")
            foods: dict[str, Any] = {"id": task, "kind": kind}
            if kind in SIZES:
                foods["ballast"] = ""
                foods["ballast"] = "x" * (SIZES[kind] - len(json.dumps(foods)))
            WoodenCooker(WoodenMenu(table, dish, foods), self._waiter).cookone()

        self._on_record(kind, push)

    def _push_garbage(self) -> None:
        def push(task: str) -> None:
            payload = self._rng.choice(GARBAGE) % task.encode()
            self._waiter.redis_clt.lpush(PLAIN, payload)

        self._on_record("garbage", push)

    def _on_record(self, kind: str, push: Callable[[str], None]) -> None:
        self._count += 1
        task = f"{self._name}-{self._count}"
        self._ledger.note("pushing", task, kind)
        try:
            push(task)
        except (redis.RedisError, OSError):
            time.sleep(0.1)  # whether Redis has it, nobody knows
        else:
            self._ledger.note("pushed", task)


def waiter_at(url: str) -> WoodenWaiter:
    """The published one is given a client."""
    if hasattr(WoodenWaiter, "from_url"):
        return WoodenWaiter.from_url(url, socket_timeout=PATIENCE)
    waiter = WoodenWaiter()
    waiter.redis_clt = client_at(url, PATIENCE)
    return waiter


def main(name: str, ledger: str, url: str, seed: str) -> None:
    print(woodenwaiter.woodenwaiter.__file__, flush=True)
    waiter = waiter_at(url)
    producer = Producer(name, Ledger(Path(ledger)), waiter, seed)
    signal.signal(signal.SIGTERM, producer.stop)
    producer.produce()


if __name__ == "__main__":
    main(*sys.argv[1:])
