"""A host: one supervisor and what it forked, seen from outside."""

from __future__ import annotations

import signal
from collections.abc import Iterable
from pathlib import Path

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
        self.start()

    def start(self) -> None:
        self._program = Program(
            self.folder,
            *("-m", "woodenwaiter.supervisor", "tests.soak.app"),
            *(*self._options, "--drain-seconds", "10", "--log-level", "info"),
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
        for process in working_in([self.folder.resolve()]):
            kill(process)

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


def working_in(folders: Iterable[Path]) -> list[psutil.Process]:
    """The living processes with these current folders: hosts have one each, workers their own
    sessions."""
    wanted = set(map(str, folders))
    return [process for process in psutil.process_iter() if _folder(process) in wanted]


def _folder(process: psutil.Process) -> str:
    try:
        return "" if process.status() == psutil.STATUS_ZOMBIE else process.cwd()
    except (psutil.Error, OSError):
        return ""


def end_children(name: str, value: str) -> int:
    """Kill the processes with this in their environment; returns how many there were."""
    return sum(kill(p) for p in psutil.process_iter() if _environment(p).get(name) == value)


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ()
    except (psutil.Error, OSError):
        return {}


def left_behind(hosts: Iterable[Host]) -> list[str]:
    """What is still there of hosts that have ended, once it had the time to end as well."""
    folders = [host.folder.resolve() for host in hosts]
    try:
        eventually(lambda: not working_in(folders), seconds=15)
    except AssertionError:
        return [f"{process.pid} {title_of(process)}" for process in working_in(folders)]
    return []
