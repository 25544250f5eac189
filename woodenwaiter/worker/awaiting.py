"""Handlers that are coroutines: each runs to its end, one at a time, on one event loop."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Awaitable, Callable, Generator
from typing import TYPE_CHECKING, Any

from ..errors import Misuse, TaskInterrupted
from ..logs import log
from ..text import listed

if TYPE_CHECKING:
    import asyncio


class Awaiting:
    """What the functions of one customer return, awaited where that is to be.

    The loop is made when first needed, in the process that needs it, and kept: what handlers leave
    on it, such as connections, is there for the next ones.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._driven: _Driven | None = None

    def result_of(self, returned: Any) -> Any:
        """What a function that returned this comes to. Raises what an awaitable raises, and
        TypeError for a generator: nothing of it has run."""
        if inspect.isawaitable(returned):
            return self._run(returned)
        if inspect.isgenerator(returned) or inspect.isasyncgen(returned):
            raise TypeError("it returned a generator, which nobody runs: nothing was done")
        return returned

    def interrupt(self, error: TaskInterrupted) -> bool:
        """From a signal handler: have this raised where the running coroutine waits. False if none
        waits: it may be raised here."""
        if self._driven is None or self._driven.is_running:
            return False
        self._driven.interrupt(error)
        return True

    def close(self) -> None:
        """Cancel what was left running, and say so; end the loop."""
        loop, self._loop = self._loop, None
        if loop is None:
            return
        try:
            _cancel_all(loop)
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
        finally:
            loop.close()

    def _run(self, awaitable: Awaitable[Any]) -> Any:
        import asyncio  # it takes memory, and most handlers do without

        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            asyncio.set_event_loop(self._loop)
        self._driven = _Driven(awaitable, self._loop)
        try:
            return self._loop.run_until_complete(self._driven.task)
        finally:
            self._driven = None


class _Driven:
    """A task that runs an awaitable, into which an exception can be raised wherever it waits."""

    def __init__(self, awaitable: Awaitable[Any], loop: asyncio.AbstractEventLoop) -> None:
        self._steps = _awaiting(awaitable)
        self._loop = loop
        self._error: TaskInterrupted | None = None  # what is to be raised in it
        self.is_running = False  # rather than waiting
        self.task = loop.create_task(_awaiting(self))

    def interrupt(self, error: TaskInterrupted) -> None:
        self._error = error
        self._loop.call_soon_threadsafe(self.task.cancel)

    def __await__(self) -> Generator[Any, Any, Any]:
        step, given = self._steps.send, None
        while True:
            self.is_running = True
            try:
                waits_for = step(given)
            except StopIteration as end:
                return end.value
            finally:
                self.is_running = False
            try:
                step, given = self._steps.send, (yield waits_for)
            except BaseException as error:
                step, given = self._steps.throw, self._meant_by(error)

    def _meant_by(self, error: BaseException) -> BaseException:
        meant, self._error = self._error, None
        if meant is None:
            return error
        if uncancel := getattr(self.task, "uncancel", None):  # from Python 3.11 on
            uncancel()
        return meant


def require_loop_for(handler: Callable[..., Any]) -> None:
    """Raises Misuse for a coroutine where another one is running: it would have to wait for it."""
    loops = sys.modules.get("asyncio.events")
    if loops and loops._get_running_loop() and inspect.iscoroutinefunction(handler):
        raise Misuse("a coroutine cannot be run inside another one's event loop: use a thread")


async def _awaiting(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    import asyncio

    left = asyncio.all_tasks(loop)
    if not left:
        return
    names = [f"{task.get_name()} ({_name_of(task)})" for task in left]
    log.warning("what handlers left running on the event loop is cancelled: %s", listed(names))
    for task in left:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))


def _name_of(task: asyncio.Task[Any]) -> str:
    return getattr(task.get_coro(), "__qualname__", "")
