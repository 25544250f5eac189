"""Signals as messages: handlers record, the process's loop reads them when it is ready."""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from select import POLLIN, poll

# As it is at the start: gevent's, say, does nothing about SIGCHLD, and has a loop that would.
from signal import signal as set_action
from types import FrameType
from typing import Any

FAREWELL = signal.SIGTERM
"""From a person to a worker, or from the supervisor to a server: to leave. The housekeeper does not
heed it: it is needed until the workers have left, though a TERM may come to the whole group."""

BELL = signal.SIGWINCH
"""From the supervisor to a child: to look at shared memory again. Not a message by itself: two of
them may come as one, or out of order, and a terminal sends some as well. Whatever a handler makes
of it, it ends no task: by default it is ignored."""

TRACE = signal.SIGURG
"""From the supervisor to a worker: to write down where it is. By default it is ignored, too."""

Action = Callable[[int, FrameType | None], Any] | int | None

LONGEST_POLL = 2**31 - 1
"""Milliseconds that `poll` can take: 24 days."""


class SignalInbox:
    """Receives the given signals for this process; one per process, in its main thread."""

    def __init__(self, signals: Iterable[int]) -> None:
        self.pending: deque[int] = deque()  # those that wait to be taken
        self.heard: Callable[[], None] | None = None  # called at each, in whatever code runs
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)
        self._former_fd = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        self.actions: dict[int, Action] = dict.fromkeys(signals, self._record)
        self._former = {number: set_action(number, act) for number, act in self.actions.items()}

    def _record(self, number: int, frame: FrameType | None) -> None:
        self.pending.append(number)
        if self.heard:
            self.heard()

    def listen(self) -> bool:
        """Have signals end a wait; returns whether they did before."""
        return signal.set_wakeup_fd(self._write, warn_on_full_buffer=False) == self._write

    def regain(self) -> None:
        """Hear the signals again, whatever other code has made of them."""
        for number, action in self.actions.items():
            set_action(number, action)
        self.listen()

    def __bool__(self) -> bool:
        """Whether a signal waits to be taken."""
        return bool(self.pending)

    def take(self) -> list[int]:
        """The signals that came since the last call, in their order."""
        taken = []
        while self.pending:
            taken.append(self.pending.popleft())
        return taken

    def wait(self, fds: Iterable[int], seconds: float | None) -> set[int]:
        """Sleep until a signal comes, one of ``fds`` is readable or closed, or the time is up.

        Returns the descriptors that are ready.
        """
        watch = poll()
        for fd in (self._read, *fds):
            watch.register(fd, POLLIN)
        milliseconds = (
            None if seconds is None else max(0, min(int(seconds * 1000) + 1, LONGEST_POLL))
        )
        ready = {fd for fd, _ in watch.poll(milliseconds)} if not self.pending else set()
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
        os.close(self.bequeath())

    def bequeath(self) -> int:
        """Give the signals back, in a forked child, which makes its own inbox. Returns a descriptor
        that rings: a parent is told of news by what one has inherited, and not by a signal, for
        which the right may be given up."""
        signal.set_wakeup_fd(self._former_fd)
        for number, action in self._former.items():
            set_action(number, action if action is not None else signal.SIG_DFL)
        os.close(self._read)
        return self._write


def ring(fd: int) -> None:
    """End a wait of the process that bequeathed this, unless it has enough to wake up for."""
    with suppress(OSError):
        os.write(fd, b"\0")


def name_of(number: int) -> str:
    """As in SIGTERM; most of the real-time signals have none."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


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
                set_action(number, action)
            resume()
            applies = False

    os.register_at_fork(before=hold, after_in_parent=resume, after_in_child=reset)


def act_as_at_start() -> None:
    """Have the actions that a Python program begins with, in a forked child that runs others'
    code, and starts programs for it."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        set_action(number, signal.SIG_DFL)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        set_action(number, signal.SIG_IGN)
    set_action(signal.SIGINT, signal.default_int_handler)


def in_main_thread() -> bool:
    """Whether this thread is the one that receives signals."""
    return threading.current_thread() is threading.main_thread()


@contextmanager
def at_most(seconds: float, error: type[BaseException] = TimeoutError) -> Iterator[None]:
    """Raise this then, where signals can."""
    if not in_main_thread():
        yield
        return

    def ring(*_: object) -> None:
        raise error

    former = set_action(signal.SIGALRM, ring)
    mask = signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGALRM,))
    timer = signal.setitimer(signal.ITIMER_REAL, seconds, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, *timer)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        set_action(signal.SIGALRM, signal.SIG_DFL if former is None else former)
