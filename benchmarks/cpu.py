"""What does the queue cost a handler that computes?

Efficiency is the rate of the workers beside that of as many bare forked processes that call the
same function in a loop, before and after, each worker counted from the start of its first task to
the end of its last. On a machine that is not quiet, only the CPU beyond the handlers' own says
something; it includes what it costs to note each task's times, the same for all.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import lru_cache, partial
from pathlib import Path

from . import task
from .harness import BRPOP, RPOP256, WORKERS, Bench, Finding, Metric, Step, few_rounds
from .ledger import Ledger
from .system import WARM_UP, System

EFFICIENCY = Metric("rate beside bare processes", more_is_better=True)
TIME_SHARE = Metric("handlers' share of the workers' time", more_is_better=True)
CPU_SHARE = Metric("handlers' share of all CPU used, server included", more_is_better=True)
OVERHEAD = Metric("µs of CPU a task beyond the handlers', server included")

DURATIONS = (0.0001, 0.001, 0.01, 0.1)


def steps(bench: Bench) -> Iterator[Step]:
    for seconds in DURATIONS:
        case = f"{seconds * 1000:g} ms"
        peers = seconds in (0.001, 0.01) and not bench.quick
        for system in bench.systems_for(BRPOP, RPOP256, peers=peers):
            run = partial(measure, bench, system, case, seconds)
            yield Step(system.name, case, run, bench.either(7, 4), few_rounds(system))


def measure(bench: Bench, system: System, case: str, seconds: float) -> Iterator[Finding]:
    rounds = rounds_for(seconds)
    tasks = int(bench.either(3.0, 0.6) * min(WORKERS / seconds, 0.7 * system.peer.pace))
    tasks = max(tasks, 4 * WORKERS)
    bare_rate = bare_processes(bench.folder, tasks, rounds)
    with bench.run(system, tasks + WARM_UP * WORKERS, timed=True) as run:
        first = run.warm_up(WORKERS)
        with run.frozen():
            run.push(tasks, first, spin=rounds)
            cpu = sum(run.cpu_seconds())
        run.wait_done(60, poll=0.05)  # the handlers need every CPU there is
        cpu = sum(run.cpu_seconds()) - cpu
        bench.check(run)
        own_rate = rate(run.ledger, first)
        share = time_share(run.ledger, first)
        in_handlers = sum(run.ledger.cpu[first:])
    bare_rate = (bare_rate + bare_processes(bench.folder, tasks, rounds)) / 2
    yield Finding(EFFICIENCY, case, own_rate / bare_rate)
    yield Finding(TIME_SHARE, case, share)
    yield Finding(CPU_SHARE, case, in_handlers / cpu)
    yield Finding(OVERHEAD, case, (cpu - in_handlers) / tasks * 1e6)


@lru_cache
def rounds_for(seconds: float) -> int:
    """How many rounds of arithmetic take this long here, undisturbed."""
    rounds = 2_000

    def once() -> float:
        begin = time.perf_counter()
        task.spin(rounds)
        return time.perf_counter() - begin

    return max(1, round(rounds * seconds / min(once() for _ in range(200))))


def rate(ledger: Ledger, first: int = 0) -> float:
    """Tasks a second of all processes together, each while it had work."""
    return sum(len(tasks) / _span(ledger, tasks) for tasks in _by_process(ledger, first))


def time_share(ledger: Ledger, first: int) -> float:
    """The part of the processes' time that passed in handlers."""
    inside = sum(ledger.ended[n] - ledger.started[n] for n in range(first, ledger.tasks))
    return inside / sum(_span(ledger, tasks) for tasks in _by_process(ledger, first))


def _by_process(ledger: Ledger, first: int) -> Iterable[list[int]]:
    ran: dict[int, list[int]] = defaultdict(list)
    for n in range(first, ledger.tasks):
        ran[ledger.pids[n]].append(n)
    return ran.values()


def _span(ledger: Ledger, tasks: list[int]) -> float:
    return max(ledger.ended[n] for n in tasks) - min(ledger.started[n] for n in tasks)


def bare_processes(folder: Path, tasks: int, rounds: int) -> float:
    """The rate of processes that do nothing else."""
    path = folder / "bare"
    ledger = Ledger.create(path, tasks)
    children = [_fork(ledger, range(start, tasks, WORKERS), rounds) for start in range(WORKERS)]
    for pid in children:
        os.waitpid(pid, 0)
    path.unlink()
    return rate(ledger)


def _fork(ledger: Ledger, numbers: range, rounds: int) -> int:
    if pid := os.fork():
        return pid
    for n in numbers:
        task.run_timed({"n": n, "spin": rounds}, ledger)
    os._exit(0)
