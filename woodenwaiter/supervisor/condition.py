"""How a supervisor fares, in a few words: for systemd, and for who asks after its health."""

from __future__ import annotations

from .. import pace
from ..processes.row import SETTING_UP
from ..processes.scoreboard import Scoreboard
from ..text import escaped, listed
from .slots import Slot, Slots


def answer_of(slots: Slots, scoreboard: Scoreboard, lease: float, now: float) -> str:
    """Whether it is ready, and why, or what it has done. ``lease`` in seconds, ``now`` in
    monotonic ones."""
    why_not = _why_not_ready(slots, scoreboard, lease, now)
    return f"not ready: {why_not}" if why_not else f"ready: {summary(slots, scoreboard)}"


def _why_not_ready(slots: Slots, scoreboard: Scoreboard, lease: float, now: float) -> str:
    if slots.is_draining:
        return "draining"
    if not scoreboard.answered_at:
        return "Redis has not answered yet"
    if (silence := now - scoreboard.answered_at) > pace.answered_lately(lease):
        return f"Redis has not answered for {silence:.0f} s"
    if unserved := unserved_queues(slots):
        return f"no worker of {listed(unserved)} is up"
    return ""


def unserved_queues(slots: Slots) -> set[str]:
    """Those of whose workers none is through its setup, as they are shown."""
    workers = slots.workers()
    unserved = {slot.queue for slot in workers} - {slot.queue for slot in workers if _is_up(slot)}
    return {f"{escaped(slots.place(queue).queue):.80}" for queue in unserved}


def _is_up(slot: Slot) -> bool:
    """Whether its worker is through its setup."""
    return bool(slot.child and slot.child.row and slot.child.row.state not in SETTING_UP)


def summary(slots: Slots, scoreboard: Scoreboard) -> str:
    """How many workers it has, and what became of tasks."""
    workers = slots.workers() if slots.is_draining else slots.active_workers()
    quiet = "quiet; " if slots.is_quiet else ""
    ready = f"{sum(map(_is_up, workers))} of {len(workers)}"
    return f"{quiet}workers up: {ready}; {scoreboard.sum().tally}"
