"""Answers who asks how the supervisor fares, as `woodenwaiter.health` does.

Its loop does that, and nothing else: that there is an answer is what they want to know. It waits
for nobody, reads nothing, and answers so many at once only.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Set
from contextlib import suppress
from socket import AF_UNIX, SOCK_STREAM, socket

from .. import pace
from ..logs import log
from ..processes.meeting import (
    LONGEST_ANSWER,
    folders,
    is_left_over,
    name_of,
    objection_to,
    sockets_in,
)

AT_ONCE = 16
"""Answers between two looks at the children."""

WAITING = 128
"""That may wait for an answer."""


class Inquiries:
    """``due``: when to listen again, after descriptors, say, ran out."""

    def __init__(self) -> None:
        self._path = ""
        self._socket = self._open()
        self.due = math.inf

    def _open(self) -> socket | None:
        """In the first folder that will do."""
        troubles = []
        for folder in folders():
            try:
                return self._open_in(folder)
            except OSError as error:
                troubles.append(f"{folder}: {error.strerror or error}")
        log.warning("woodenwaiter.health cannot ask this supervisor: %s", "; ".join(troubles))
        return None

    def _open_in(self, folder: str) -> socket:
        with suppress(FileExistsError):
            os.mkdir(folder, 0o700)
        if objection := objection_to(folder):
            raise PermissionError(objection)
        for name in sockets_in(folder):
            if is_left_over(path := os.path.join(folder, name)):
                with suppress(OSError):  # another one has seen it, too
                    os.unlink(path)
        return self._listen_at(os.path.join(folder, name_of(os.getpid())))

    def _listen_at(self, path: str) -> socket:
        """Under that name only once it listens: before, it would seem to be left over."""
        folder, name = os.path.split(path)
        hidden = os.path.join(folder, f".{name}")
        with suppress(FileNotFoundError):
            os.unlink(hidden)
        listener = socket(AF_UNIX, SOCK_STREAM)
        try:
            listener.setblocking(False)
            listener.bind(hidden)
            listener.listen(WAITING)
            os.rename(hidden, path)
        except OSError:
            listener.close()
            raise
        self._path = path
        return listener

    def watched(self) -> tuple[int, ...]:
        """The descriptor that tells of those who ask."""
        if not self._socket or time.monotonic() < self.due < math.inf:
            return ()
        self.due = math.inf
        return (self._socket.fileno(),)

    def answer(self, ready: Set[int], answer: Callable[[], str]) -> None:
        """Give it to some of those who ask, if any does."""
        if not self._socket or self._socket.fileno() not in ready:
            return
        line = answer().encode()[:LONGEST_ANSWER]
        try:
            for _ in range(AT_ONCE):
                with self._socket.accept()[0] as asker:
                    _tell(asker, line)
        except BlockingIOError:  # they all know
            pass
        except OSError:
            self.due = time.monotonic() + pace.REFORK

    def leave(self) -> None:
        """In a forked child: it does not answer."""
        if self._socket:
            self._socket.close()

    def end(self) -> None:
        if self._socket:
            self._socket.close()
            with suppress(OSError):
                os.unlink(self._path)


def _tell(asker: socket, line: bytes) -> None:
    asker.setblocking(False)
    with suppress(OSError):  # gone already
        asker.send(line)
