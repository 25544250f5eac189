"""In shared memory: what a worker has spent, how long its tasks took, how many failed, and what the
running one tells of its progress; and who wants that ended."""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple
from zlib import crc32

from ..text import escaped
from .account import ATTEMPTS, Account, bytes_for
from .effort import Effort
from .times import RANGES, range_of

WORDS = 4
_BUSY, _CPU, _TOLD_AT = range(3)
"""Nanoseconds. The note comes after the words."""

_CHECK = Struct("=I")
_HEAD = Struct("=qddI")  # the claim's number, fraction, time, bytes of text
_TEXT = _CHECK.size + _HEAD.size

MOST_TEXT = 192
"""Bytes."""

_TIMES = WORDS * 8 + _TEXT + MOST_TEXT
_FAILURES = _TIMES + RANGES * 8
DIARY_BYTES = 768
MOST_CALLER = 128
"""Bytes."""


class Progress(NamedTuple):
    """What a task has told: the ``fraction`` that is done, a short text that is fit to be shown,
    and when, in monotonic seconds."""

    fraction: float
    text: str
    at: float

    def __str__(self) -> str:
        return f"{self.fraction:.0%}: {self.text}" if self.text else f"{self.fraction:.0%}"


class Failures(NamedTuple):
    """Of a worker's tasks, as in `Tally`; ``last``: the number of the claim that failed last."""

    last: int = 0
    failed: int = 0
    retried: int = 0
    buried: int = 0
    timed_out: int = 0


def fit(text: str, most: int = MOST_TEXT) -> str:
    """The beginning of it, in one line, in what a note has room for."""
    # What is escaped is no shorter than it was.
    return escaped(text[:most]).encode()[:most].decode(errors="ignore")


class Diary:
    """One worker's. It alone writes, in whichever of its threads, until it is dead; then the
    supervisor does. But ``caller`` is the housekeeper's."""

    def __init__(self, memory: memoryview) -> None:
        self._memory = memory
        self._words = memory[: WORDS * 8].cast("q")
        self._note = memory[WORDS * 8 : _TIMES]
        self.times = memory[_TIMES:_FAILURES].cast("q")
        """Of handlers that have ended, by `range_of`: to be counted at every task."""
        self._failures = Account(memory[_FAILURES:][: bytes_for(len(Failures._fields))])
        self._caller = memory[DIARY_BYTES - MOST_CALLER :]

    def clear(self) -> None:
        """For another worker."""
        self._memory[:] = bytes(DIARY_BYTES)

    def spend(self, busy: float, cpu: float) -> None:
        """So many seconds so far, as in `Effort`."""
        self._words[_BUSY], self._words[_CPU] = int(busy * 1e9), int(cpu * 1e9)

    def settle(self, seconds: float, cpu: float) -> None:
        """The worker is no more. It had used so much CPU in all, and was cut off in a task that had
        taken so many seconds; or they are 0."""
        busy, known = self.effort
        self.spend(busy + seconds, max(cpu, known))
        if seconds:
            self.count_time(seconds)

    def count_time(self, seconds: float) -> None:
        self.times[range_of(seconds)] += 1

    @property
    def failures(self) -> Failures:
        return Failures(*self._failures.read())

    @failures.setter
    def failures(self, failures: Failures) -> None:
        self._failures.write(failures)

    @property
    def caller(self) -> str:
        """Who wants the task ended that is to be, see `Cancellation`."""
        return bytes(self._caller).rstrip(b"\0").decode(errors="replace")

    @caller.setter
    def caller(self, who: str) -> None:
        self._caller[:] = fit(who, MOST_CALLER).encode().ljust(MOST_CALLER, b"\0")

    @property
    def effort(self) -> Effort:
        return Effort(self._words[_BUSY] / 1e9, self._words[_CPU] / 1e9)

    def report(self, seq: int, progress: Progress) -> None:
        """Claim number ``seq`` tells this; the text is `fit`. By one store, so that threads' notes
        never mix; who reads meanwhile knows by a checksum what is torn."""
        text = progress.text.encode()
        told = _HEAD.pack(seq, progress.fraction, progress.at, len(text)) + text
        self._note[: _CHECK.size + len(told)] = _CHECK.pack(crc32(told)) + told
        self._words[_TOLD_AT] = int(progress.at * 1e9)

    @property
    def told_at(self) -> float:
        """When any task told something last, in monotonic seconds."""
        return self._words[_TOLD_AT] / 1e9

    def progress(self, seq: int) -> Progress | None:
        """What claim number ``seq`` told, if that was the last to tell anything."""
        for _ in range(ATTEMPTS):
            copy = bytes(self._note)
            number, fraction, at, length = _HEAD.unpack_from(copy, _CHECK.size)
            end = _TEXT + min(length, MOST_TEXT)
            if crc32(copy[_CHECK.size : end]) == _CHECK.unpack_from(copy)[0]:
                return Progress(fraction, copy[_TEXT:end].decode(), at) if number == seq else None
        return None
