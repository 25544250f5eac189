"""What do 32 workers cost that have nothing to do?"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from .harness import BRPOP, Bench, Finding, Metric, Step, settle
from .system import WARM_UP, System

CPU = Metric("% of a CPU, for each worker")
REQUESTS = Metric("requests to the server a second, for each worker")
COMMANDS = Metric("commands a second, for each worker, those in scripts included")
SERVER = Metric("% of a CPU, the server")


def steps(bench: Bench) -> Iterator[Step]:
    for system in bench.systems_for(BRPOP, peers=not bench.quick):
        run = partial(measure, bench, system, bench.either(32, 8))
        yield Step(system.name, "idle", run, seconds=bench.either(18, 5), rounds=1)


def measure(bench: Bench, system: System, workers: int) -> Iterator[Finding]:
    case = f"{workers} workers"
    with bench.run(system, WARM_UP * workers, timed=True) as run:
        run.warm_up(workers)
        settle(bench.either(3, 1))
        usage = run.usage(bench.either(8, 2))
        bench.check(run)
    yield Finding(CPU, case, 100 * usage.cpu / workers)
    yield Finding(REQUESTS, case, usage.requests / workers)
    yield Finding(COMMANDS, case, usage.commands / workers)
    yield Finding(SERVER, case, 100 * usage.server_cpu)
