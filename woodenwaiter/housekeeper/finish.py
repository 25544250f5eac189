"""When a supervisor that serves its queues once has done that: no socket, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..processes.row import SETTING_UP, Row, State
from ..protocol.remains import Remains


class Doings(NamedTuple):
    """What the workers do at a moment: whether those are through their setup that there are to be,
    whether one runs a task, and what they have begun and ended so far."""

    are_up: bool
    are_busy: bool
    so_far: tuple[tuple[int, int, int], ...]


def doings_of(rows: Iterable[Row], least: Sequence[int]) -> Doings:
    """``least``: of each place, how many workers it always has. One that died is busy with its task
    until that is recovered."""
    here = [row for row in rows if row.state != State.FREE]
    alive = [row for row in here if row.alive]
    up = {row.queue for row in alive if row.state not in SETTING_UP}
    is_served = all(place in up for place, number in enumerate(least) if number)
    are_up = is_served and all(row.state not in SETTING_UP for row in alive)
    so_far = tuple((row.incarnation, row.started, row.completed) for row in here)
    return Doings(are_up, any(started > done for _, started, done in so_far), so_far)


def is_over(before: Doings, remains: Iterable[Remains | None], after: Doings) -> bool:
    """Whether nothing is left to do, of any queue. They told one after the other, ``before`` and
    ``after`` which the workers did this: had one done anything meanwhile, it might have put
    something where nothing was any more. None: a queue could not tell."""
    are_idle = before.are_up and not before.are_busy and before == after
    return are_idle and all(each is not None and is_done_with(each) for each in remains)


def is_done_with(remains: Remains) -> bool:
    """Of a paused queue only what runs here is waited for."""
    is_work_left = remains.waiting > 0 or remains.next_due is not None
    return not (remains.claimed or (is_work_left and not remains.is_paused))
