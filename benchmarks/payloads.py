"""``python -m benchmarks.payloads``: what does the size of a payload do?

Two workers that do nothing drain a full list of payloads of one size: ours, and plain loops of RPOP
and of LMOVE, one after the other in each round. CPU is that of the server and of all processes, for
one task; memory that of the largest process, at its peak.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import psutil

from .harness import OURS, WORKERS
from .server import Server
from .system import WARM_UP, Run, System, probe

LOOPS = ("plain_rpop", "plain_lmove")
SIZES = {
    "50 B": 50,
    "1 KB": 1_000,
    "10 KB": 10_000,
    "100 KB": 100_000,
    "1 MB": 1_000_000,
    "10 MB": 10_000_000,
}
MOST_BYTES = 1 << 28
"""Of payloads in the server at once."""

MOST_TASKS = {OURS: 400_000}
"""Where they are small; else MOST_OF_LOOPS."""

MOST_OF_LOOPS = 30_000


class Drained(NamedTuple):
    """How a full list was drained: tasks a second, µs of CPU for one, MiB of a process."""

    rate: float
    cpu: float
    peak: float


def required(name: str) -> System:
    found = probe(name)
    if isinstance(found, str):
        sys.exit(f"{name}: {found}")
    return found


def drain(run: Run, count: int, size: int) -> Drained:
    first = run.warm_up(WORKERS)
    with run.frozen():
        run.push(count, first, size)
        cpu, begin = sum(run.cpu_seconds()), time.monotonic()
    run.wait_done(120)
    seconds = time.monotonic() - begin
    cpu = sum(run.cpu_seconds()) - cpu
    return Drained(count / seconds, cpu / count * 1e6, max(map(peak, run.tree())))


def peak(process: psutil.Process) -> float:
    """MiB, as Linux says."""
    with suppress(OSError):
        for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return 0.0


def measure(
    server: Server, folder: Path, systems: Sequence[System], size: int, rounds: int, part: float
) -> list[Drained]:
    """Of each system, the medians of so many rounds."""
    found: list[list[Drained]] = [[] for _ in systems]
    for _ in range(rounds):
        for system, drained in zip(systems, found, strict=True):
            most = MOST_TASKS.get(system.name, MOST_OF_LOOPS)
            count = max(2 * WORKERS, int(part * min(most, MOST_BYTES // size)))
            with Run(system, server, folder, count + WARM_UP * WORKERS) as run:
                drained.append(drain(run, count, size))
    return [Drained(*map(statistics.median, zip(*drained, strict=True))) for drained in found]


def row(name: str, ours: Drained, rpop: Drained, lmove: Drained) -> str:
    rates, cpus, peaks = (
        " ".join(f"{value:,.0f}" for value in column)
        for column in zip(ours, rpop, lmove, strict=True)
    )
    ratios = f"{ours.rate / rpop.rate:.2f} {ours.cpu / rpop.cpu:.2f}"
    return f"{name:>8}{rates:>24}{cpus:>24}{peaks:>16}{ratios:>24}"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.payloads", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (5)")
    parser.add_argument("--quick", action="store_true", help="for a first look")
    given = parser.parse_args(arguments)
    rounds, part = (1, 0.1) if given.quick else (given.rounds, 1.0)
    systems = [required(name) for name in (OURS, *LOOPS)]
    with tempfile.TemporaryDirectory(prefix="payloads-") as folder:
        server = Server(Path(folder), None)
        try:
            print(f"server: {server.describe()}; medians of {rounds} rounds; ours, RPOP, LMOVE")
            print(
                f"\n{'':8}{'tasks/s':>24}{'µs of CPU':>24}{'MiB':>16}{'ours of RPOP: /s, CPU':>24}"
            )
            for name, size in SIZES.items():
                print(
                    row(name, *measure(server, Path(folder), systems, size, rounds, part)),
                    flush=True,
                )
        finally:
            server.close()


if __name__ == "__main__":
    main()
