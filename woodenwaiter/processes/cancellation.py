"""In shared memory: which of a worker's tasks is to be no more, as somebody wants it."""

from __future__ import annotations

from .diary import Diary

# 64-bit words of a row: of the housekeeper, and of the worker.
_ASKED, _DONE = 20, 21


class Cancellation:
    """Of a worker that has these ``words``. Claims are compared by their numbers: what was meant
    for one never ends the next."""

    def __init__(self, words: memoryview, diary: Diary) -> None:
        self._words = words
        self._diary = diary

    # Set by the housekeeper.

    def ask(self, seq: int, who: str) -> None:
        """``who`` wants claim number ``seq`` ended, which was running a moment ago."""
        if self.asked != seq:
            self._words[_ASKED] = 0
            self._diary.caller = who
            self._words[_ASKED] = seq

    # Set by the worker.

    def note(self, seq: int) -> None:
        """Redis knows that claim number ``seq`` was cancelled."""
        self._words[_DONE] = seq

    # Read by anyone.

    @property
    def asked(self) -> int:
        """The number of the claim that was to be ended last, or 0."""
        return self._words[_ASKED]

    @property
    def done(self) -> int:
        """The number of the claim that was cancelled last, or 0; not one in which it died."""
        return self._words[_DONE]

    def is_of(self, seq: int) -> bool:
        """Whether this claim is to be ended; 0: none."""
        return 0 != seq == self.asked

    def by(self, seq: int) -> str | None:
        """Who wants this claim ended, which is running; None: nobody does."""
        return self._diary.caller if self.is_of(seq) else None
