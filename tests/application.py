"""Applications for tests: what they are made of, who runs them, and what becomes of their tasks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from shutil import rmtree
from textwrap import dedent, indent
from typing import Any, Protocol

import psutil

from .support import PYTHON, Command, Program, Programs, eventually, lines

HEAD = """
import os, signal, sys, threading, time
from woodenwaiter import (
    Backoff, Reject, Retry, WoodenCustomer, WoodenManager, WoodenWaiter, delivery
)

def note(file, text):
    with open(file, "a") as out:
        out.write(f"{text}\\n")
"""

BEGIN = """
note("begun", foods["n"])
deadline = time.monotonic() + foods.get("sleep", 0)
while time.monotonic() < deadline and not os.path.exists(f"go-{foods['n']}"):
    time.sleep(0.01)
if foods.get("kill"):
    os.kill(os.getpid(), foods["kill"])
"""

END = """
note("done", foods["n"])
"""


class Code(str):
    """A customer's option that cannot be told by its value: source text that stands for itself."""

    def __repr__(self) -> str:
        return str(self)


def customer(queue: str = "t:d", waiter: str = "WoodenWaiter()", **policy: Any) -> str:
    """Source text: a customer of a queue, with the keywords of a WoodenCustomer."""
    options = "".join(f", {name}={value!r}" for name, value in policy.items())
    table, dish = queue.split(":")
    return f"WoodenCustomer({table!r}, {dish!r}, {waiter}, handle{options})"


def source(
    *customers: str,
    text: str = "",
    then: str = "",
    handler: str = "",
    hooks: str = "",
    **policy: Any,
) -> str:
    """Source text: a module that builds a manager, with these ``hooks`` as its keywords.

    It has two workers of the queue ``t:d``, with the keywords of a WoodenCustomer that are given
    otherwise, or else customers as `customer` makes them. The handler notes the task's ``n`` as
    begun, takes as long as the task says or until it is let go, does what is to be done ``then``,
    and notes it as done; or it does what ``handler`` says. ``text`` comes before it.
    """
    assert not (customers and policy), "options are each customer's own"
    body = dedent(handler) or BEGIN + dedent(then) + END
    parts = [HEAD, dedent(text), "def handle(foods):", indent(body, "    ")]
    parts += [f"manager = WoodenManager({hooks})"]
    for each in customers or [customer(**{"processes": 2, **policy})]:
        parts += [f"manager.add_customer({each})"]
    return "\n".join(parts) + "\n"


class Supervisor(Command):
    """``python -m woodenwaiter.supervisor``, perhaps ``inside`` another command."""

    def __init__(
        self, folder: Path, *arguments: str, inside: Sequence[str] = (), **options: Any
    ) -> None:
        command = (*inside, *PYTHON, "-m", "woodenwaiter.supervisor", *arguments)
        super().__init__(folder, *command, **options)

    def workers(self) -> list[psutil.Process]:
        return self.titled("woodenwaiter: worker")

    def housekeeper(self) -> psutil.Process:
        return eventually(lambda: self.titled("woodenwaiter: housekeeper"), "a housekeeper")[0]

    def ready(self, workers: int = 1) -> Supervisor:
        """Wait until this many workers wait for tasks."""
        eventually(lambda: len(self.titled(" idle")) >= workers, f"{workers} idle workers")
        return self


def kill_all(supervisor: Supervisor) -> None:
    """A host's death: everything at once."""
    family = [psutil.Process(supervisor.pid), *supervisor.tree()]
    for process in family:
        process.suspend()
    for process in family:
        process.kill()
    supervisor.wait()


class Place(Protocol):
    """Where tasks are: a server, or several that stand together."""

    url: str

    @property
    def client(self) -> Any: ...


class Application:
    """An application in a test's folder, its queue ``t:d`` on a server, and what its handlers
    noted. Whoever runs it is ended with the test."""

    def __init__(self, programs: Programs, server: Place) -> None:
        self.folder = programs.folder
        self.client = server.client
        self._programs = programs
        self.url = server.url

    def at(self, server: Place) -> Application:
        """The same on another server."""
        return Application(self._programs, server)

    # Who runs it.

    def write(self, *customers: str, **parts: Any) -> None:
        """Let it be as `source` says from now on."""
        (self.folder / "app.py").write_text(source(*customers, **parts))
        # Python would not see a change within the same second that leaves the size as it was.
        rmtree(self.folder / "__pycache__", ignore_errors=True)

    def serve(self, *options: str, app: str = "app", **others: Any) -> Supervisor:
        """A supervisor of it; ``others`` are its environment, and the options of `Supervisor`."""
        others = {"WOODENWAITER_REDIS_URL": self.url, **others}
        return self._programs.enter_context(Supervisor(self.folder, app, *options, **others))

    def run(self, main: str) -> Program:
        """A program that builds it, and does what ``main`` says."""
        (self.folder / "program.py").write_text((self.folder / "app.py").read_text() + dedent(main))
        return self._programs.start("program.py", WOODENWAITER_REDIS_URL=self.url)

    # Its queue.

    def push(self, *tasks: dict[str, Any]) -> None:
        self.client.lpush("t:d", *map(json.dumps, tasks))

    def waiting(self) -> list[int]:
        """The tasks in the queue, the next one first."""
        return [json.loads(entry)["n"] for entry in reversed(self.client.lrange("t:d", 0, -1))]

    def delayed(self) -> list[bytes]:
        """The entries that wait for a retry."""
        return list(self.client.zrange("{t:d}:delayed", 0, -1))

    def letters(self) -> list[dict[bytes, bytes]]:
        """The dead letters."""
        return [letter for _, letter in self.client.xrange("{t:d}:dead")]

    # Its ledger.

    def noted(self, file: str) -> list[str]:
        """What handlers noted there so far."""
        return lines(self.folder / file)

    def numbers(self, file: str) -> list[int]:
        """The same, in order."""
        return sorted(map(int, self.noted(file)))

    @property
    def begun(self) -> list[int]:
        return self.numbers("begun")

    @property
    def done(self) -> list[int]:
        return self.numbers("done")

    def let_go(self, *tasks: int) -> None:
        """Let these tasks take no longer."""
        for n in tasks:
            (self.folder / f"go-{n}").touch()
