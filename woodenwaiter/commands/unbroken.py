"""How Ctrl-C ends what takes many requests."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from types import FrameType
from typing import TypeVar

T = TypeVar("T")


def unbroken(
    steps: Generator[T, None, None], rest: Callable[[T], float] | None = None
) -> Iterator[T]:
    """The same steps. Ctrl-C lets one that is under way be done, so that it is known what was; a
    second one does not. ``rest``: how many seconds to wait after a step."""
    with closing(steps):
        while True:
            with _Deferred() as deferred:
                step = next(steps, None)
            if step is None:
                return
            yield step
            if deferred.is_asked:
                raise KeyboardInterrupt
            if rest:
                time.sleep(max(0.0, rest(step)))


class _Deferred:
    """Inside, the first Ctrl-C is but noted."""

    is_asked = False

    def __enter__(self) -> _Deferred:
        self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *error: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.is_asked:
            raise KeyboardInterrupt
        self.is_asked = True
