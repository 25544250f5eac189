"""A host: one supervisor and what it forked, seen from outside."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from select import PIPE_BUF

import psutil

from ..support import Program, eventually
from .kinds import LIMITS

ROOT = Path(__file__).parents[2]


class Host:
    """A supervisor of the soak's application. ``environment`` is for the application."""

    def __init__(self, name: str, folder: Path, *options: str, **environment: str) -> None:
        self.name = name
        self.folder = folder / name
        self.folder.mkdir()
        self._options = options
        self._environment = environment
        self.collector = self._collect()
        self.start()

    def _collect(self) -> subprocess.Popen[bytes]:
        """Something that reads the log, from a pipe that holds little."""
        with (self.folder / "log.txt").open("wb") as log:
            return subprocess.Popen(
                ["cat"], stdin=subprocess.PIPE, stdout=log, pipesize=PIPE_BUF, bufsize=0
            )

    def start(self) -> None:
        self._program = Program(
            self.folder,
            *("-m", "woodenwaiter.supervisor", "tests.soak.app"),
            *(*self._options, "--drain-seconds", "10", "--log-level", "info"),
            errors=self.collector.stdin,
            PYTHONPATH=str(ROOT),
            SOAK_HOST=self.name,
            **self._environment,
        )

    @property
    def pid(self) -> int:
        return self._program.pid

    @property
    def is_up(self) -> bool:
        return self._program.process.poll() is None

    def supervisor(self) -> psutil.Process:
        return psutil.Process(self.pid)

    def workers(self) -> list[psutil.Process]:
        return self._titled("woodenwaiter: worker")

    def housekeeper(self) -> psutil.Process | None:
        return next(iter(self._titled("woodenwaiter: housekeeper")), None)

    def family(self) -> list[psutil.Process]:
        """The supervisor and its children."""
        try:
            supervisor = self.supervisor()
            return [supervisor, *supervisor.children()]
        except psutil.NoSuchProcess:
            return []

    def remains(self) -> list[psutil.Process]:
        """All that runs of what it or its handlers have ever started."""
        return working_in(self.folder.resolve())

    def replace(self) -> None:
        """Start another supervisor after this one was killed."""
        self._program.wait()
        self.start()

    def drain(self) -> None:
        self._program.signal(signal.SIGTERM)

    def wait(self) -> int:
        return self._program.wait(60)

    def kill(self) -> None:
        """Leave nothing behind, whatever happened."""
        if self.is_up:
            self._program.process.kill()
            self._program.wait()
        for process in self.remains():
            kill(process)
        self.collector.kill()
        self.collector.wait()

    def _titled(self, title: str) -> list[psutil.Process]:
        return [process for process in self.family() if title_of(process).startswith(title)]


def title_of(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def serves_limits(worker: psutil.Process) -> bool:
    return f" {LIMITS} " in title_of(worker)


def send(process: psutil.Process, number: int) -> bool:
    """Send a signal, unless the process is gone."""
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return False
    return True


def kill(process: psutil.Process) -> bool:
    return send(process, signal.SIGKILL)


def working_in(folder: Path) -> list[psutil.Process]:
    """The living processes with this current folder: hosts have one each, workers their own
    sessions."""
    return [process for process in psutil.process_iter() if _folder(process) == str(folder)]


def _folder(process: psutil.Process) -> str:
    try:
        return "" if process.status() == psutil.STATUS_ZOMBIE else process.cwd()
    except (psutil.Error, OSError):
        return ""


def left_behind(hosts: Iterable[Host]) -> list[str]:
    """What is still there of hosts that have ended, once it had the time to end as well."""
    left: list[psutil.Process] = []

    def are_gone() -> bool:
        left[:] = [process for host in hosts for process in host.remains()]
        return not left

    with suppress(AssertionError):
        eventually(are_gone, seconds=15)
    return [f"{process.pid} {title_of(process)}" for process in left]
