"""Real servers and real supervisors for tests, and waiting for what they do."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import psutil
import redis

from woodenwaiter.supervisor.embedded import EmbeddedServer, stop

T = TypeVar("T")
P = TypeVar("P", bound="Program")

SERVER_PROGRAM = os.environ.get("WOODENWAITER_TEST_SERVER")
"""Path of another server program, to run the tests against."""


def eventually(condition: Callable[[], T], what: str = "", seconds: float = 20.0) -> T:
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

    def __init__(self, folder: Path, password: str | None = None) -> None:
        self.port = free_port()
        self._server = EmbeddedServer(folder, "127.0.0.1", self.port, password, SERVER_PROGRAM)
        self.pid = self._server.start()
        secret = f":{password}@" if password else ""
        self.url = f"redis://{secret}127.0.0.1:{self.port}/0"
        self.client: Any = redis.Redis.from_url(self.url)  # whose types are too wide to be of use

    def start(self) -> None:
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


class Program:
    """A Python program as a user starts it, its output in a file, killed with all its children."""

    def __init__(self, folder: Path, *arguments: str, **environment: str) -> None:
        self.output = folder / f"output-{time.monotonic_ns()}.txt"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-W", "error", *arguments],
                cwd=folder,
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **environment},
                start_new_session=True,
            )
        self._tree: set[psutil.Process] = set()

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
        """All processes below the program."""
        try:
            found = psutil.Process(self.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            found = []
        self._tree.update(found)
        return found

    def titled(self, word: str) -> list[psutil.Process]:
        """The processes below whose title contains ``word``."""
        return [process for process in self.tree() if word in title(process)]

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def wait(self, seconds: float = 30.0) -> int:
        """The exit code."""
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
        self.signal(signal.SIGTERM)
        return self.wait(seconds)

    def __enter__(self: P) -> P:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.tree()
        if kind is not None:
            print(f"--- output of pid {self.pid}:\n{self.log[-20_000:]}")
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for process in self._tree:
            if process.is_running():
                process.kill()


def title(process: psutil.Process) -> str:
    """As `ps` shows it; nothing for a zombie, or one that is gone."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


class Supervisor(Program):
    """``python -m woodenwaiter.supervisor`` on an application given as source text."""

    def __init__(
        self, folder: Path, source: str, *options: str, app: str = "app", **environment: str
    ) -> None:
        (folder / "app.py").write_text(textwrap.dedent(source))
        super().__init__(folder, "-m", "woodenwaiter.supervisor", app, *options, **environment)

    def workers(self) -> list[psutil.Process]:
        return self.titled("woodenwaiter: worker")

    def housekeeper(self) -> psutil.Process:
        return eventually(lambda: self.titled("woodenwaiter: housekeeper"), "a housekeeper")[0]

    def ready(self, workers: int = 1) -> Supervisor:
        """Wait until this many workers wait for tasks; else end it, as no ``with`` will."""
        try:
            eventually(lambda: len(self.titled(" idle")) >= workers, f"{workers} idle workers")
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self


def lines(path: Path) -> list[str]:
    """What handlers appended to a file so far."""
    return path.read_text().splitlines() if path.exists() else []


def run(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a Python program to its end."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
