"""What the supervisor and the housekeeper log, on its way to the application's logging."""

from __future__ import annotations

import logging
import marshal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress

from .. import logs, pace
from ..processes.signals import SignalInbox

KIND = socket.SOCK_SEQPACKET if sys.platform == "linux" else socket.SOCK_DGRAM
"""Each record stays whole, and is sent at once or not at all."""

MOST = 256 << 10
"""Bytes of a record, which `logs` cuts to less."""


class Line(logs.Outlet):
    """A socket pair, both ends of which are the supervisor's: what one reporter has not handed
    over, the next one will; or the supervisor itself says it on stderr."""

    taker = "the application's logging"

    def __init__(self) -> None:
        super().__init__()
        self._reading, self._writing = socket.socketpair(socket.AF_UNIX, KIND)
        for end in (self._reading, self._writing):
            end.setblocking(False)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MOST)

    def send(self, record: logging.LogRecord) -> bool:
        try:
            return self._writing.send(marshal.dumps(logs.plain(record))) > 0
        except BlockingIOError:
            return False
        except OSError:  # it is closed: nobody will read it
            return logs.aside.send(record)

    def end(self) -> None:
        """Nothing comes after this."""
        self.flush()
        with suppress(OSError):
            self._writing.send(b"")
        self._writing.close()

    def divert(self) -> None:
        """Say on stderr what is left, and what will still be sent by whoever has this line."""
        self.pass_on(logs.aside.send)
        with suppress(OSError):
            self._reading.shutdown(socket.SHUT_RD)
        self.flush()

    def close(self) -> None:
        self._reading.close()
        self._writing.close()
        super().close()

    def pass_on(self, say: Callable[[logging.LogRecord], object]) -> bool:
        """Give ``say`` what is there, one by one: what ends it is still there for the next reader.
        Returns whether more may come."""
        while True:
            try:
                found = self._reading.recv(MOST, socket.MSG_PEEK)
            except BlockingIOError:
                return True
            if not found:
                return False
            say(logs.restored(marshal.loads(found)))  # noqa: S302  # our own
            self._reading.recv(1)

    def has_records(self) -> bool:
        with suppress(BlockingIOError):
            return bool(self._reading.recv(1, socket.MSG_PEEK))
        return False

    def report(self, inbox: SignalInbox, lifeline: int | None) -> None:
        """Hand all that comes to the application's logging, until its end.

        ``lifeline``: becomes readable when the supervisor is gone. The housekeeper may still have
        something to say then.
        """
        self._writing.close()
        watched = [self._reading.fileno(), *([] if lifeline is None else [lifeline])]
        seconds = None
        while self.pass_on(_hand_over):
            ready = inbox.wait(watched, seconds)
            inbox.take()
            if lifeline in ready:
                watched, seconds = watched[:1], pace.LAST_WORDS
            elif seconds and not ready:
                break


def _hand_over(record: logging.LogRecord) -> None:
    """As if it had been logged here."""
    logs.log.handle(logging.makeLogRecord(vars(record)))
