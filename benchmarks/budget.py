"""What is one budget for all dishes worth? ``python -m benchmarks.budget``

Ten dishes, of which one or two have work at a time: as much as keeps all CPUs busy for some
seconds; when it is done, the load moves to the next. Once each dish has one process, once all share
as many as there are CPUs; beside it plain loops, and others that serve ten queues with so many.
Ideal is the work divided by the CPUs. On a machine that is not quiet, ``--pretend`` has tasks
sleep: as if each worker had a CPU of its own.
"""

from __future__ import annotations

import argparse
import importlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from woodenwaiter.processes.cpus import usable_cpus

from .dishes import find
from .server import Server
from .system import Run, Stuck, System

DISHES = 10
NAMES = ("plain", "woodenwaiter_fixed", "woodenwaiter", "celery", "dramatiq", "rq")


def phases(given: argparse.Namespace) -> Iterator[dict[int, int]]:
    """How many tasks to push to which dishes, time after time."""
    tasks = round(given.cpus * given.seconds / given.task)
    for n in range(given.phases):
        aside = tasks // 4 if n % 3 == 2 else 0  # of another dish
        yield {n * 7 % DISHES: tasks - aside, (n * 7 + 3) % DISHES: aside}


def count(given: argparse.Namespace) -> int:
    return sum(sum(phase.values()) for phase in phases(given))


def measure(given: argparse.Namespace, server: Server, folder: Path, system: System) -> float:
    """Seconds that all the work takes."""
    push = importlib.import_module(f"benchmarks.peers.{system.name}").push
    work = {"sleep" if given.pretend else "compute": given.task}
    with Run(system, server, folder, count(given), timed=True) as run:
        run.start(given.cpus)
        time.sleep(given.settle)  # let it start, and find nothing
        begin, pushed = time.monotonic(), 0
        for phase in phases(given):
            dishes = [dish for dish, tasks in phase.items() for _ in range(tasks)]
            push([{"n": n, "dish": dish, **work} for n, dish in enumerate(dishes, pushed)])
            pushed += len(dishes)
            run.wait_for(partial(_are_done, run, pushed), 600, "the work was not done", 0.02)
        return time.monotonic() - begin


def _are_done(run: Run, tasks: int) -> bool:
    return not 0 <= run.ledger.first_missing() < tasks


def systems(cpus: int) -> Iterator[System]:
    """Those that can be run here."""
    for name in NAMES:
        system = find(name, DISHES, cpus)
        if isinstance(system, System):
            yield system
        else:
            print(f"{name} left out: {system}")


def rounds(given: argparse.Namespace) -> dict[str, list[float]]:
    """Seconds of each, one after the other in each round: what drifts hits all of them."""
    taken: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder), None)
        os.environ |= {"BENCHMARK_URL": server.url(), "BENCHMARK_HANDLER": "timed"}  # of who pushes
        try:
            found = list(systems(given.cpus))
            for system in found * given.rounds:
                try:
                    seconds = measure(given, server, Path(folder), system)
                except Stuck as error:
                    print(f"{system.peer.title}: {error}")
                else:
                    print(f"{system.peer.title}: {seconds:.1f} s", file=sys.stderr)
                    taken.setdefault(system.peer.title, []).append(seconds)
        finally:
            server.close()
    return taken


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.budget", description=__doc__)
    parser.add_argument("--cpus", type=int, default=usable_cpus(), help="(all)")
    parser.add_argument("--phases", type=int, default=10, help="how often the load moves (10)")
    parser.add_argument("--seconds", type=float, default=5, help="of work for all CPUs, each (5)")
    parser.add_argument("--task", type=float, default=0.05, help="seconds of a task (0.05)")
    parser.add_argument("--settle", type=float, default=5, help="seconds before the work (5)")
    parser.add_argument("--rounds", type=int, default=1, help="whose medians are told (1)")
    parser.add_argument("--pretend", action="store_true", help="sleep instead of computing")
    return parser


def main() -> None:
    given = parser().parse_args()
    ideal = count(given) * given.task / given.cpus
    print(f"ideal, {given.cpus} CPUs: {ideal:.1f} s; load before: {os.getloadavg()[0]:.1f}")
    for title, taken in rounds(given).items():
        seconds = statistics.median(taken)
        print(f"{title:32}{seconds:.1f} s, {ideal / seconds:.3f} of ideal")


if __name__ == "__main__":
    main()
