"""Signals as messages: handlers record, the process's loop reads them when it is ready."""

from __future__ import annotations

import os
import select
import signal
from collections import deque
from collections.abc import Iterable
from types import FrameType


class SignalInbox:
    """Receives the given signals for this process; one per process, in its main thread."""

    def __init__(self, signals: Iterable[signal.Signals]) -> None:
        self._pending: deque[signal.Signals] = deque()
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)
        self._former_fd = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        self._former_handlers = {number: signal.signal(number, self._record) for number in signals}

    def _record(self, number: int, frame: FrameType | None) -> None:
        self._pending.append(signal.Signals(number))

    def __bool__(self) -> bool:
        """Whether a signal waits to be taken."""
        return bool(self._pending)

    def take(self) -> list[signal.Signals]:
        """The signals that came since the last call, in their order."""
        taken = []
        while self._pending:
            taken.append(self._pending.popleft())
        return taken

    def wait(self, fds: Iterable[int], seconds: float | None) -> set[int]:
        """Sleep until a signal comes, one of ``fds`` is readable or closed, or the time is up.

        Returns the descriptors that are ready.
        """
        poll = select.poll()
        for fd in (self._read, *fds):
            poll.register(fd, select.POLLIN)
        milliseconds = None if seconds is None else max(0, int(seconds * 1000) + 1)
        ready = {fd for fd, _ in poll.poll(milliseconds)} if not self._pending else set()
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
