"""What waits in queues, for who starts workers: counted, or rung for where nobody works."""

from __future__ import annotations

import time
from collections.abc import Sequence
from select import POLLIN, poll

from redis.exceptions import ResponseError

from .link import Link, ServerTrouble
from .queue import Queue
from .wire import Wire


def counted(link: Link, queues: Sequence[Queue]) -> list[int | Exception]:
    """How many entries wait for a claim in each, in one round trip; what is wrong with one alone is
    told in its place. Raises what is in `link.ServerTrouble`."""
    commands = [command for queue in queues for command in queue.counts()]
    replies = iter(link.exchange(commands))
    return [queue.counted([next(replies) for _ in queue.counts()]) for queue in queues]


class Doorbell:
    """Of a queue without workers: a wait on a connection of its own, which its owner watches beside
    others'. What it moves lies where each claim looks first.

    What goes wrong with it is told by nobody: whoever counts meets the same.
    """

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._wire: Wire | None = None
        self._until = 0.0

    @property
    def descriptor(self) -> int | None:
        """To be watched, while it hangs."""
        return self._wire.descriptor if self._wire else None

    def hang(self, seconds: float) -> bool:
        """Wait for so long; returns whether that is possible."""
        if self._queue.bell.is_refused:
            return False
        link = self._queue.link
        wire = link.line_for(self._queue.name)
        try:
            wire.send([self._queue.bell.wait(seconds)])
        except ServerTrouble:
            return False
        self._wire, self._until = wire, time.monotonic() + seconds + link.timeout
        return True

    def is_silent(self) -> bool:
        """Whether it hangs, and there is nothing to be read so far."""
        return self._wire is not None and not self._is_ready() and time.monotonic() < self._until

    def _is_ready(self) -> bool:
        ready = poll()
        if self._wire:
            ready.register(self._wire.descriptor, POLLIN)
        return bool(ready.poll(0))

    def answer(self) -> bool:
        """Take it down; returns whether its wait went well, be it that it was in vain."""
        try:
            if self._wire is None or not self._is_ready():
                return False
            outcome = self._wire.outcome()
            if isinstance(outcome, ResponseError):
                self._queue.bell.heed(outcome)
        except ServerTrouble:
            return False
        finally:
            self.take_down()
        return not isinstance(outcome, ResponseError)

    def take_down(self) -> None:
        """The server ends the wait; it may have rung."""
        if self._wire:
            self._wire.close()
        self._wire = None
