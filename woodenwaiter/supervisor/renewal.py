"""Starting anew on new code, under the same pid.

The new code is tried in a process of its own while the old pool goes on. Then that drains, and the
process executes its own command again.
"""

from __future__ import annotations

import math
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import NoReturn

from .. import logs, pace
from ..logs import log
from ..processes.children import ending
from ..processes.fork import conclude
from ..processes.tree import kill_tree
from .forked import LAST_MOMENTS, SIGNALS
from .pidfile import Pidfile

FOR_GOOD = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, *LAST_MOMENTS}
"""What ends a supervisor, whatever else it is about to do."""

TRIAL = "WOODENWAITER_TRIAL"
"""In the environment of the command that is only to find out whether its application can be loaded,
and to leave with one of these exit codes; no others', which may be the application's doing."""

KEPT = "WOODENWAITER_KEPT"
"""Likewise, with the descriptor of the pidfile that the process had before it started anew."""

LOADED = 90
NOT_LOADED = 91  # and it has said why


def has_terminal() -> bool:
    """Whether there is one that Ctrl-C could come from."""
    try:
        os.close(os.open(os.ctermid(), os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True


def unless_ignored(signals: Iterable[signal.Signals]) -> list[signal.Signals]:
    """Without SIGHUP under nohup."""
    ignored = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    return [number for number in signals if number != signal.SIGHUP or not ignored]


@dataclass(frozen=True)
class Start:
    """How this process was started, before the application changed any of it. ``kept``: see KEPT,
    if there is one; ``moment``: Unix time in seconds."""

    command: list[str]
    environment: Mapping[str, str]
    folder: str
    had_terminal: bool
    moment: float
    kept: str = ""

    @classmethod
    def of_this_process(cls) -> Start:
        try:
            folder = os.getcwd()
        except OSError:  # it has been removed
            folder = os.curdir
        moment, kept = time.time(), os.environ.pop(KEPT, "")
        command, environment = [sys.executable, *sys.orig_argv[1:]], dict(os.environ)
        return cls(command, environment, folder, has_terminal(), moment, kept)

    def be_trial(self) -> NoReturn:
        os.setpgid(0, 0)  # to be killed with all that it starts
        signal.alarm(math.ceil(pace.TRIAL) + 1)  # should who would do that be killed
        self.repeat(**{TRIAL: "1"})

    def repeat(self, **more: str) -> NoReturn:
        """Start again in this process's place. The signals that come meanwhile are held until the
        command is ready for them; they are those that `main` lets come."""
        with suppress(OSError):
            os.chdir(self.folder)
        signal.pthread_sigmask(signal.SIG_SETMASK, SIGNALS)
        os.execve(self.command[0], self.command, {**self.environment, **more})


class Renewal:
    """Of one supervisor; ``start``: None where it is not for the supervisor to start again;
    ``folder``: where its application's code is."""

    def __init__(self, start: Start | None = None, folder: str = "") -> None:
        self._start = start
        self._is_heard = signal.getsignal(signal.SIGHUP) != signal.SIG_IGN
        self._folder = folder
        self._pidfile: Pidfile | None = None
        self._asked_again = False
        self._is_late = False
        self.is_ready = False  # the new code is to run once the old has drained
        self.pid = 0  # of the process that tries the new code
        self.due = math.inf  # when that is to have ended

    @property
    def pids(self) -> list[int]:
        """Of the process that tries the new code, if there is one."""
        return [self.pid] if self.pid else []

    @property
    def watched(self) -> tuple[str, float]:
        """Where changes call for another start, and since when."""
        return self._folder, self._start.moment if self._start else 0.0

    @property
    def is_possible(self) -> bool:
        """Not where the terminal is gone that the command was typed in: that sends a HUP, too; nor
        where none is heard, as under nohup."""
        if self._start is None or not self._is_heard:
            return False
        return has_terminal() or not self._start.had_terminal

    def try_out(self, fork: Callable[[Callable[[], int]], int], now: float) -> None:
        """Begin to find out whether the new code can be loaded; once more, if that is under way."""
        if self.pid or not self._start:
            self._asked_again = True
            return
        self._asked_again = self._is_late = False
        try:
            self.pid = fork(self._start.be_trial)
        except OSError as error:  # no memory, say
            log.error("the new code cannot be tried, and the old goes on: %s", error)
        else:
            self.due = now + pace.TRIAL
            log.info("trying the new code (pid %d)", self.pid)

    def meet_deadline(self, now: float) -> None:
        if now >= self.due:
            self.due = math.inf
            self._is_late = True
            kill_tree(self.pid)

    def ended(self, status: int) -> bool:
        """The new code has been tried; returns whether to try again, as it may be newer yet."""
        self.pid, self.due = 0, math.inf
        if self._asked_again:
            return True
        self.is_ready = status == LOADED << 8
        if status not in (LOADED << 8, NOT_LOADED << 8):
            late = f"takes longer than {pace.TRIAL:g} s"
            why = late if self._is_late else f"has {ending(status)}"
            log.error("the new code cannot be loaded, and the old goes on: trying it %s", why)
        return False

    def give_up(self) -> None:
        """Leave for good."""
        self.is_ready = False
        self.end_trial()

    def end_trial(self) -> None:
        if self.pid:
            kill_tree(self.pid)
        self.pid, self.due = 0, math.inf

    @contextmanager
    def pid_told(self, path: str) -> Iterator[None]:
        """Have a pidfile at ``path``, if that is one; it stays there for the new supervisor. Raises
        StartupError."""
        if path:
            self._pidfile = Pidfile(os.path.join(self._start.folder if self._start else "", path))
        if self._start and self._start.kept:
            os.close(int(self._start.kept))
        try:
            yield
        finally:
            if not self.is_ready:
                self._remove_pidfile()

    def _remove_pidfile(self) -> None:
        if self._pidfile:
            self._pidfile.remove()
        self._pidfile = None

    def begin(self) -> None:
        """Become the new supervisor, if all is ready for it and nobody wants this one to leave."""
        if self._start and self.is_ready and not FOR_GOOD & signal.sigpending():
            conclude()
            logs.flush()
            self._start.repeat(**{KEPT: str(self._pidfile.keep())} if self._pidfile else {})
        self._remove_pidfile()
