"""Writing to stderr without waiting for whoever reads it.

A pipe or a terminal that nobody reads would hold up its writer for ever. To make it non-blocking is
no way: that belongs to the open file, which the shell and others share.
"""

from __future__ import annotations

import os
import signal
import socket
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from select import PIPE_BUF, POLLOUT, poll

from . import pace

Send = Callable[[bytes], int]


def first_portion(text: bytes) -> bytes:
    """Whole lines, of a size that a pipe takes whole, so that no line has another's in it."""
    if len(text) <= PIPE_BUF:
        return text
    end = text.rfind(b"\n", 0, PIPE_BUF) + 1 or text.find(b"\n", PIPE_BUF) + 1
    return text[:end] if end else text


class Stderr:
    """This process's, in turn with other processes'. What it cannot take is left to the caller, who
    has not waited for longer than `pace.LOG_PATIENCE`, and not at all until it takes something."""

    def __init__(self) -> None:
        self._place = (0, 0)  # what stderr was when it was opened last
        # An open file of ours, kept: a later user might not be allowed to open it.
        self._own = -1
        self._send: Send = partial(os.write, 2)
        self._rest = b""  # of what was taken in part
        self._is_stuck = False
        os.register_at_fork(after_in_child=self._forget_rest)

    def write(self, text: bytes) -> bool:
        """Whether it took the text; if in part, the rest is before whatever comes next."""
        # A terminal may refuse a job in the background to write: with a SIGTTOU that would be
        # handled and the write repeated without end, but not where it is blocked. A SIGPIPE would
        # end this process, should the application have set it to its default.
        former = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTTOU, signal.SIGPIPE))
        try:
            self._open()
            deadline = time.monotonic() + (0.0 if self._is_stuck else pace.LOG_PATIENCE)
            rest = self._put(self._rest, deadline)
            left = text if rest else self._put(text, deadline)
            self._rest = rest or (left if left != text else b"")
            if text or rest:  # else nothing was tried
                self._is_stuck = bool(rest or left)
            return left != text or not text
        except OSError:  # it is closed
            return False
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, former)

    def fileno(self) -> int:
        """A descriptor for others to write to: one that does not block, where there is one."""
        return 2 if self._own < 0 else self._own

    def _forget_rest(self) -> None:
        """In a forked child: it is the parent's to write."""
        self._rest = b""

    def _put(self, text: bytes, deadline: float) -> bytes:
        """What is left of it when nothing more is taken."""
        try:
            while text and _is_ready(deadline):
                text = text[self._take(first_portion(text), deadline) :]
        except BrokenPipeError:
            with suppress(AttributeError):  # macOS has no way to take it back
                signal.sigtimedwait((signal.SIGPIPE,), 0)
        except OSError:  # a full disk, a terminal that is gone
            pass
        return text

    def _take(self, portion: bytes, deadline: float) -> int:
        try:
            return self._send(portion)
        except BlockingIOError:  # the room that there is does not do
            if time.monotonic() >= deadline:
                raise
            time.sleep(pace.LOG_NAP)
            return 0

    def _open(self) -> None:
        """Once, and again when somebody has put another file in its place."""
        found = os.fstat(2)
        if (found.st_dev, found.st_ino) != self._place:
            self._close()
            self._place = (found.st_dev, found.st_ino)
            self._send = self._sender(found.st_mode)

    def _sender(self, mode: int) -> Send:
        if stat.S_ISSOCK(mode):
            try:
                return _socket_sender()
            except OSError:  # of a kind that Python has none for
                return _cautious_send
        if stat.S_ISFIFO(mode) or os.isatty(2):
            flags = os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_NOCTTY
            try:
                self._own = os.open("/proc/self/fd/2", flags)
            except OSError:  # no /proc, no permission any more, or nobody reads the pipe
                return _cautious_send
            return partial(os.write, self._own)
        return partial(os.write, 2)  # a file: it takes what there is room for

    def _close(self) -> None:
        self._rest, self._is_stuck = b"", False
        if self._own >= 0:
            os.close(self._own)
            self._own = -1


def _is_ready(deadline: float) -> bool:
    room = poll()
    room.register(2, POLLOUT)
    return bool(room.poll(max(0.0, deadline - time.monotonic()) * 1000))


def _cautious_send(portion: bytes) -> int:
    """Where a write can block: as much as a pipe has room for that is ready."""
    return os.write(2, portion[:PIPE_BUF])


def _socket_sender() -> Send:
    former = socket.getdefaulttimeout()
    socket.setdefaulttimeout(None)  # else the open file would be made non-blocking, for all
    try:
        duplicate = socket.socket(fileno=os.dup(2))
    finally:
        socket.setdefaulttimeout(former)
    return lambda portion: duplicate.send(portion, socket.MSG_DONTWAIT)
