"""``python -m benchmarks.blas``: what does it cost that each worker's BLAS takes all CPUs?

Tasks multiply matrices by numpy, in twice as many workers as there are CPUs; in turns with
``--threads auto``, and with as many threads in each worker as numpy starts by itself. On a machine
that has other things to do, it is the CPU of a task that says something.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import psutil

from woodenwaiter.processes.cpus import affinity

from . import processes
from .server import Server

CPUS = affinity()
WORKERS = 2 * CPUS
SIZE = 1000
QUEUE = "blas:multiply"
APPLICATION = f"""
import numpy, os
from woodenwaiter import WoodenCustomer, WoodenWaiter

a = numpy.random.default_rng(0).random(({SIZE}, {SIZE}))

def multiply(foods):
    a @ a
    with open(os.environ["DONE"], "a") as done:
        done.write(".")

customer = WoodenCustomer("blas", "multiply", WoodenWaiter(), multiply, processes={WORKERS})
"""


class Taken(NamedTuple):
    """By one pool."""

    rate: float
    cpu: float

    def __str__(self) -> str:
        return f"{self.rate:10.1f} matmuls/s{1000 * self.cpu:10.0f} ms of CPU for one"


def measure(server: Server, folder: Path, threads: str, seconds: float) -> Taken:
    """Once every worker has had some."""
    server.empty()
    done = folder / "done"
    done.write_text("")
    server.client.lpush(QUEUE, *[b"{}"] * 100_000)
    command = (sys.executable, "-m", "woodenwaiter.supervisor", "application", "--threads", threads)
    environment = {**os.environ, "WOODENWAITER_REDIS_URL": server.url(), "DONE": str(done)}
    with psutil.Popen(command, cwd=folder, env=environment, stderr=subprocess.DEVNULL) as pool:
        while done.stat().st_size < 4 * WORKERS:
            time.sleep(0.05)
        pools = processes.tree([pool])
        begin, before, cpu = time.monotonic(), done.stat().st_size, processes.cpu_seconds(pools)
        time.sleep(seconds)
        tasks = done.stat().st_size - before
        took, cpu = time.monotonic() - begin, processes.cpu_seconds(pools) - cpu
        pool.terminate()
    return Taken(tasks / took, cpu / tasks)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.blas", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="for a first look")
    rounds, seconds = (1, 2.0) if parser.parse_args(arguments).quick else (5, 8.0)
    cases = {"auto": "auto", "all CPUs": str(CPUS)}
    with tempfile.TemporaryDirectory(prefix="blas-") as name:
        folder = Path(name)
        (folder / "application.py").write_text(APPLICATION)
        server = Server(folder, None)
        try:
            print(f"{WORKERS} workers on {CPUS} CPUs; {SIZE} x {SIZE}; medians of {rounds} rounds")
            rows = [
                [measure(server, folder, threads, seconds) for threads in cases.values()]
                for _ in range(rounds)
            ]
            for case, taken in zip(cases, zip(*rows, strict=True), strict=True):
                print(
                    f"--threads {case:>10}",
                    Taken(*map(statistics.median, zip(*taken, strict=True))),
                )
        finally:
            server.close()


if __name__ == "__main__":
    main()
