"""How long a queue's handlers took, over a day: its hosts add it up now and then, and who looks
reads it.

The day of a queue takes some 20 KiB of the server's memory, 70 at most, and besides a quarter of a
KiB for each supervisor that has added something within the hour.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from .. import pace
from . import scripts
from .calls import Call, answers_to
from .hosts import require_counts
from .keys import Keys
from .link import Link

SLOTS = int(pace.HISTORY_KEPT / pace.TIMES_SLOT)

MOST_RANGES = 64
"""That are read of a slot; no release has so many."""


class Addition(NamedTuple):
    """What a ``host``, by the name of its document, has to add: how many of its handlers took how
    long since it began, by range, as `hosts.Crew.times` has them; and of these ``counts``, those
    that the server is ``known`` to have."""

    host: str
    counts: Sequence[int]
    known: Sequence[int]


def adding(keys: Keys, addition: Addition) -> Call:
    """The call that does, each of them once. What is answered means nothing."""
    host, counts, known = addition
    slot, kept = (int(seconds * 1000) for seconds in (pace.TIMES_SLOT, pace.HISTORY_KEPT))
    remembered = int(pace.TIMES_KNOWN / pace.TIMES_SLOT)
    arguments = [host, _told(counts), _told(known), slot, SLOTS, kept, remembered]
    return scripts.TIMES, [keys.times], arguments


def _told(counts: Iterable[int]) -> str:
    return " ".join(map(str, _stripped(counts)))


def _stripped(counts: Iterable[int]) -> list[int]:
    """Without the ranges at the end that are empty."""
    found = [*counts]
    while found and not found[-1]:
        found.pop()
    return found


class Times(NamedTuple):
    """Of a day: columns of ``step`` seconds each, the first from ``start`` on, in Unix time by the
    server's clock, the present one last. Each has how many handlers took how long, as hosts told
    it within that time, some minutes later at most: the counts of the first ranges, as in
    `hosts.Crew.times`; None where no host told anything."""

    start: int
    step: int
    columns: list[list[int] | None]


def times_of(link: Link, queue: str) -> Times:
    """In two round trips. Raises what is in `link.ServerTrouble`."""
    key, step = Keys(queue).times, int(pace.TIMES_SLOT)
    _, (seconds, _) = answers_to(link, [("HMGET", key, ""), ("TIME",)])
    first = int(seconds) // step - SLOTS + 1
    [found] = answers_to(link, [("HMGET", key, *range(first, first + SLOTS))])
    return Times(first * step, step, [*map(_counts, found)])


def _counts(raw: bytes | None) -> list[int] | None:
    try:
        counts = None if raw is None else [*map(int, raw.split())][:MOST_RANGES]
        require_counts(counts or ())
    except ValueError:  # somebody else has written it
        return None
    return counts
