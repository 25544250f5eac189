"""A queue's day, to be plotted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...protocol.history import Step
from ...protocol.times import Times

SUMS = ("came", "done", "failed", "buried")


def plot(steps: Sequence[Step], seconds: int) -> dict[str, Any]:
    """Sums in each step of so many seconds, and what waited at its end."""
    sums = {
        name: [None if step.sums is None else step.sums[place] for step in steps]
        for place, name in enumerate(SUMS)
    }
    waiting = [step.waiting for step in steps]
    return {"start": steps[0].start, "step": seconds, **sums, "waiting": waiting}


def heat(times: Times | None) -> dict[str, Any] | None:
    """How many handlers took how long, by columns; None where nothing was told all day."""
    if times is None or not any(times.columns):
        return None
    return times._asdict()
