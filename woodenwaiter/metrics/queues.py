"""What there is to be told of queues, as a scoreboard has it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..processes.ends import End
from ..processes.row import doing_of
from ..processes.scoreboard import Scoreboard
from ..processes.totals import Totals


@dataclass
class Served:
    """Of one queue: what its workers did, by `row.DOINGS` what those do that live, and why others
    ended."""

    totals: Totals = field(default_factory=Totals)
    doing: Counter[str] = field(default_factory=Counter)
    ends: Counter[End] = field(default_factory=Counter)


def served(scoreboard: Scoreboard, queues: Sequence[str]) -> dict[str, Served]:
    """``queues``: the name of each place's, of which several may be the same."""
    found = {queue: Served() for queue in queues}
    for number, totals in enumerate(scoreboard.totals()):
        queue = found[queues[number]]
        queue.totals = queue.totals.plus(totals)
        queue.ends.update(scoreboard.ends[number])
    for row in scoreboard:
        if row.alive:
            found[queues[row.queue]].doing[doing_of(row)] += 1
    return found
