"""One system under test: how to start it, feed it, watch it and stop it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import psutil

from . import processes
from .ledger import Ledger
from .peers import Peer
from .server import Server

ROOT = Path(__file__).parent.parent
POLL = 0.002
WARM_UP = 8
"""Tasks for each worker."""

T = TypeVar("T")


class Stuck(Exception):
    """A system did not do in time what it was to do."""


@dataclass(frozen=True)
class System:
    """A peer that can be run here; ``name`` is its module's."""

    name: str
    peer: Peer
    version: str


@dataclass(frozen=True)
class Usage:
    """What is used a second: CPU seconds of a system and of the server, requests that this reads,
    and commands that it carries out, those in scripts included."""

    cpu: float
    server_cpu: float
    requests: float
    commands: float


def probe(name: str) -> System | str:
    """The system of this name, or why it cannot be run here."""
    found = subprocess.run(
        [sys.executable, "-m", "benchmarks.peers", name],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if found.returncode:
        return (found.stderr.strip().splitlines() or ["it cannot be imported"])[-1]
    fields = json.loads(found.stdout)
    version = fields.pop("version")
    return System(name, Peer(**fields | {"command": tuple(fields["command"])}), version)


class Run:
    """One run of one system, from an empty database to the end of all its processes.

    ``tasks``: how many there will be at most.
    ``timed``: handlers note when they ran, and may compute or sleep; else they do nothing.
    ``large``: the application has something large in memory.
    """

    def __init__(
        self,
        system: System,
        server: Server,
        folder: Path,
        tasks: int,
        *,
        timed: bool = False,
        large: bool = False,
        database: int = 0,
    ) -> None:
        self.system = system
        self._server = server
        self._database = database
        path = folder / f"ledger-{time.monotonic_ns()}"
        self.ledger = Ledger.create(path, tasks)
        self._path = path
        self._output = path.with_name(path.name.replace("ledger", "output"))
        self._timed = timed
        self._large = large
        self._roots: list[psutil.Popen] = []

    # Feeding it.

    def push(self, count: int, first: int = 0, size: int = 0, **foods: Any) -> None:
        """Push tasks of this content, with ``size`` bytes of padding, and return when all are."""
        self._produce({"count": count, "first": first, "size": size, "foods": foods})

    def push_on_time(self, schedule: list[tuple[float, list[dict[str, Any]]]]) -> None:
        """Push groups of tasks, each at its time; return when all are pushed."""
        self._produce({"schedule": schedule})

    def _produce(self, plan: dict[str, Any]) -> None:
        producer = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.producer", self.system.name],
            cwd=ROOT,
            env=self._environment(1),
            stdin=subprocess.PIPE,
            stdout=self._output.open("ab"),
            stderr=subprocess.STDOUT,
            text=True,
        )
        producer.communicate(json.dumps(plan))
        if producer.returncode:
            raise Stuck(f"its producer failed: {self._last_words()}")

    # Running it.

    def start(self, workers: int, *options: str) -> None:
        """Start it; ``options`` are more of its command line."""
        peer = self.system.peer
        for _ in range(1 if peer.pool else workers):
            self.start_one(workers, *options)

    def start_one(self, workers: int, *options: str) -> None:
        """Start its command once."""
        values = {"processes": str(workers), "url": self._server.url(self._database)}
        arguments = [part.format(**values) for part in self.system.peer.command]
        root = psutil.Popen(
            [sys.executable, *arguments, *options],
            cwd=ROOT,
            env=self._environment(workers),
            stdin=subprocess.DEVNULL,
            stdout=self._output.open("ab"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._roots.append(root)

    def warm_up(self, workers: int) -> int:
        """Start it and let it run a few tasks, the ledger's first; returns how many."""
        tasks = WARM_UP * workers
        self.push(tasks, sleep=0.02)
        self.start(workers)
        self.wait_done(30, part=tasks / self.ledger.tasks)
        time.sleep(0.5 if self.system.peer.pool else 1.0)  # for the slowest of them
        return tasks

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop all its processes, to fill the list before they empty it."""
        stopped = self.tree()
        for process in stopped:
            process.suspend()
        try:
            yield
        finally:
            for process in stopped:
                with suppress(psutil.NoSuchProcess):
                    process.resume()

    def _environment(self, workers: int) -> dict[str, str]:
        environment = {
            "PYTHONPATH": str(ROOT),
            "BENCHMARK_URL": self._server.url(self._database),
            "BENCHMARK_PROCESSES": str(workers),
            "BENCHMARK_LEDGER": str(self._path),
            "BENCHMARK_HANDLER": "timed" if self._timed else "noop",
            "BENCHMARK_LARGE": "1" if self._large else "",
        }
        return {**os.environ, **environment}

    @property
    def roots(self) -> list[psutil.Popen]:
        return self._roots

    def tree(self) -> list[psutil.Process]:
        return processes.tree(self._roots)

    def cpu_seconds(self) -> tuple[float, float]:
        """What the system and the server have used."""
        return processes.cpu_seconds(self.tree()), self._server.cpu_seconds()

    def usage(self, seconds: float) -> Usage:
        """What it and the server use while it is left to itself for so long."""
        family, begin = self.tree(), time.monotonic()
        before = processes.cpu_seconds(family), self._server.cpu_seconds(), *self._server.traffic()
        time.sleep(seconds)
        after = processes.cpu_seconds(family), self._server.cpu_seconds(), *self._server.traffic()
        passed = time.monotonic() - begin
        return Usage(*((new - old) / passed for old, new in zip(before, after, strict=True)))

    def restart_the_dead(self, workers: int) -> int:
        """Start again what ended by itself; returns how many."""
        dead = [root for root in self._roots if root.poll() is not None]
        for root in dead:
            self._roots.remove(root)
            self.start_one(workers)
        return len(dead)

    def kill_one_at_work(self) -> int:
        """SIGKILL a process in the middle of a task; returns the task's number."""
        return self.wait_for(self._kill_one_at_work, 10, "nobody was at work")

    def _kill_one_at_work(self) -> int:
        for n in self.ledger.running():
            with suppress(psutil.NoSuchProcess):
                process = psutil.Process(self.ledger.pids[n])
                process.suspend()
                if self.ledger.begun[n] > self.ledger.done[n]:
                    process.kill()
                    return n
                process.resume()
        return 0

    # Waiting for it.

    def wait_done(self, seconds: float, part: float = 1.0, poll: float = POLL) -> None:
        """Wait until every task is done, or all of the first part; look every ``poll`` seconds."""
        first = 0
        enough = int(self.ledger.tasks * part)

        def done() -> bool:
            nonlocal first
            missing = self.ledger.first_missing(first)
            first = max(first, missing)
            return missing < 0 or missing >= enough

        self.wait_for(done, seconds, "not all tasks were done", poll)

    def wait_for(
        self, condition: Callable[[], T], seconds: float, failure: str, poll: float = POLL
    ) -> T:
        deadline = time.monotonic() + seconds
        while not (result := condition()):
            if self._roots and all(root.poll() is not None for root in self._roots):
                raise Stuck(f"it ended by itself: {self._last_words()}")
            if time.monotonic() > deadline:
                raise Stuck(f"{failure} within {seconds:.0f} s: {self._last_words()}")
            time.sleep(poll)
        return result

    def wait_ended(self, seconds: float) -> None:
        """Wait until its commands have ended."""
        for root in self._roots:
            try:
                root.wait(seconds)
            except psutil.TimeoutExpired:
                raise Stuck(f"it did not end within {seconds:.0f} s") from None

    def _last_words(self) -> str:
        lines = self._output.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"

    # Ending it.

    def __enter__(self) -> Run:
        self._server.empty(self._database)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        processes.kill(self.tree())
        for root in self._roots:
            root.wait()
        self._server.empty(self._database)
        with suppress(FileNotFoundError):
            self._path.unlink()
