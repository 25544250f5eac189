"""What a worker's process is called, which `ps` shows."""

from __future__ import annotations

import time

from setproctitle import setproctitle

from ..text import escaped


class Title:
    """Changed only where there is something else to say: each change costs as much as two tasks."""

    def __init__(self, queue: str, number: int) -> None:
        self._worker = f"woodenwaiter: worker {escaped(queue):.80} #{number}"
        self._state = ""

    def show(self, state: str) -> None:
        if state != self._state:
            setproctitle(f"{self._worker} {state}")
            self._state = state

    def show_busy(self, first: int, claims: int, want: int) -> None:
        """With so many tasks, of which that is the first; ``want``: how many it asked for."""
        what = f"task {first}" if claims == want == 1 else "busy"
        self.show(f"{what} since {time.strftime('%H:%M:%S')}")
