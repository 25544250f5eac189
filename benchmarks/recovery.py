"""How fast does it start, stop and get over a death?

first task: from the start of its command. The import of what it depends on is beside it.
drains: from SIGTERM to the end of the command, within 20 s; busy with tasks of 10 ms.
replacement: from the death of a worker that computes to the first task of another that takes its
place. Peers' deaths are in `safety`.
host: from the death of all of one host's processes to where the interrupted task runs elsewhere.
"""

from __future__ import annotations

import math
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial

from . import processes
from .harness import BRPOP, OURS, WORKERS, Bench, Finding, Metric, Step, few_rounds
from .system import WARM_UP, Run, Stuck, System

SECONDS = Metric("seconds")
LEASE = 40


def steps(bench: Bench) -> Iterator[Step]:
    yield Step(OURS, "import of its dependencies", import_of_dependencies, seconds=1)
    for system in bench.systems_for(BRPOP, peers=not bench.quick):
        run = partial(first_task, bench, system)
        yield Step(system.name, "first task", run, 2, few_rounds(system))
        for case, sleep in (("idle", 0.0), ("busy", 0.01)):
            run = partial(drain, bench, system, case, sleep)
            yield Step(system.name, f"{case} drain", run, seconds=4, rounds=1)
    if ours := bench.systems.get(OURS):
        yield Step(OURS, "replacement", partial(replacement, bench, ours), seconds=5)
        lease = bench.either(LEASE, 2)
        run = partial(host_death, bench, ours, lease)
        yield Step(OURS, "host death", run, seconds=lease + 5, rounds=1)


def import_of_dependencies() -> Iterator[Finding]:
    begin = time.monotonic()
    subprocess.run([sys.executable, "-c", "import redis, psutil, setproctitle"], check=True)
    yield Finding(SECONDS, "import of dependencies", time.monotonic() - begin)


def first_task(bench: Bench, system: System) -> Iterator[Finding]:
    with bench.run(system, 1, timed=True) as run:
        run.push(1)
        begin = time.monotonic()
        run.start(WORKERS)
        run.wait_done(30)
        yield Finding(SECONDS, "start to first task", run.ledger.started[0] - begin)
        bench.check(run)


def drain(bench: Bench, system: System, case: str, sleep: float) -> Iterator[Finding]:
    tasks = 3_000 if sleep else 0
    with bench.run(system, WARM_UP * WORKERS + tasks, timed=True) as run:
        first = run.warm_up(WORKERS)
        if tasks:
            run.push(tasks, first, sleep=sleep)
        begin = time.monotonic()
        for root in run.roots:
            root.send_signal(signal.SIGTERM)
        try:
            run.wait_ended(20)
            seconds = time.monotonic() - begin
        except Stuck:
            seconds = math.nan
        yield Finding(SECONDS, f"drain, {case}", seconds)


def replacement(bench: Bench, system: System) -> Iterator[Finding]:
    deaths = bench.either(5, 2)
    with bench.run(system, WARM_UP * WORKERS + 10_000, timed=True) as run:
        first = run.warm_up(WORKERS)
        run.push(10_000, first, sleep=0.001)
        for _ in range(deaths):
            before = {process.pid for process in run.tree()}
            run.kill_one_at_work()
            begin = time.monotonic()
            began = run.wait_for(
                partial(_first_of_another, run, before, begin), 10, "no replacement"
            )
            yield Finding(SECONDS, "death to replacement's first task", began - begin)


def _first_of_another(run: Run, known: set[int], since: float) -> float:
    """When the first task began since then in a process not known; 0 if none did."""
    ledger = run.ledger
    began = (
        ledger.started[n]
        for n in range(ledger.tasks)
        if ledger.started[n] > since and ledger.pids[n] not in known
    )
    return min(began, default=0.0)


def host_death(bench: Bench, system: System, lease: int) -> Iterator[Finding]:
    """Of two hosts, the one that runs a task dies."""
    options = ("--lease-seconds", str(lease))
    with bench.run(system, 1, timed=True) as run:
        run.start_one(1, *options)
        run.push(1, sleep=0.5)
        run.wait_for(lambda: run.ledger.begun[0], 10, "the task did not begin")
        [first] = run.roots
        run.start_one(1, *options)
        begin = time.monotonic()
        processes.kill(processes.tree([first]))
        run.wait_for(lambda: run.ledger.begun[0] > 1, lease * 3, "it did not run elsewhere")
        case = f"host's death to its task elsewhere, leases of {lease} s"
        yield Finding(SECONDS, case, run.ledger.started[0] - begin)
