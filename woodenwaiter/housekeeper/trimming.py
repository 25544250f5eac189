"""Of a queue's dead letters as many are kept as somebody said, and what is thrown away is told."""

from __future__ import annotations

from ..events import about
from ..logs import log
from ..protocol.replies import reply_of
from ..protocol.trimming import PORTION


class Trimming:
    """Of one queue's, so many are ``kept``; 0: all of them."""

    def __init__(self, queue: str, kept: int) -> None:
        self.kept = kept
        self._queue = queue
        self._trouble = ""

    def heard(self, outcome: int | Exception) -> bool:
        """So many were thrown away, or it came to nothing. Returns whether there may be more."""
        if isinstance(outcome, Exception):
            self._complain(reply_of(outcome).whole)
            return False
        if outcome:
            text = "dead letters of %s beyond %d: the oldest are thrown away: %d"
            extra = about("letters.trimmed", queue=self._queue, count=outcome)
            log.warning(text, self._queue, self.kept, outcome, extra=extra)
        self._trouble = ""
        return outcome == PORTION

    def _complain(self, trouble: str) -> None:
        """Once, as long as it stays the same."""
        if trouble != self._trouble:
            log.warning("dead letters of %s are not trimmed: %s", self._queue, trouble)
        self._trouble = trouble
