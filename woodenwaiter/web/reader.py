"""One thread reads for all viewers: what many look at costs a server no more than for one."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

from .. import pace
from ..errors import RedisUnusable, text_of
from ..logs import log
from ..protocol.link import ServerTrouble, unusable
from ..protocol.replies import is_outage
from .boards import Board
from .links import Links
from .looks import Looks, Topic
from .plane import Plane


@dataclass
class Watched:
    """A topic, and when it is to be looked at next, in monotonic seconds."""

    board: Board = field(default_factory=Board)
    due: float = 0.0
    wanted_at: float = field(default_factory=time.monotonic)

    @property
    def is_wanted(self) -> bool:
        """By somebody who watches, or is about to."""
        return bool(self.board.viewers or not self.board.is_known)


class Reader:
    """Looks at topics while somebody does, and ends when nobody does any more."""

    def __init__(self, links: Links, looks: Looks, plane: Plane) -> None:
        self._links = links
        self._looks = looks
        self._plane = plane
        self._topics: dict[Topic, Watched] = {}
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._is_over = False

    def board(self, topic: Topic) -> Board:
        """Where the topic is told of. To be called once more when somebody watches it, so that it
        is looked at without delay."""
        with self._changed:
            watched = self._topics.setdefault(topic, Watched())
            watched.wanted_at = time.monotonic()
            if self._thread is None and not self._is_over:
                thread = threading.Thread(target=self._go_on, name="reader", daemon=True)
                thread.start()
                self._thread = thread
            self._changed.notify()
        return watched.board

    def hurry(self) -> None:
        """Something was changed: whoever did it wants to see it."""
        with self._changed:
            for watched in self._topics.values():
                watched.due = min(watched.due, time.monotonic() + pace.PROGRESS)
            self._changed.notify()

    def close(self) -> None:
        with self._changed:
            self._is_over = True
            self._changed.notify()

    def _go_on(self) -> None:
        while True:
            with self._changed:
                while not (due := self._due()):
                    if self._is_over or not self._topics:
                        self._thread = None
                        return
                    self._changed.wait(self._seconds_left())
            for topic, watched in due:
                if not self._look(topic, watched):
                    break  # all the others would wait as long, and hear the same

    def _due(self) -> list[tuple[Topic, Watched]]:
        """The topics that are to be looked at now; those that nobody wants are forgotten."""
        now = time.monotonic()
        for topic, watched in [*self._topics.items()]:
            if watched.board.viewers:
                watched.wanted_at = now
            elif now - watched.wanted_at > pace.UNWATCHED:
                del self._topics[topic]
        if self._is_over:
            return []
        return [(t, w) for t, w in self._topics.items() if w.is_wanted and now >= w.due]

    def _seconds_left(self) -> float:
        now = time.monotonic()
        dues = [w.due for w in self._topics.values() if w.is_wanted]
        return max(0.0, min(dues, default=now + pace.UNWATCHED) - now)

    def _look(self, topic: Topic, watched: Watched) -> bool:
        """Returns whether the server was there; else, all viewers are told."""
        began, trouble = time.monotonic(), ""
        try:
            with self._links.lent() as link:
                for parts in self._looks.of(topic, link):
                    watched.board.put_up(parts, self._plane.now)
        except ServerTrouble as error:
            trouble = str(unusable(self._links.address, error))
            if is_outage(error):
                self._complain(trouble)
                return False
        except RedisUnusable as error:
            trouble = str(error)
        except Exception as error:  # a defect: the page outlives it, and says so
            log.exception("what Redis holds cannot be shown")
            trouble = f"what Redis holds cannot be shown: {type(error).__name__}: {text_of(error)}"
        if trouble:
            watched.board.complain(trouble)
        now = time.monotonic()
        pause = max(pace.WATCH, min(pace.LOOK_SHARE * (now - began), pace.LONGEST_PAUSE))
        watched.due = now + pause
        return True

    def _complain(self, trouble: str) -> None:
        with self._changed:
            for watched in self._topics.values():
                watched.board.complain(trouble)
                watched.due = time.monotonic() + pace.WATCH
