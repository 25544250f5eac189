"""What becomes of the tasks when a worker is killed?

Of two workers, in the middle of 1,000 tasks of 10 ms, the one that runs a certain task is killed
with SIGKILL, and what its system does not start again itself is started by hand.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial

from .harness import LOOPS, WORKERS, Bench, Finding, Metric, Step
from .system import Run, Stuck, System

LOST = Metric("tasks lost")
TWICE = Metric("other tasks run twice")
AGAIN = Metric("seconds until the interrupted task ran again")
DIED = Metric("processes to start again by hand")

TASKS = 1_000


AT_ONCE = 8
"""Systems, each in a database of its own: all they do is sleep and wait."""


def steps(bench: Bench) -> Iterator[Step]:
    wait = bench.either(75, 15)
    systems = bench.systems_for(*LOOPS)
    for group in (systems[n : n + AT_ONCE] for n in range(0, len(systems), AT_ONCE)):
        label = f"and {len(group) - 1} others, one worker of each killed"
        run = partial(measure_all, bench, group, wait)
        yield Step(group[0].name, label, run, seconds=wait + 10, rounds=1)


def measure_all(bench: Bench, systems: list[System], wait: float) -> Iterator[Finding]:
    with ThreadPoolExecutor(len(systems)) as threads:
        measures = [
            threads.submit(list, measure(bench, system, wait, number))
            for number, system in enumerate(systems)
        ]
    for future, system in zip(measures, systems, strict=True):
        if isinstance(error := future.exception(), Stuck):
            bench.fail("safety", system.name, "a worker killed", error)
        else:
            yield from (replace(finding, system=system.name) for finding in future.result())


def measure(bench: Bench, system: System, wait: float, database: int) -> Iterator[Finding]:
    case = f"within {wait:g} s"
    with bench.run(system, TASKS, timed=True, database=database) as run:
        run.push(TASKS, sleep=0.01)
        run.start(WORKERS)
        run.wait_done(60, part=0.4)
        victim = run.kill_one_at_work()
        killed_at = run.ledger.started[victim]
        restarted = _wait(run, wait)
        again = run.ledger.started[victim] - killed_at if run.ledger.begun[victim] > 1 else math.nan
        others = run.ledger.count_repeated() - (not math.isnan(again))
        yield Finding(LOST, case, len(run.ledger.missing()))
        yield Finding(TWICE, case, others)
        yield Finding(AGAIN, case, again)
        yield Finding(DIED, case, restarted)


def _wait(run: Run, seconds: float) -> int:
    """Wait until all tasks are done, or so long; returns how many processes had to be started."""
    restarted = 0

    def all_done() -> bool:
        nonlocal restarted
        restarted += run.restart_the_dead(WORKERS)
        return run.ledger.first_missing() < 0

    with suppress(Stuck):
        run.wait_for(all_done, seconds, "not all were done")
    return restarted
