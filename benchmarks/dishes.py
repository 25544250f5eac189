"""How much memory does a pool take by the number of its dishes? ``python -m benchmarks.dishes``

As PSS, after tasks of all dishes; with (0, 1) processes each, after tasks of one. Beside it pools
of two workers: ours, and others of which one command serves many queues.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from . import processes
from .harness import settle
from .server import Server
from .system import WARM_UP, Run, Stuck, System, probe

SIZES = (1, 10, 30)

WORKERS = 2
"""Of a pool that all dishes share."""

NAMES = ("woodenwaiter_fixed", "woodenwaiter_range", "woodenwaiter", "celery", "dramatiq", "rq")
ONE_BUSY = "woodenwaiter_range"


def find(name: str, dishes: int, workers: int) -> System | str:
    """The system that serves so many dishes, or why it cannot be run here."""
    os.environ.update({"BENCHMARK_DISHES": str(dishes), "BENCHMARK_PROCESSES": str(workers)})
    return probe(f"dishes.{name}")


def measure(server: Server, folder: Path, system: System, busy: int) -> str:
    """MiB after tasks of so many dishes, and of how many processes."""
    numbers = range(WARM_UP * max(busy, WORKERS))
    tasks = [{"n": n, "dish": n % busy, "sleep": 0.05} for n in numbers]
    with Run(system, server, folder, len(tasks), timed=True) as run:
        run.start(WORKERS)
        settle(2)  # as idle as it is before there is work
        run.push_on_time([(0, tasks)])
        run.wait_done(60)
        settle(0.5)
        return f"{processes.pss(run.tree()):.0f} ({len(run.tree())})"


def row(server: Server, folder: Path, name: str) -> str:
    cells, title = [], name
    for dishes in SIZES:
        system = find(name, dishes, WORKERS)
        if isinstance(system, str):
            return f"{title:32}left out: {system}"
        title = system.peer.title
        try:
            cells.append(measure(server, folder, system, 1 if name == ONE_BUSY else dishes))
        except Stuck as error:
            cells.append(str(error))
    return f"{title:32}" + "".join(f"{cell:>14}" for cell in cells)


def main() -> None:
    argparse.ArgumentParser(prog="python -m benchmarks.dishes", description=__doc__).parse_args()
    with tempfile.TemporaryDirectory() as name:
        server = Server(Path(name), None)
        print(f"{'MiB (processes) by dishes':32}" + "".join(f"{dishes:>14}" for dishes in SIZES))
        try:
            for system in NAMES:
                print(row(server, Path(name), system), flush=True)
        finally:
            server.close()


if __name__ == "__main__":
    main()
