"""Answers who asks for metrics, over HTTP."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from socket import SHUT_RDWR, socket
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler

from .. import pace
from ..logs import log
from ..processes import plain_threads
from ..processes.signals import SignalInbox

AT_ONCE = 16
"""Who ask. One more, and who has been at it longest is cut off."""

PATH = "/metrics"

App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
"""As in PEP 3333."""


def metrics_only(app: App) -> App:
    """Whatever else is asked for is not found. That ``app`` fails, the log tells."""

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        status, text = "404 Not Found", f"There is only {PATH} here.\n"
        if environ["PATH_INFO"] == PATH:
            try:
                return app({**environ, "QUERY_STRING": ""}, start_response)  # all of them, or none
            except Exception:
                log.exception("metrics cannot be told")
                status, text = "500 Internal Server Error", "The log says why.\n"
        start_response(status, [("Content-Type", "text/plain")])
        return [text.encode()]

    return answer


class Endpoint:
    """``listener``: which does not block, and where others may listen as well."""

    def __init__(self, listener: socket, app: App) -> None:
        self._listener = listener
        self._app = app
        self._conversations: dict[socket, float] = {}  # until when; the longest first
        self._lock = plain_threads.lock()

    def serve(self, inbox: SignalInbox, lifeline: int, is_over: Callable[[], bool]) -> None:
        """Until it is over, as a signal may tell, or ``lifeline`` becomes readable."""
        pause = 0.0
        while not (inbox and is_over()):
            inbox.take()
            watched = () if pause else (self._listener.fileno(),)
            ready = inbox.wait((lifeline, *watched), pause or self._seconds_left())
            if lifeline in ready:
                return
            pause = self._welcome() if self._listener.fileno() in ready else 0.0
            self._cut_off()

    def _welcome(self) -> float:
        """Returns for how long nobody is to be heard: descriptors ran out, say."""
        try:
            asker, peer = self._listener.accept()
        except (BlockingIOError, ConnectionError):  # gone already
            return 0.0
        except OSError:
            return pace.REFORK
        asker.setblocking(True)
        with self._lock:
            self._conversations[asker] = time.monotonic() + pace.CONVERSATION
        try:
            plain_threads.start(self._converse, (asker, peer))
        except RuntimeError:  # no more of them can be had
            self._end(asker)
            return pace.REFORK
        return 0.0

    def _converse(self, asker: socket, peer: Any) -> None:
        try:
            # A socket of this thread's: gevent's is of the one that made it.
            with suppress(OSError), asker.dup() as own:
                Conversation(own, peer, Site(self._app))  # type: ignore[arg-type]
        finally:
            self._end(asker)

    def _end(self, asker: socket) -> None:
        with self._lock:
            del self._conversations[asker]
            with suppress(OSError):
                asker.shutdown(SHUT_RDWR)
            asker.close()

    def _cut_off(self) -> None:
        """Those that take too long, or are too many: their threads end them."""
        now = time.monotonic()
        with self._lock:
            too_many = len(self._conversations) - AT_ONCE
            for number, (asker, until) in enumerate(self._conversations.items()):
                if number < too_many or now >= until:
                    self._conversations[asker] = float("inf")
                    with suppress(OSError):
                        asker.shutdown(SHUT_RDWR)

    def _seconds_left(self) -> float | None:
        """Until somebody takes too long."""
        with self._lock:
            until = min(self._conversations.values(), default=float("inf"))
        return None if until == float("inf") else max(0.0, until - time.monotonic())


class Site:
    """What `WSGIRequestHandler` wants to know of its server."""

    def __init__(self, app: App) -> None:
        self._app = app
        self.base_environ: dict[str, str] = {}

    def get_app(self) -> App:
        return self._app


class Conversation(WSGIRequestHandler):
    """A request and its answer. None is logged: there is one every few seconds."""

    def log_message(self, *_: Any) -> None:
        pass
