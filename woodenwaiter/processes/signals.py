"""Signals as messages: handlers record, the process's loop reads them when it is ready."""

from __future__ import annotations

import os
import select
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

NEWS = signal.SIGUSR2
"""From a worker to its supervisor: its row has a new state."""

TIME_IS_UP = signal.SIGUSR2
"""From the supervisor to a worker: its row says for which task."""

FAREWELL = signal.SIGTERM
"""From the supervisor to a worker or a server: to leave. Not to the housekeeper, which is needed
until the workers have left, though a TERM may come to the whole group."""

BELL = signal.SIGTSTP
"""From the supervisor to a child: to look at shared memory again. Not a message by itself: two of
them may come as one, or out of order, and a terminal sends some as well."""

LONGEST_POLL = 2**31 - 1
"""Milliseconds that `poll` can take: 24 days."""


class SignalInbox:
    """Receives the given signals for this process; one per process, in its main thread."""

    def __init__(self, signals: Iterable[signal.Signals]) -> None:
        self.pending: deque[signal.Signals] = deque()  # those that wait to be taken
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)
        self._former_fd = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        self._former_handlers = {number: signal.signal(number, self._record) for number in signals}

    def _record(self, number: int, frame: FrameType | None) -> None:
        self.pending.append(signal.Signals(number))

    def __bool__(self) -> bool:
        """Whether a signal waits to be taken."""
        return bool(self.pending)

    def take(self) -> list[signal.Signals]:
        """The signals that came since the last call, in their order."""
        taken = []
        while self.pending:
            taken.append(self.pending.popleft())
        return taken

    def wait(self, fds: Iterable[int], seconds: float | None) -> set[int]:
        """Sleep until a signal comes, one of ``fds`` is readable or closed, or the time is up.

        Returns the descriptors that are ready.
        """
        # Again at each wait: an event loop that a task ran has taken it away.
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        poll = select.poll()
        for fd in (self._read, *fds):
            poll.register(fd, select.POLLIN)
        milliseconds = (
            None if seconds is None else max(0, min(int(seconds * 1000) + 1, LONGEST_POLL))
        )
        ready = {fd for fd, _ in poll.poll(milliseconds)} if not self.pending else set()
        self._empty_pipe()
        return ready - {self._read}

    def _empty_pipe(self) -> None:
        try:
            while os.read(self._read, 4096):
                pass
        except BlockingIOError:
            pass

    def restore(self) -> None:
        """Give the signals back to whoever had them, for a caller that goes on living."""
        signal.set_wakeup_fd(self._former_fd)
        for number, handler in self._former_handlers.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
        self.close()

    def close(self) -> None:
        """Forget the pipe, for a forked child, which makes its own inbox."""
        os.close(self._read)
        os.close(self._write)


def reset_in_forks(actions: Mapping[signal.Signals, Any]) -> None:
    """Give the processes that tasks fork these actions instead of this process's handlers: they
    would record a SIGTERM, and go on."""
    applies = True  # here, and not in what the forked processes fork
    former = threading.local()

    def hold() -> None:  # else Python would forget one that comes before the child has its actions
        if applies:
            former.mask = signal.pthread_sigmask(signal.SIG_BLOCK, actions)

    def resume() -> None:
        if applies:
            signal.pthread_sigmask(signal.SIG_SETMASK, former.mask)

    def reset() -> None:
        nonlocal applies
        if applies:
            signal.set_wakeup_fd(-1)
            for number, action in actions.items():
                signal.signal(number, action)
            resume()
            applies = False

    os.register_at_fork(before=hold, after_in_parent=resume, after_in_child=reset)


def in_main_thread() -> bool:
    """Whether this thread is the one that receives signals."""
    return threading.current_thread() is threading.main_thread()


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raise TimeoutError then, where signals can."""
    if not in_main_thread():
        yield
        return

    def ring(*_: object) -> None:
        raise TimeoutError

    former = signal.signal(signal.SIGALRM, ring)
    mask = signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGALRM,))
    timer = signal.setitimer(signal.ITIMER_REAL, seconds, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, *timer)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGALRM, signal.SIG_DFL if former is None else former)
