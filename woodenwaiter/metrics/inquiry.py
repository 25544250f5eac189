"""What takes its time to be found out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from ..processes import plain_threads

T = TypeVar("T")


class Inquiry(Generic[T]):
    """It is made by a thread of its own: whatever keeps that, nobody has to wait for it."""

    def __init__(self, find: Callable[[], T]) -> None:
        self._find = find
        self._unwanted = plain_threads.lock()  # held while there is nothing to be found out
        self._under_way = plain_threads.lock()  # held while it is being found out
        self._outcome: T | Exception | None = None
        self._unwanted.acquire()
        plain_threads.start(self._work, ())

    def begin(self) -> bool:
        """Find it out anew; returns whether that was not under way."""
        is_ready = self._under_way.acquire(blocking=False)
        if is_ready:
            self._unwanted.release()
        return is_ready

    def outcome(self, seconds: float) -> T | Exception | None:
        """What was found last, or went wrong; None where it takes longer than so many seconds."""
        if not self._under_way.acquire(timeout=max(0.0, seconds)):
            return None
        self._under_way.release()
        return self._outcome

    def _work(self) -> None:
        while self._unwanted.acquire():
            try:
                self._outcome = self._find()
            except Exception as error:
                self._outcome = error
            self._under_way.release()
