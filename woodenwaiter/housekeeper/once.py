"""Whether all is done, for a supervisor that serves until then: decisions alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Protocol

from .. import pace


class Worker(Protocol):
    """What a row of the scoreboard says of one."""

    @property
    def running(self) -> int: ...
    @property
    def owner(self) -> str: ...


class Remains(Protocol):
    """What a server says of a queue."""

    @property
    def waiting(self) -> int: ...
    @property
    def claimed(self) -> int: ...
    @property
    def is_delayed(self) -> bool: ...
    @property
    def is_paused(self) -> bool: ...


def is_nothing_left(remains: Iterable[Remains]) -> bool:
    """What waits in a queue that is paused, or comes back to it, is not for now; what its workers
    have claimed they are at."""
    return not any(
        each.claimed or (not each.is_paused and (each.waiting or each.is_delayed))
        for each in remains
    )


class Questions:
    """When to ask what is left, in monotonic seconds, and whether the answers stand."""

    def __init__(self) -> None:
        self._ask_at = -math.inf
        self._owners: frozenset[str] = frozenset()

    def is_due(self, workers: Sequence[Worker], now: float) -> bool:
        """Not while a task runs here, or one whose worker died is to be recovered: that is left."""
        if now < self._ask_at or any(worker.running for worker in workers):
            return False
        self._ask_at = now + pace.ONCE
        self._owners = frozenset(worker.owner for worker in workers)
        return True

    def stand(self, workers: Iterable[Worker]) -> bool:
        """Whether the servers were asked about all that these have claimed: others, which came
        meanwhile, may have claimed something before."""
        return self._owners == {worker.owner for worker in workers}
