"""What is left to do of queues, for a host that leaves when nothing is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from . import scripts
from .calls import read_all
from .keys import Keys
from .link import Link
from .pausing import NONE
from .sizes import seconds_until


class Remains(NamedTuple):
    """Of one queue, at one moment: how many entries wait, and how many this host's workers have
    claimed; seconds until the next retry, 0 where one is due, None where none ever will be; whether
    it is paused."""

    waiting: int = 0
    claimed: int = 0
    next_due: float | None = None
    is_paused: bool = False


def remains_of(link: Link, owners: Mapping[str, Sequence[str]]) -> list[Remains | Exception]:
    """Of these queues, whose ``owners`` on this host are given, in one round trip; what is wrong
    with one alone is told in its place. Raises what is in `link.ServerTrouble`."""
    calls = [(scripts.REMAINS, Keys(queue).of_script(""), [*own]) for queue, own in owners.items()]
    replies = read_all(link, calls)
    return [reply if isinstance(reply, Exception) else _remains(*reply) for reply in replies]


def _remains(waiting: int, claimed: int, due: bytes | None, now: int, paused: Any) -> Remains:
    return Remains(waiting, claimed, seconds_until(due, now), paused != NONE)
