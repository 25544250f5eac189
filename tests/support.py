"""Real servers and real programs for tests, and waiting for what they do."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, Any, TypeVar
from unittest.mock import patch

import psutil
import pytest
import redis

from woodenwaiter.housekeeper.errands import Job
from woodenwaiter.processes.tree import is_alive
from woodenwaiter.protocol.errands import Answer
from woodenwaiter.supervisor.embedded import EmbeddedServer, stop

T = TypeVar("T")
P = TypeVar("P", bound="Command")

Operate = Callable[..., tuple[int, str, str]]
"""Runs a command of ``woodenwaiter`` in this process; returns its exit code, and what it printed on
stdout and stderr."""

PYTHON = (sys.executable, "-W", "error")

closes_its_sockets = pytest.mark.skipif(
    int(redis.__version__.split(".")[0]) < 6,
    reason="redis-py leaves a socket open where certificates are no good, and Python says so",
)

SERVER_PROGRAM = os.environ.get("WOODENWAITER_TEST_SERVER")
"""Path of another server program, to run the tests against."""


def eventually(condition: Callable[[], T | None], what: str = "", seconds: float = 20.0) -> T:
    """Wait until ``condition`` returns something true, and return it; fail after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what or condition}")
        time.sleep(0.01)
    return result


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """A server of a test's own, which it may stop, kill and start again."""

    def __init__(self, folder: Path, password: str | None = None, **environment: str) -> None:
        self.port = free_port()
        self._environment = environment
        self._server = EmbeddedServer(folder, "127.0.0.1", self.port, password, SERVER_PROGRAM)
        self.start()
        secret = f":{password}@" if password else ""
        self.url = f"redis://{secret}127.0.0.1:{self.port}/0"
        self.client: Any = redis.Redis.from_url(self.url)  # whose types are too wide to be of use

    def start(self) -> None:
        with patch.dict(os.environ, self._environment):
            self.pid = self._server.start()

    def stop(self) -> None:
        """End it; its data is on disk."""
        stop(self.pid)
        self.pid = 0

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.pid = 0

    def close(self) -> None:
        self.client.close()
        if self.pid:
            os.kill(self.pid, signal.SIGCONT)
            self.kill()


class Command:
    """A program as a user starts it, its output in a file, ended with all that it started.

    ``piped``: its stdout goes into a pipe instead, as ``process.stdout``. ``errors``: where its
    stderr goes.
    """

    def __init__(
        self,
        folder: Path,
        *command: str,
        piped: bool = False,
        errors: IO[bytes] | None = None,
        **environment: str,
    ) -> None:
        self.output = folder / f"output-{time.monotonic_ns()}.txt"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                command,
                cwd=folder,
                stdout=subprocess.PIPE if piped else output,
                stderr=errors or output,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **environment},
                start_new_session=True,
            )
        self._seen: set[psutil.Process] = set()

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def log(self) -> str:
        return self.output.read_text(errors="replace")

    def logged(self, text: str, seconds: float = 20.0) -> str:
        """Wait until the output contains ``text``; returns the line."""

        def line() -> str:
            return next((line for line in self.log.splitlines() if text in line), "")

        return eventually(line, f"{text!r} in the output", seconds)

    def tree(self) -> list[psutil.Process]:
        """All processes below the program; none once it has ended."""
        try:
            found = psutil.Process(self.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            found = []
        self._seen.update(found)
        return found

    def titled(self, word: str) -> list[psutil.Process]:
        """The processes below whose title contains ``word``."""
        return [process for process in self.tree() if word in title(process)]

    def left_behind(self) -> list[psutil.Process]:
        """What runs of all that the program started: what was seen below it, though it may have a
        session of its own, and what is in its session, though it may have lost its parent."""
        self._seen.update(_in_session(self.pid))
        return [process for process in self._seen if process.pid != self.pid and is_alive(process)]

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def wait(self, seconds: float = 30.0) -> int:
        """The exit code."""
        self.tree()
        return self.process.wait(seconds)

    def wait_with(self, number: int, seconds: float = 30.0) -> int:
        """The exit code, while a signal is sent again and again."""

        def ended() -> bool:
            if self.process.poll() is None:
                self.signal(number)
            return self.process.returncode is not None

        eventually(ended, "the end", seconds)
        return self.wait()

    def stop(self, seconds: float = 30.0) -> int:
        """SIGTERM, and the exit code."""
        self.tree()
        self.signal(signal.SIGTERM)
        return self.wait(seconds)

    def end(self) -> None:
        """Kill it and all that it started."""
        self.tree()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()
        eventually(self._is_killed, "the death of all processes")

    def _is_killed(self) -> bool:
        """Again and again: what is to be killed may fork meanwhile."""
        left = self.left_behind()
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        return not left

    def __enter__(self: P) -> P:
        return self

    def __exit__(self, *error: object) -> None:
        """End it; of a test that fails, pytest shows what is printed."""
        self.end()
        print(f"--- output of pid {self.pid}:\n{self.log[-20_000:]}")


class Program(Command):
    """A Python program."""

    def __init__(self, folder: Path, *arguments: str, **options: Any) -> None:
        super().__init__(folder, *PYTHON, *arguments, **options)


def answer_of(job: Job) -> Answer:
    """To an errand, once it is done."""
    while True:
        try:
            next(job)
        except StopIteration as end:
            answer: Answer = end.value
            return answer


class Programs(ExitStack):
    """Programs that a test starts in its folder: all are ended when it ends."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def start(self, *arguments: str, **options: Any) -> Program:
        """A Python program; the options are those of `Command`, and its environment."""
        return self.enter_context(Program(self.folder, *arguments, **options))


def _in_session(number: int) -> Iterator[psutil.Process]:
    for pid in psutil.pids():
        with suppress(OSError, psutil.NoSuchProcess):
            if os.getsid(pid) == number:
                yield psutil.Process(pid)


def title(process: psutil.Process) -> str:
    """As `ps` shows it; nothing for a zombie, or one that is gone."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def await_end_of(processes: Iterable[psutil.Process], seconds: float = 20.0) -> None:
    """Wait until none of them runs: they may be zombies until who inherited them sees to it."""
    running = set(processes)
    assert running
    eventually(lambda: not any(map(is_alive, running)), f"the end of {running}", seconds)


def in_haste(folder: Path) -> dict[str, str]:
    """The environment for a program that pauses at random: to pause for less."""
    haste = "import random; random.randint = lambda least, most: least / 10"
    (folder / "sitecustomize.py").write_text(haste)
    return {"PYTHONPATH": path_with(folder)}


def path_with(folder: Path) -> str:
    """Where Python looks for modules, the folder first."""
    return os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))


def lines(path: Path) -> list[str]:
    """What handlers appended to a file so far."""
    return path.read_text().splitlines() if path.exists() else []


def run(
    folder: Path, *arguments: str, seconds: float = 60.0, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a Python program to its end; nothing that it started outlives it."""
    with subprocess.Popen(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="backslashreplace",  # it may be told to write in any encoding
        start_new_session=True,
    ) as process:
        try:
            output, errors = process.communicate(timeout=seconds)
        finally:
            for each in _in_session(process.pid):
                with suppress(psutil.NoSuchProcess):
                    each.kill()
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)
