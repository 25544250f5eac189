"""Looks in a thread of its own, so that the screen never waits for a server."""

from __future__ import annotations

import threading
from collections.abc import Callable

from .sight import Sight, Wanted


class Reader:
    """Calls ``look`` every so many seconds, and hands on what that returns, in its thread. A key
    may bring one look forward, but none between two that keys brought forward: they cost the server
    twice as much at most, however many are pressed."""

    def __init__(self, look: Callable[[Wanted], Sight], seconds: float) -> None:
        self.wanted = Wanted()
        self._look = look
        self._seconds = seconds
        self._hurried = threading.Event()
        self._stopped = threading.Event()

    def start(self, hand_on: Callable[[Sight], object]) -> None:
        """It does not keep the process alive: a server may be silent for long."""
        threading.Thread(target=self._go_on, args=(hand_on,), name="reader", daemon=True).start()

    def hurry(self) -> None:
        """Something else is wanted."""
        self._hurried.set()

    def stop(self) -> None:
        """Hand on nothing more."""
        self._stopped.set()
        self._hurried.set()

    def _go_on(self, hand_on: Callable[[Sight], object]) -> None:
        is_early = False
        while True:
            if is_early:
                self._stopped.wait(self._seconds)
                is_early = False
            else:
                is_early = self._hurried.wait(self._seconds)
            self._hurried.clear()
            if self._stopped.is_set():
                return
            sight = self._look(self.wanted)
            if self._stopped.is_set():
                return
            hand_on(sight)
