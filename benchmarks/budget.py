"""What is one budget for all dishes worth? ``python -m benchmarks.budget``

Ten dishes, of which one or two have work at a time: as much as keeps all CPUs busy for some
seconds; when it is done, the load moves to the next. Once each dish has one process, once all
share as many as there are CPUs. Ideal is the work divided by the CPUs. On a machine that is not
quiet, ``--pretend`` has tasks sleep, as if each worker had a CPU of its own, and what counts is how
much of the CPUs' time passes in handlers: tasks take longer there than they should.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from woodenwaiter import WoodenCustomer, WoodenManager, WoodenWaiter
from woodenwaiter.processes.cpus import usable_cpus
from woodenwaiter.protocol.link import Link
from woodenwaiter.protocol.queue import Queue

from .server import Server

DISHES = 10
PROCESSES = "BENCHMARK_PROCESSES"
"""The environment variable with the least and the most of each dish."""

LEDGER = "BENCHMARK_LEDGER"
"""The one with the file of how many seconds passed in each handler."""


def manager() -> WoodenManager:
    """The application."""
    least, most = map(int, os.environ[PROCESSES].split())
    pool = WoodenManager()
    for n in range(DISHES):
        customer = WoodenCustomer("d", str(n), WoodenWaiter(), work, processes=(least, most))
        pool.add_customer(customer)
    return pool


def work(foods: dict[str, Any]) -> None:
    begin = time.monotonic()
    if foods["sleep"]:
        time.sleep(foods["seconds"])
    else:
        end = time.thread_time() + foods["seconds"]
        while time.thread_time() < end:
            sum(range(200))
    with open(os.environ[LEDGER], "a") as ledger:
        ledger.write(f"{time.monotonic() - begin}\n")


def phases(given: argparse.Namespace) -> Iterator[dict[int, int]]:
    """How many tasks to push to which dishes, time after time."""
    tasks = round(given.cpus * given.seconds / given.task)
    for n in range(given.phases):
        aside = tasks // 4 if n % 3 == 2 else 0  # of another dish
        yield {n * 7 % DISHES: tasks - aside, (n * 7 + 3) % DISHES: aside}


class Outcome(NamedTuple):
    """Seconds that all the work took, and of these in handlers, all workers together."""

    seconds: float
    inside: float


def measure(given: argparse.Namespace, server: Server, processes: str, *options: str) -> Outcome:
    ledger = Path(given.folder) / processes.replace(" ", "-")
    command = [sys.executable, "-m", "woodenwaiter.supervisor", "benchmarks.budget:manager()"]
    environment = {**os.environ, PROCESSES: processes, LEDGER: str(ledger)}
    command += ["--redis", server.url(), "--log-level", "warning", *options]
    task = json.dumps({"seconds": given.task, "sleep": given.pretend})
    link = Link(server.client, 10)
    queues = [Queue(link, f"d:{n}", lease=30) for n in range(DISHES)]
    with subprocess.Popen(command, env=environment) as supervisor:
        time.sleep(given.settle)  # let it start, and find nothing
        begin = time.monotonic()
        for phase in phases(given):
            for dish, tasks in phase.items():
                if tasks:
                    server.client.lpush(f"d:{dish}", *[task] * tasks)
            while any(_holds(queues[dish]) for dish in phase):
                time.sleep(0.01)
        seconds = time.monotonic() - begin
        supervisor.terminate()
    link.close()
    server.empty()
    return Outcome(seconds, sum(map(float, ledger.read_text().split())))


def _holds(queue: Queue) -> bool:
    sizes = queue.sizes()
    return bool(sizes["waiting"] or sizes["claimed"])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.budget", description=__doc__)
    parser.add_argument("--cpus", type=int, default=usable_cpus(), help="(all)")
    parser.add_argument("--phases", type=int, default=10, help="how often the load moves (10)")
    parser.add_argument("--seconds", type=float, default=5, help="of work for all CPUs, each (5)")
    parser.add_argument("--task", type=float, default=0.05, help="seconds of a task (0.05)")
    parser.add_argument("--settle", type=float, default=2, help="seconds before the work (2)")
    parser.add_argument("--pretend", action="store_true", help="sleep instead of computing")
    given = parser.parse_args()
    ideal = sum(sum(phase.values()) for phase in phases(given)) * given.task / given.cpus
    with tempfile.TemporaryDirectory() as folder:
        given.folder = folder
        server = Server(Path(folder), None)
        try:
            fixed = measure(given, server, "1 1")
            shared = measure(given, server, f"0 {given.cpus}", "--cpus", str(given.cpus))
        finally:
            server.close()
    print(f"ideal, {given.cpus} CPUs: {ideal:.1f} s")
    for name, outcome in {"one process a dish": fixed, "one budget": shared}.items():
        seconds, inside = outcome
        share = inside / seconds / given.cpus
        print(f"{name}: {seconds:.1f} s, {ideal / seconds:.3f} of ideal; in handlers: {share:.3f}")
    print(f"one budget is {fixed.seconds / shared.seconds:.2f} times as fast")


if __name__ == "__main__":
    main()
