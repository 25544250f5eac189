"""What queues have left for one of their hosts to do, for who serves until that is nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from . import scripts
from .calls import read_all
from .keys import Keys
from .link import Link


class Remains(NamedTuple):
    """Of one queue, at one moment: how many entries wait, and how many the host's own workers have
    claimed; whether one is delayed that will be due, and whether the queue is paused."""

    waiting: int
    claimed: int
    is_delayed: bool
    is_paused: bool


def remains_of(link: Link, owners: Mapping[str, Sequence[str]]) -> list[Remains]:
    """Those of the queues of which these are the host's ``owners``, in one round trip. Raises what
    is in `link.ServerTrouble`, also where it is about one queue alone."""
    calls = [(scripts.REMAINS, Keys(q).of_script(""), [*each]) for q, each in owners.items()]
    return [_remains(reply) for reply in read_all(link, calls)]


def _remains(reply: Any) -> Remains:
    if isinstance(reply, Exception):
        raise reply
    waiting, claimed, due, paused = reply
    is_delayed = due is not None and float(due) < math.inf
    return Remains(waiting, claimed, is_delayed, bool(paused))
