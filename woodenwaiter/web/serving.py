"""Serves an application over HTTP, in this process's main thread, to its end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from socket import socket
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from .. import pace
from ..logs import log
from ..processes.signals import SignalInbox

AT_ONCE = 500
"""Connections; who else asks is told to come again."""

HEAD = 64 << 10
"""Bytes of a request's line and headers, at most."""

TOLD = ("uvicorn.error", "asyncio")
"""The loggers of what serves the application."""

Application = Callable[..., Awaitable[None]]
"""As in ASGI."""


def serve(
    app: Application,
    listeners: Sequence[socket],
    inbox: SignalInbox,
    is_over: Callable[[], bool],
    lifeline: int | None = None,
) -> None:
    """Answer until a signal comes and it is over, or ``lifeline`` becomes readable. Answers that
    are under way then have a moment to end; streams are cut off. What still waits for a server is
    left behind: this process is to end."""
    loop = asyncio.new_event_loop()
    with _told_by_us():
        loop.run_until_complete(_serve(app, listeners, inbox, is_over, lifeline))
        if not asyncio.all_tasks(loop):
            loop.close()


async def _serve(
    app: Application,
    listeners: Sequence[socket],
    inbox: SignalInbox,
    is_over: Callable[[], bool],
    lifeline: int | None,
) -> None:
    loop, end = asyncio.get_running_loop(), asyncio.Event()

    def look() -> None:
        if inbox.take() and is_over():
            end.set()

    inbox.heard = lambda: _wake(loop, look)
    look()  # at what came before
    if lifeline is not None:
        loop.add_reader(lifeline, end.set)
    try:
        await Server(app, end).serve([*listeners])
        await asyncio.sleep(0)  # for those who were hung up on
    finally:
        inbox.heard = None
        if lifeline is not None:
            loop.remove_reader(lifeline)


def _wake(loop: asyncio.AbstractEventLoop, look: Callable[[], None]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(look)


class Server(uvicorn.Server):
    """Sleeps until something is asked for, or it is the ``end``; signals are others' to hear."""

    def __init__(self, app: Application, end: asyncio.Event) -> None:
        config = uvicorn.Config(
            app,
            http=Conversation,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            backlog=AT_ONCE,
            limit_concurrency=AT_ONCE,
            h11_max_incomplete_event_size=HEAD,
            timeout_graceful_shutdown=1,
        )
        super().__init__(config)
        self._end = end

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self._end.wait()

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        asyncio.get_running_loop().call_later(pace.ANSWERED_WITHIN, self._hang_up)
        await super().shutdown(sockets)

    def _hang_up(self) -> None:
        for connection in [*self.server_state.connections]:
            connection.transport.abort()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Conversation(H11Protocol):
    """Hangs up where nothing is asked for in time, or nothing taken of what is told: connections
    are not for keeping."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._look_again()

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()
        super().connection_lost(exc)

    def _look_again(self) -> None:
        known = self._last_answered, self._untaken
        self._timer = self.loop.call_later(pace.REQUEST_WITHIN, self._look, *known)

    def _look(self, idle_since: object, untaken: int) -> None:
        if untaken and untaken == self._untaken:
            self.transport.abort()
        elif idle_since is not None and idle_since == self._last_answered:
            self.transport.close()
        else:
            self._look_again()

    @property
    def _untaken(self) -> int:
        """Bytes that were told, and that nobody has taken."""
        return int(self.transport.get_write_buffer_size())

    @property
    def _last_answered(self) -> object:
        """None where an answer is under way."""
        if self.cycle is None:
            return "nothing"
        return self.cycle if self.cycle.response_complete else None


@contextmanager
def _told_by_us() -> Iterator[None]:
    """What goes wrong without anybody's doing is told as what we tell."""
    passing = _Passing()
    theirs = [logging.getLogger(name) for name in TOLD]
    former = [(each.handlers, each.propagate, each.level) for each in theirs]
    for each in theirs:
        each.handlers, each.propagate = [passing], False
        each.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for each, (handlers, propagate, level) in zip(theirs, former, strict=True):
            each.handlers, each.propagate = handlers, propagate
            each.setLevel(level)


class _Passing(logging.Handler):
    """Passes on what is of somebody's code; the rest is about who asks."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            log.error("%s", record.getMessage().rstrip(), exc_info=record.exc_info)
