"""Queues of which nothing is claimed for a while.

The claim's own script sees to it, so it holds for all workers, old claims and new ones, from one
moment to the next. Who is told so waits for the end of the pause, and asks for nothing meanwhile.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Any

from .. import pace
from . import scripts
from .keys import Keys
from .link import Link

RINGS = int(pace.RESUMED * 1000)
"""Milliseconds for which the end of a pause wakes who waits for it."""

FOR_EVER, NONE = -1, -2
"""Milliseconds that are left, as the server tells them: until it is ended; it is over."""


@dataclass(frozen=True)
class Pause:
    """``left``: seconds, None: until somebody ends it; ``since``: Unix time in seconds, as ``who``
    began it had it, 0 for no telling; ``why``: as they said, or nothing."""

    left: float | None
    since: float = 0
    who: str = ""
    why: str = ""


def seconds_left(milliseconds: int) -> float:
    """Infinity for one that somebody has to end; 0 where there is none."""
    return math.inf if milliseconds == FOR_EVER else max(0, milliseconds) / 1000


def number_of(note: bytes) -> str:
    """Of the pause that this was noted of."""
    found = re.match(rb"\d+", note)
    return found[0].decode() if found else ""


def told_by(reply: bytes) -> tuple[int, str]:
    """What a claim is answered: how many milliseconds are left, and the pause's number."""
    _, left, number = reply.decode().split(" ")
    return int(left), number


def pause_in(note: bytes | None, milliseconds: int) -> Pause | None:
    """Which that is, as the server tells it; None: there is none. Anybody may have noted it."""
    if note is None or milliseconds == NONE:
        return None
    left = None if milliseconds == FOR_EVER else seconds_left(milliseconds)
    try:
        found = json.loads(note.partition(b" ")[2])
        return Pause(left, float(found["since"]), str(found["who"]), str(found["why"]))
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return Pause(left)


def pause(link: Link, queue: str, pause: Pause) -> Pause | None:
    """Begin it, or have it in the place of another, which is returned. Raises what is in
    `link.ServerTrouble`."""
    note = json.dumps({"since": pause.since, "who": pause.who, "why": pause.why})
    lasts = 0 if pause.left is None else max(1, round(pause.left * 1000))
    return _changed(link, scripts.PAUSE, queue, [note, lasts, RINGS])


def resume(link: Link, queue: str) -> Pause | None:
    """End it; returns what is ended, None: nothing was to be. Raises likewise."""
    return _changed(link, scripts.RESUME, queue, [RINGS])


def _changed(link: Link, script: scripts.Script, queue: str, arguments: list[Any]) -> Pause | None:
    before, left = link.run(script, Keys(queue).of_pausing(), arguments)
    return pause_in(before, left)
