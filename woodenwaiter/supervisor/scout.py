"""Finding out what an application has to run without loading it: another process does that."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from .. import logs, pace
from ..errors import AppError, StartupError
from ..processes.children import ending, reap
from ..processes.fork import fork, unblock_signals
from ..processes.signals import SignalInbox
from ..processes.tree import await_end, kill_session, kill_tree
from ..settings import Settings
from .embedded import EmbeddedServer
from .renewal import FOR_GOOD
from .roster import Load, Outline, Roster, loaded_by_children, surveyed

END = b"\n"
"""Of what the scout tells. What the import has started may hold the pipe open for longer."""


Told = dict[str, Any]


def scouted(app: str, load: Load, settings: Settings) -> Roster:
    """The roster of an application whose name is ``app``, and which `load` loads: in this process's
    children, never in itself. A signal that ends this process meanwhile ends the scout as well.

    Raises StartupError where it cannot be loaded.
    """
    report = Scout(lambda: _found(load, settings)).report(app)
    if "error" in report:
        error = StartupError(report["error"])
        error.exit_code = report["exit_code"]
        raise error
    folder, *others = report["server"] or [None]
    server = EmbeddedServer(Path(folder), *others) if folder else None
    outlines = [Outline(*outline) for outline in report["outlines"]]
    return loaded_by_children(outlines, server, load, settings)


def _found(load: Load, settings: Settings) -> Told:
    try:
        roster = surveyed(load(), settings)
    except StartupError as error:
        return {"error": str(error), "exit_code": error.exit_code}
    server = roster.server.arguments if roster.server else None
    return {"outlines": roster.outlines, "server": server}


class Scout:
    """A process that loads an application, tells what is in it, and ends.

    ``tell`` returns that, as what any reader of JSON takes: an application's own kind of string or
    number would have its module loaded by whoever unpickles it.
    """

    def __init__(self, tell: Callable[[], Told]) -> None:
        self._tell = tell
        self._ended_by = 0  # the signal that also ends this process
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._reading, False)
        heeded = {n for n in FOR_GOOD if signal.getsignal(n) != signal.SIG_IGN}
        self._inbox = SignalInbox({*heeded, signal.SIGCHLD})
        self._pid = fork(self._live)
        os.close(self._writing)

    # In the scout.

    def _live(self) -> int:
        os.setsid()  # what the import starts and leaves is found by it
        os.close(self._inbox.bequeath())
        os.close(self._reading)
        unblock_signals()
        logs.set_role("scout")
        with open(self._writing, "wb") as out:
            out.write(json.dumps(self._tell()).encode() + END)
        return 0

    # In its parent.

    def report(self, app: str) -> Told:
        try:
            told, status = self._listen()
        finally:
            os.close(self._reading)
            self._inbox.restore()
        if self._ended_by:
            self._leave()
        if status is None:
            await_end(self._pid, pace.EXIT_GRACE)
        kill_session(self._pid)
        if not told.endswith(END):
            raise AppError(f"{app}: the process that was to load it {ending(status or 0)}")
        report: Told = json.loads(told)
        return report

    def _listen(self) -> tuple[bytes, int | None]:
        """What the scout tells, and its status, if it has ended by then."""
        told, watched = b"", [self._reading]
        while not told.endswith(END):
            self._inbox.wait(watched, None)
            if FOR_GOOD & set(signals := self._inbox.take()):
                self._ended_by = signals[0]
                kill_tree(self._pid)
                return told, None
            pid, status = reap(self._pid)
            said = self._read()
            told += said or b""
            if pid:
                return told, status
            if said == b"":
                watched = []  # the import has closed the pipe
        return told, None

    def _read(self) -> bytes | None:
        """None where there is nothing yet."""
        try:
            return os.read(self._reading, 1 << 20)
        except BlockingIOError:
            return None

    def _leave(self) -> NoReturn:
        signal.raise_signal(self._ended_by)  # an exception, where that is what it means here
        os._exit(128 + self._ended_by)
