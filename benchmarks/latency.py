"""How long from a push to the start of the handler?

idle: one push at a time to workers that wait.
half load: tasks that sleep for 5 ms, at random times, half as many as the workers could run.
mixed: bursts of 200 no-ops among which one in a hundred sleeps for 1 s, and eight workers: enough
for the slow ones, so what a fast one waits for is that a slow one was taken before it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import partial
from typing import Any

from .harness import BRPOP, WORKERS, Bench, Finding, Metric, Step, few_rounds, percentile
from .system import WARM_UP, Run, System

PERCENTILES = (50, 99, 99.9)
METRICS = {percent: Metric(f"p{percent:g}, ms") for percent in PERCENTILES}

Schedule = list[tuple[float, list[dict[str, Any]]]]


def steps(bench: Bench) -> Iterator[Step]:
    for system in bench.systems_for(BRPOP, peers=not bench.quick):
        for case, workers, schedule in (
            ("idle", WORKERS, idle(bench.either(1000, 150))),
            ("half load", WORKERS, half_load(bench.either(1000, 150))),
            ("mixed, the fast ones", 8, mixed(bench.either(6, 2))),
        ):
            run = partial(measure, bench, system, case, workers, schedule)
            yield Step(system.name, case, run, schedule[-1][0] + 3, few_rounds(system))


def idle(tasks: int) -> Schedule:
    dice = random.Random(1)
    return [(n * 0.005 + dice.random() * 0.002, [{"n": n}]) for n in range(tasks)]


def half_load(tasks: int) -> Schedule:
    dice, at, schedule = random.Random(2), 0.0, []
    for n in range(tasks):
        at += dice.expovariate(WORKERS / 0.005 / 2)
        schedule.append((at, [{"n": n, "sleep": 0.005}]))
    return schedule


def mixed(bursts: int) -> Schedule:
    dice = random.Random(3)
    schedule: Schedule = []
    for burst in range(bursts):
        slow = dice.sample(range(200), 2)
        tasks: list[dict[str, Any]] = [{"n": 200 * burst + n} for n in range(200)]
        for n in slow:
            tasks[n]["sleep"] = 1.0
        schedule.append((burst * 1.0, tasks))
    return schedule


def measure(
    bench: Bench, system: System, case: str, workers: int, schedule: Schedule
) -> Iterator[Finding]:
    measured = [foods for _, group in schedule for foods in group]
    with bench.run(system, WARM_UP * workers + len(measured), timed=True) as run:
        warm_up = run.warm_up(workers)
        run.push_on_time(_later(schedule, warm_up))
        run.wait_done(30)
        bench.check(run)
        fast = [warm_up + foods["n"] for foods in measured if foods.get("sleep", 0) < 1]
        waits = _waits(run, fast)
    for percent, metric in METRICS.items():
        yield Finding(metric, case, percentile(waits, percent))


def _later(schedule: Schedule, warm_up: int) -> Schedule:
    """The same tasks, numbered after those that warm up."""
    return [
        (at, [{**foods, "n": warm_up + foods["n"]} for foods in group]) for at, group in schedule
    ]


def _waits(run: Run, tasks: list[int]) -> list[float]:
    return [1000 * (run.ledger.started[n] - run.ledger.pushed[n]) for n in tasks]
