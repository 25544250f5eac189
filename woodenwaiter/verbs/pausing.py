"""Pausing queues, and going on with them."""

from __future__ import annotations

import time
from dataclasses import dataclass

from ..protocol import pausing
from ..protocol.pausing import Pause
from ..text import span
from .audit import audited
from .desk import Desk


@dataclass(frozen=True)
class Change:
    """The pause that was on ``before``, and that which is on ``now``; None: there is none.
    ``trouble``: why it stands in no audit, if it doesn't."""

    before: Pause | None
    now: Pause | None
    trouble: str = ""


def pause(desk: Desk, queue: str, seconds: float | None = None, why: str = "") -> Change:
    """Have nobody claim anything of this queue, for so many seconds or until it is resumed; instead
    of a pause that is on. What runs is finished, and what came to a worker's hands a moment ago,
    within some 0.1 s. Raises what is in `link.ServerTrouble`."""
    new = Pause(seconds, time.time(), desk.name, why)
    lasts = "until resumed" if seconds is None else f"for {span(seconds)}"
    with audited(desk, "pause", queue, ": ".join(filter(None, (lasts, why)))) as doing:
        before = pausing.pause(desk.link, queue, new)
        doing.count = 1
    return Change(before, new, doing.trouble)


def resume(desk: Desk, queue: str) -> Change:
    """End a pause, at once and everywhere. Raises likewise."""
    with audited(desk, "resume", queue) as doing:
        before = pausing.resume(desk.link, queue)
        doing.count = int(before is not None)
    return Change(before, None, doing.trouble)
