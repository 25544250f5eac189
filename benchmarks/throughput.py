"""How many tasks a second? Warm workers, stopped while the list is filled, drain it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from functools import partial

from .harness import LOOPS, MANY, PURE, WORKERS, Bench, Finding, Metric, Step, few_rounds
from .system import WARM_UP, System

RATE = Metric("tasks/s", more_is_better=True)
COST = Metric("µs of CPU a task, server included")

MOST_BYTES = 1 << 27
"""Of payloads in the server at once."""


def cases() -> Iterator[tuple[str, int, int]]:
    """Their names, bytes of padding and workers."""
    workers = 1
    while workers <= max(WORKERS, os.cpu_count() or 1):
        yield f"no-op, {workers} worker{'s' * (workers > 1)}", 0, workers
        workers *= 2
    yield f"1 KB, {WORKERS} workers", 1_000, WORKERS
    yield f"100 KB, {WORKERS} workers", 100_000, WORKERS


def steps(bench: Bench) -> Iterator[Step]:
    for case, size, workers in cases():
        central = (size, workers) == (0, WORKERS)
        others = (PURE, *LOOPS) if central or not bench.quick else ()
        for system in bench.systems_for(*others, peers=central or not bench.quick):
            run = partial(measure, bench, system, case, size, workers)
            rounds = MANY if central else few_rounds(system)
            yield Step(system.name, case, run, seconds=bench.either(6, 4), rounds=rounds)


def measure(bench: Bench, system: System, case: str, size: int, workers: int) -> Iterator[Finding]:
    count = int(system.peer.pace * bench.either(2.5, 0.7))
    if size:
        count = min(count, MOST_BYTES // size)
    with bench.run(system, count + WARM_UP * workers) as run:
        first = run.warm_up(workers)
        with run.frozen():
            run.push(count, first, size)
            cpu = sum(run.cpu_seconds())
            begin = time.monotonic()
        run.wait_done(60)
        seconds = time.monotonic() - begin
        cpu = sum(run.cpu_seconds()) - cpu
        bench.check(run)
    yield Finding(RATE, case, count / seconds)
    yield Finding(COST, case, cpu / count * 1e6)
