"""What viewers of one view are told: whole at first, then what has changed since.

Who reads puts it up, in whichever thread; who is told takes it when they can, and misses nothing
but what was overtaken meanwhile. So a slow viewer holds up nobody, and nothing piles up for them.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

FIRST = 1
"""The version of a board that says nothing yet."""


class News(NamedTuple):
    """``parts``: JSON by name, of those that changed; ``gone``: the names of those that are no
    more; ``is_full``: all others are to be forgotten."""

    version: int
    parts: Mapping[str, str]
    gone: Sequence[str]
    is_full: bool


class Board:
    """Parts by name, each as JSON."""

    MOST_GONE = 1000
    """Names that are remembered of what is no more; who was away for longer gets all anew."""

    def __init__(self) -> None:
        self.version = FIRST
        """One more each time that something was put up, be it the same as before."""
        self.now = 0.0
        """Unix time by the server's clock, as far as it was told."""
        self.trouble = ""
        self._parts: dict[str, tuple[int, str]] = {}
        self._gone: dict[str, int] = {}
        self._forgotten = 0
        self._lock = threading.Lock()
        self._waiting: dict[object, Callable[[], object]] = {}
        self._last: tuple[int, News] | None = None

    def put_up(self, parts: Mapping[str, Any], now: float) -> None:
        """These are all, from now on."""
        texts = {name: _json(value) for name, value in parts.items()}
        with self._lock:
            self._begin()
            self.now, self.trouble = now, ""
            for name in [name for name in self._parts if name not in texts]:
                self._take_down(name)
            for name, text in texts.items():
                self._put(name, text)
        self._wake()

    def put(self, name: str, value: Any) -> None:
        """One of them; None: it is no more."""
        with self._lock:
            self._begin()
            if value is not None:
                self._put(name, _json(value))
            elif name in self._parts:
                self._take_down(name)
        self._wake()

    def complain(self, trouble: str) -> None:
        """All stays as it was, and nobody knows whether it is still so."""
        with self._lock:
            self._begin()
            self.trouble = trouble
        self._wake()

    def _begin(self) -> None:
        self.version += 1
        self._last = None

    def _put(self, name: str, text: str) -> None:
        if name not in self._parts or self._parts[name][1] != text:
            self._parts[name] = self.version, text
            self._gone.pop(name, None)

    def _take_down(self, name: str) -> None:
        del self._parts[name]
        self._gone[name] = self.version
        if len(self._gone) > self.MOST_GONE:
            first = next(iter(self._gone))
            self._forgotten = self._gone.pop(first)

    def since(self, version: int) -> News:
        """What is new since that version; 0: everything."""
        with self._lock:
            if self._last and self._last[0] == version:  # mostly, all ask for the same
                return self._last[1]
            is_full = version <= self._forgotten
            news = News(
                self.version,
                {n: text for n, (at, text) in self._parts.items() if is_full or at > version},
                [] if is_full else [n for n, at in self._gone.items() if at > version],
                is_full,
            )
            self._last = version, news
            return news

    def watch(self, who: object, wake: Callable[[], object]) -> None:
        """Call ``wake`` whenever something is put up, in whichever thread that is."""
        with self._lock:
            self._waiting[who] = wake

    def leave(self, who: object) -> None:
        with self._lock:
            self._waiting.pop(who, None)

    @property
    def is_known(self) -> bool:
        """Whether anything was put up so far, or complained of."""
        return self.version > FIRST

    @property
    def viewers(self) -> int:
        return len(self._waiting)

    def _wake(self) -> None:
        with self._lock:
            waiting = [*self._waiting.values()]
        for wake in waiting:
            wake()


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
