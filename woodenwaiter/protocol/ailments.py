"""Queues that nobody sees to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from redis.exceptions import ResponseError

from .. import pace
from ..findings import Finding, ok, trouble, warning
from ..text import listed, span
from . import scripts
from .calls import Call, read_all
from .keys import Keys
from .link import Link, ServerTrouble
from .queue import registered
from .replies import is_outage, reply_of
from .rights import RightsMissing, require_rights
from .sizes import Sizes, sizes_of

MOST_TRIED = 20
"""Queues whose rights are tried out, each by a request of its own."""


@dataclass(frozen=True)
class Ailment:
    """Of one queue: how many owners' leases ran out long ago; how many owners have none;
    ``oldest``: seconds since the oldest dead letter, None where that is not long ago."""

    queue: str
    lapsed: int
    without_lease: int
    oldest: float | None


class Lack(str, Enum):
    """What a queue is in want of."""

    WORKERS = "workers"
    RECOVERY = "recovery"
    LEASES = "leases"
    LEAVE = "leave"
    """To go on: it is paused."""
    CARE = "care"
    """For its dead letters."""


class Neglect(NamedTuple):
    """``what`` is said before the names of the ``queues``; ``remedy``: what to do."""

    lack: Lack
    what: str
    remedy: str
    queues: Sequence[str]


def ailments_of(link: Link, queues: Sequence[str]) -> list[Ailment | Exception]:
    """In one round trip; what is wrong with one queue alone is told in its place. Raises what is in
    `link.ServerTrouble`."""
    limits = [int(pace.LAPSED * 1000), int(pace.OLD_LETTER * 1000)]
    calls: list[Call] = [(scripts.AILING, Keys(q).of_script(None), limits) for q in queues]
    return [
        reply
        if isinstance(reply, Exception)
        else Ailment(queue, reply[0], reply[1], reply[2] / 1000 if reply[2] >= 0 else None)
        for queue, reply in zip(queues, read_all(link, calls), strict=True)
    ]


def queue_findings(link: Link, served: Sequence[str]) -> Iterator[Finding]:
    """Of all queues that were ever served, and those that are to be. Raises what is in
    `link.ServerTrouble`."""
    try:
        known = registered(link)
    except ResponseError as error:
        if is_outage(error):
            raise
        yield _unseen(error)
        known = []
    queues = [*dict.fromkeys((*served, *known))]
    yield from _rights(link, (served or known)[:MOST_TRIED])
    sizes, ailments = sizes_of(link, queues), ailments_of(link, queues)
    yield from _refused(queues, sizes, ailments)
    yield from _neglected(
        [each for each in sizes if isinstance(each, Sizes)],
        [each for each in ailments if isinstance(each, Ailment)],
    )


def _unseen(error: Exception) -> Finding:
    told = f"not looked at: {reply_of(error).whole}"
    return warning("queues", told, "Look as a user who may: README.rst has one, the viewer")


def _rights(link: Link, queues: Sequence[str]) -> Iterator[Finding]:
    if not queues:
        return
    try:
        require_rights(link, queues)
    except RightsMissing as error:
        refused, _, remedy = str(error).partition(", whom this allows it: ")
        yield trouble("rights", f"serving {refused}", remedy)
    else:
        yield ok("rights", f"this user may serve {listed(queues)}")


def _refused(queues: Sequence[str], *outcomes: Sequence[object]) -> Iterator[Finding]:
    wrong: dict[str, set[str]] = {}
    for of_kind in outcomes:
        for queue, outcome in zip(queues, of_kind, strict=True):
            if isinstance(outcome, ServerTrouble):
                wrong.setdefault(reply_of(outcome).whole, set()).add(queue)
    for what, there in wrong.items():
        remedy = "If it is a right that is missing, grant it; else the key is somebody else's"
        yield warning("queues", f"{listed(there)}: {what}", remedy)


def _neglected(sizes: Sequence[Sizes], ailments: Sequence[Ailment]) -> Iterator[Finding]:
    neglected = neglects(sizes, ailments)
    for each in neglected:
        yield warning("queues", f"{each.what} {listed(each.queues)}", each.remedy)
    if not neglected:
        yield ok("queues", f"{len(sizes):,} are known, and somebody sees to each")


def neglects(sizes: Sequence[Sizes], ailments: Sequence[Ailment]) -> list[Neglect]:
    """What nobody sees to, the worst first."""
    old = {a.queue: a.oldest for a in ailments if a.oldest is not None}
    found = (
        Neglect(
            Lack.WORKERS,
            "nobody takes tasks of",
            "Start a supervisor for it",
            [s.queue for s in sizes if not s.workers and s.waiting + s.claimed + s.delayed],
        ),
        Neglect(
            Lack.RECOVERY,
            "hosts are gone, and nobody gives their tasks to others, of",
            "Start a supervisor for it",
            [a.queue for a in ailments if a.lapsed],
        ),
        Neglect(
            Lack.LEASES,
            "workers have no lease, in",
            "Start a supervisor for it, which gives them one",
            [a.queue for a in ailments if a.without_lease],
        ),
        Neglect(
            Lack.LEAVE,
            "somebody has paused, though tasks wait,",
            "woodenwaiter status says who, and why",
            [s.queue for s in sizes if s.paused and s.waiting],
        ),
        Neglect(
            Lack.CARE,
            f"dead letters, up to {span(max(old.values(), default=0))} old, are in",
            "See to them: woodenwaiter dead, show, requeue, drop",
            [*old],
        ),
    )
    return [each for each in found if each.queues]
