"""``python -m benchmarks.producer PEER``: pushes what a plan on standard input says.

In a process of its own, so that each run begins with a fresh one, and the peer's library is only
in the processes that need it.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from .ledger import Ledger
from .task import Foods

BATCH = 500

Push = Callable[[list[Foods]], None]


def bulk(count: int, first: int, size: int, foods: Foods) -> Iterator[list[Foods]]:
    """``count`` tasks, numbered from ``first``, in batches; each with ``size`` bytes of padding."""
    padding = {"padding": "x" * size} if size else {}
    step = max(1, min(BATCH, (1 << 22) // (size + 1)))
    numbers = range(first, first + count)
    for begin in range(0, count, step):
        yield [{"n": n, **foods, **padding} for n in numbers[begin : begin + step]]


def push_on_time(push: Push, schedule: list[tuple[float, list[Foods]]], ledger: Ledger) -> None:
    """Push each group at its time, in seconds from now."""
    start = time.monotonic()
    for at, group in schedule:
        time.sleep(max(0.0, start + at - time.monotonic()))
        now = time.monotonic()
        for foods in group:
            ledger.pushed[foods["n"]] = now
        push(group)


def main() -> None:
    push: Push = importlib.import_module(f"benchmarks.peers.{sys.argv[1]}").push
    plan = json.load(sys.stdin)
    if "schedule" in plan:
        gc.freeze()
        ledger = Ledger(Path(os.environ["BENCHMARK_LEDGER"]))
        push_on_time(push, plan["schedule"], ledger)
    else:
        for batch in bulk(**plan):
            push(batch)


if __name__ == "__main__":
    main()
