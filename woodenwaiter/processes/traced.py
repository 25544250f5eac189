"""Shared memory in which the housekeeper asks where workers are, and the supervisor, who reads what
they write down, tells it. They take turns: whose it is not only looks whether it has come."""

from __future__ import annotations

import mmap
from collections.abc import Collection, Mapping
from struct import Struct

from ..text import shortened

ROOM = 1 << 18
"""Bytes for all tracebacks of a round, which share it."""

MOST = 1000
"""Workers in a round."""

_ASKED, _TOLD, _LENGTH, _NOTES = range(4)
_HEAD = Struct("=qq")  # a worker's incarnation, bytes of text
_MARK = 64
"""Bytes at most, of what says that something is left out."""


class Traced:
    """Workers are named by their incarnations."""

    def __init__(self) -> None:
        memory = memoryview(mmap.mmap(-1, _NOTES * 8 + ROOM))
        self._words = memory[: _NOTES * 8].cast("q")
        self._notes = memory[_NOTES * 8 :]
        self._numbers = self._notes[: MOST * 8].cast("q")

    @property
    def is_asked(self) -> bool:
        """Whether it is the supervisor's turn."""
        return self._words[_ASKED] != self._words[_TOLD]

    # For the housekeeper.

    def ask(self, workers: Collection[int]) -> None:
        """Begin a round, about some of MOST workers."""
        self._words[_LENGTH] = len(workers)
        for place, worker in enumerate(workers):
            self._numbers[place] = worker
        self._words[_ASKED] += 1

    def found(self) -> dict[int, str]:
        """What was told in this round."""
        texts, place = {}, 0
        while place < self._words[_LENGTH]:
            worker, length = _HEAD.unpack_from(self._notes, place)
            place += _HEAD.size + length
            texts[worker] = bytes(self._notes[place - length : place]).decode()
        return texts

    # For the supervisor.

    def asked(self) -> set[int]:
        """The workers that this round is about."""
        return {*self._numbers[: self._words[_LENGTH]]}

    def tell(self, texts: Mapping[int, str]) -> None:
        """Those that are long are cut in the middle."""
        most = ROOM // max(1, len(texts)) - _HEAD.size - _MARK
        place = 0
        for worker, text in texts.items():
            told = shortened(text, most).encode(errors="backslashreplace")
            end = place + _HEAD.size + len(told)
            self._notes[place:end] = _HEAD.pack(worker, len(told)) + told
            place = end
        self._words[_LENGTH] = place
        self._words[_TOLD] = self._words[_ASKED]
