"""What a queue's dead letters have in common, counted for all viewers: a million takes long."""

from __future__ import annotations

import threading
import time
from typing import Any

from .. import pace
from ..errors import text_of
from ..logs import log
from ..protocol.letters import Extent, Filter, extent_of
from ..protocol.link import Link, ServerTrouble, unusable
from ..verbs.letters import groups
from .boards import Board
from .jobs import TooMany
from .links import Links
from .redaction import Redaction
from .views.letters import group

AT_ONCE = 50
"""Queues whose dead letters are counted: each takes a thread."""

MOST_GROUPS = 500
"""That are told."""

PART = "groups"


class Unwatched(Exception):
    """Nobody wants to know any more."""


class Count:
    """Of one queue: a thread that counts while somebody watches, anew where letters came or went
    since; the longer that takes, the more rarely."""

    def __init__(self, links: Links, redaction: Redaction, queue: str) -> None:
        self.board = Board()
        self._links = links
        self._redaction = redaction
        self._queue = queue
        self._hurried = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._counted: Extent | None = None
        self._told: dict[str, Any] = {}
        self._told_at = 0.0

    def begin(self) -> None:
        """Somebody watches."""
        with self._lock:
            if self._thread is None:
                thread = threading.Thread(target=self._go_on, name="count", daemon=True)
                thread.start()
                self._thread = thread

    def hurry(self) -> None:
        """Count anew."""
        self._counted = None
        self._hurried.set()

    def _go_on(self) -> None:
        while self._is_watched():
            began = time.monotonic()
            self._hurried.clear()
            try:
                with self._links.lent() as link:
                    self._count(link)
            except Unwatched:
                continue
            except ServerTrouble as error:
                self._complain(str(unusable(self._links.address, error)))
            except Exception as error:  # a defect: the page outlives it
                log.exception("dead letters cannot be counted")
                self._complain(f"{type(error).__name__}: {text_of(error)}")
            took = time.monotonic() - began
            time.sleep(pace.WATCH)  # however often somebody wants it anew
            self._hurried.wait(min(pace.LOOK_SHARE * took, pace.LONGEST_PAUSE))

    def _is_watched(self) -> bool:
        with self._lock:
            if not self.board.viewers:
                self._thread = None
            return self._thread is not None

    def _count(self, link: Link) -> None:
        extent = extent_of(link, self._queue)
        if extent and self._counted and extent[:2] == self._counted[:2]:
            return
        found = groups(link, self._queue, Filter(), self._hear)
        self._counted = extent
        self._tell(
            state="done",
            looked=found.letters,
            of=found.letters,
            at=found.now,
            letters=found.letters,
            more=max(0, len(found.groups) - MOST_GROUPS),
            groups=[group(each, self._redaction) for each in found.groups[:MOST_GROUPS]],
            trouble="",
        )

    def _hear(self, looked: int, there: int) -> None:
        if not self.board.viewers:
            raise Unwatched
        if time.monotonic() - self._told_at > pace.PROGRESS:
            self._tell(state="looking", looked=looked, of=there)

    def _complain(self, trouble: str) -> None:
        self._counted = None
        self._tell(state="failed", trouble=trouble)

    def _tell(self, **news: Any) -> None:
        self._told_at = time.monotonic()
        self._told = {**self._told, **news}
        self.board.put(PART, self._told)


class Counting:
    """Of all queues that somebody watches."""

    def __init__(self, links: Links, redaction: Redaction) -> None:
        self._links = links
        self._redaction = redaction
        self._counts: dict[str, Count] = {}

    def of(self, queue: str) -> Count:
        """For who is going to watch its board, and `Count.begin` it then. Raises TooMany."""
        for other, count in [*self._counts.items()]:
            if other != queue and not count.board.viewers:
                del self._counts[other]
        if queue not in self._counts and len(self._counts) >= AT_ONCE:
            raise TooMany("the dead letters of too many queues are being counted")
        return self._counts.setdefault(queue, Count(self._links, self._redaction, queue))

    def hurry(self, queue: str) -> None:
        if count := self._counts.get(queue):
            count.hurry()
