"""How much memory does the whole tree of processes take?

As PSS: what processes share counts once. Measured after every worker has run tasks.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from . import processes
from .harness import BRPOP, Bench, Finding, Metric, Step, is_peer, settle
from .system import WARM_UP, System

WHOLE = Metric("MiB of the whole tree")
LARGE = Metric("MiB of the whole tree, with an application that holds 80 MiB")


def steps(bench: Bench) -> Iterator[Step]:
    for workers in bench.either((1, 2, 8, 32), (1, 2, 8)):
        compared = (2,) if bench.quick else (2, 8)
        for system in bench.systems_for(BRPOP, peers=workers in compared):
            for large in (False,) if bench.quick and is_peer(system.name) else (False, True):
                run = partial(measure, bench, system, workers, large)
                yield Step(system.name, f"{workers} workers", run, 4 + workers / 8, rounds=1)


def measure(bench: Bench, system: System, workers: int, large: bool) -> Iterator[Finding]:
    with bench.run(system, WARM_UP * workers, timed=True, large=large) as run:
        run.warm_up(workers)
        settle(bench.either(1, 0.3))
        case = f"{workers} worker{'s' * (workers > 1)}"
        yield Finding(LARGE if large else WHOLE, case, processes.pss(run.tree()))
        bench.check(run)
