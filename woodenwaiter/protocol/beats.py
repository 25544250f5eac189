"""What has come to a queue and left it: noted by its hosts now and then, and read again.

A plain list does not tell when its entries came. But what came is there, or has left, hence can be
counted; and sums that were noted, with the time, tell later between which two notes an entry came.
`history` draws the conclusions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from .. import pace
from . import scripts
from .calls import Call
from .history import Account, Beat
from .keys import Keys
from .link import Link
from .pausing import pause_in
from .sizes import Sizes, seconds_until

MOST_BEATS = int(pace.BEATS_KEPT / pace.BEAT)
MOST_MINUTES = int(pace.HISTORY_KEPT / 60)


class Seen(NamedTuple):
    """What a host has seen itself: when a queue had nothing waiting, and when all was as in the
    last beat, by the server's clock, in seconds; 0: never."""

    empty_at: float = 0
    same_at: float = 0


class Noted(NamedTuple):
    """``left``: seconds until another beat may be noted; ``time``: the server's, in seconds;
    ``is_same``: all is as in the beat before, and no other was noted."""

    left: float
    time: float
    is_same: bool


def noting(keys: Keys, seen: Seen) -> Call:
    """The call that notes a beat, unless there was one just now."""
    times = (pace.BEAT, *seen, pace.HISTORY_KEPT)
    every, empty_at, same_at, kept = (int(seconds * 1000) for seconds in times)
    arguments = [keys.any_claims, every, empty_at, same_at, MOST_BEATS, MOST_MINUTES, kept]
    return scripts.BEAT, keys.of_history(), arguments


def noted(reply: Any) -> Noted | Exception:
    """What that is answered."""
    if isinstance(reply, Exception):
        return reply
    left, time, is_same = reply
    return Noted(left / 1000, time / 1000, bool(is_same))


def accounting(queue: str) -> Call:
    """The call that reads the queue's account."""
    keys = Keys(queue)
    return scripts.HISTORY, keys.of_history(), [keys.any_claims, int(pace.RATE * 1000)]


def accounted(reply: list[Any]) -> Account:
    """What that is answered."""
    (seconds, microseconds), held, _, counted, notes, _ = reply
    time = int(seconds) + int(microseconds) / 1e6
    waiting, claimed, delayed = held
    done, failed, buried, requeued, purged = counted
    came = sum(held) + done + buried + purged
    now = Beat(time, came, done, failed, buried, 0 if waiting else time, waiting)
    beats = (None if note is None else beat_of(note) for note in notes)
    return Account(now, waiting, claimed, delayed, requeued, purged, *beats)


def sizes_in(queue: str, reply: list[Any]) -> Sizes:
    """What that tells as well: how much the queue holds."""
    (seconds, microseconds), (waiting, claimed, delayed), (dead, owners, due), *_, pause = reply
    now = int(seconds) * 1000 + int(microseconds) // 1000
    left = seconds_until(due, now)
    return Sizes(queue, waiting, claimed, delayed, left, dead, owners, pause_in(*pause))


def minutes_of(
    link: Link, queues: Sequence[str], most: int = MOST_MINUTES
) -> list[list[Beat] | Exception]:
    """Of each of these queues the last beat of each of the last minutes in which something changed,
    the newest first, in one round trip; what is wrong with one alone is told in its place."""
    commands = [("LRANGE", Keys(queue).minutes, 0, most - 1) for queue in queues]
    return [*map(_beats, link.exchange(commands))]


def _beats(reply: Any) -> list[Beat] | Exception:
    try:
        return reply if isinstance(reply, Exception) else [*map(beat_of, reply)]
    except (ValueError, OverflowError) as error:  # of what somebody else wrote there
        return error


def beat_of(note: bytes) -> Beat:
    """As it was noted. Of a minute, and by this release, with what waited."""
    time, came, done, failed, buried, empty_at, *others = map(int, note.split())
    if len(others) > 1:
        raise ValueError("this is no note")
    return Beat(time / 1000, came, done, failed, buried, empty_at / 1000, *others)
