"""Calls of hooks, for who may not wait for them: each in a process of its own, one at a time."""

from __future__ import annotations

import atexit
import math
import os
import threading
from collections import deque
from contextlib import suppress

from setproctitle import setproctitle

from .. import logs, pace
from ..events import about
from ..hooks import Call, Hooks, Mishap
from ..logs import log
from ..processes.calling import Caller
from ..processes.children import ending, reap
from ..processes.fork import fork, fork_mark, unblock_signals
from ..processes.signals import SignalInbox, act_as_at_start
from ..processes.tree import end_descendants, kill_session, kill_tree

MOST_WAITING = 1000
"""Calls; of more, only their number is told."""


class Calls:
    """Of one housekeeper's hooks; ``inbox``: of its process. Times are monotonic seconds."""

    def __init__(self, hooks: Hooks, inbox: SignalInbox) -> None:
        self._hooks = hooks
        self._inbox = inbox
        self._waiting: deque[tuple[str, Call, Mishap]] = deque()
        self._dropped = 0
        self._name, self._pid, self._deadline = "", 0, math.inf  # of the one that runs
        self._reading, self._is_told = -1, False
        self._caller = Caller(fork_mark())

    def hear(self, mishap: Mishap) -> None:
        """Have the hooks called that are to hear of it."""
        for name, hook in self._hooks.of(mishap).items():
            if len(self._waiting) < MOST_WAITING:
                self._waiting.append((name, hook, mishap))
            else:
                self._dropped += 1

    @property
    def are_left(self) -> bool:
        return bool(self._waiting or self._pid)

    @property
    def descriptors(self) -> list[int]:
        """Which become readable when the one that runs has ended, or closed all that it has."""
        return [self._reading] if self._pid and not self._is_told else []

    def look(self, now: float) -> None:
        """End what takes too long, and start the next."""
        if self._pid and now >= self._deadline:
            kill_tree(self._pid)
            self._deadline = math.inf
            self._caller.tell(self._name, "it goes on after TaskTimeout, and is killed")
        if self._pid:
            pid, status = reap(self._pid)
            self._listen()
            if pid:
                self._note_end(status)
        if self._waiting and not self._pid:
            self._start(now)

    def end(self) -> None:
        """Nobody is left to wait for them."""
        if self._pid:
            kill_tree(self._pid)
        self._dropped += len(self._waiting) + bool(self._pid)
        if self._dropped:
            what = "calls of hooks that were dropped or cut off: %d"
            log.error(what, self._dropped, extra=about("hook.dropped", count=self._dropped))

    def _start(self, now: float) -> None:
        self._name, hook, mishap = self._waiting[0]
        self._is_told = False
        self._reading, writing = os.pipe()
        os.set_blocking(self._reading, False)
        try:
            self._pid = fork(lambda: self._live(self._name, hook, mishap, writing))
        except OSError as error:  # no memory, say: it is tried again at the next look
            self._caller.tell(self._name, str(error))
            os.close(self._reading)
        else:
            self._waiting.popleft()
            self._deadline = now + pace.HOOK + 2 * pace.TIMEOUT_GRACE
        os.close(writing)

    def _listen(self) -> None:
        """To what kind of failure the log has now."""
        with suppress(BlockingIOError):
            told = os.read(self._reading, 1 << 16).decode()
            self._caller.told |= {told} - {""}
            self._is_told = not told

    def _note_end(self, status: int) -> None:
        os.close(self._reading)
        if status:
            kill_session(self._pid)
            self._caller.tell(self._name, f"its process {ending(status)}")
        self._pid = 0

    # In a child.

    def _live(self, name: str, hook: Call, mishap: Mishap, writing: int) -> int:
        os.setsid()  # what the hook starts and leaves is found by it
        os.close(self._inbox.bequeath())
        os.close(self._reading)
        act_as_at_start()
        unblock_signals()
        setproctitle(f"woodenwaiter: hook {name}")
        logs.set_role(f"hook {name}")
        caller = Caller(fork_mark())
        caller.told |= self._caller.told
        caller.call(name, hook, mishap)
        if news := caller.told - self._caller.told:
            os.write(writing, news.pop().encode())
        threading._shutdown()  # type: ignore[attr-defined]  # as in a worker
        atexit._run_exitfuncs()
        end_descendants()
        return 0
