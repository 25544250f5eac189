"""Visits to queues, for their upkeep: what each is to do, and what it tells.

Most find nothing to do but to renew leases. So a visit glances first: plain commands, which all
together cost the server less than half of the script that does what there is to do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from redis.exceptions import ResponseError

from .. import pace
from . import scripts
from .beats import Noted, Seen, noted, noting
from .calls import Call, run_all
from .keys import Keys, text_of_name
from .link import Command, Link
from .replies import Meaning, meaning_of
from .times import Addition, adding
from .trimming import trimming

COMMANDS = 4
"""Of a glance at one queue."""

MOST_EXPIRED = 100
"""Owners whose leases ran out, that are told of at once: each is seen to by requests of its own."""


class Tended(NamedTuple):
    """What is to be told of a queue that was tended.

    ``promoted``: how many retries came; ``following``: seconds until the next is due, 0 where some
    are that did not come, None if none waits; ``time``: the server's, in seconds; ``owners``: how
    many there are, None where a glance did; ``expired``: the owners whose leases ran out, and when
    each did; ``lapse``: seconds until the next one does, None where some have, or none will;
    ``waiting``: how many entries wait; ``beat``: what came of it where one was to be noted;
    ``trimmed``: how many dead letters were thrown away, likewise where some were to be; ``untold``:
    why times could not be added.
    """

    promoted: int
    following: float | None
    time: float
    owners: int | None
    expired: dict[str, float]
    lapse: float | None
    waiting: int
    beat: Noted | Exception | None = None
    trimmed: int | Exception = 0
    untold: Exception | None = None


class Visit(NamedTuple):
    """To a queue with these keys, in the name of these owners: extend their leases, if they still
    have one; put due retries and stranded arrivals in front of the queue, of the retries ``most``,
    each behind one that waits, and none while earlier ones are in front; put times right where the
    server's clock went back.

    ``lease``: seconds; ``time``: the server's, in seconds, as far as it is known: then a glance may
    do; ``seen``: where a beat is to be noted, and of dead letters the oldest to be thrown away, as
    far as there are more than ``max_dead``; 0: none; ``times``: how long handlers took, where that
    is to be added.
    """

    keys: Keys
    lease: float
    owners: Sequence[str]
    most: int
    time: float | None = None
    seen: Seen | None = None
    max_dead: int = 0
    times: Addition | None = None


def tend_together(link: Link, visits: Sequence[Visit], along: Sequence[Command] = ()) -> list[Any]:
    """Tend these queues in one round trip, or in two where there is something to do; returns
    `Tended` of each, and what went wrong with one alone in its place. What the commands are
    answered that go ``along`` comes last; None: nobody knows. Raises what is in
    `link.ServerTrouble`."""
    outcomes, answers = _glance(link, visits, along)
    rest = [i for i, outcome in enumerate(outcomes) if outcome is None]
    extras = [(i, extra) for i, visit in enumerate(visits) for extra in _extras(visit)]
    calls = [*(_tending(visits[i]) for i in rest), *(extra.call for _, extra in extras)]
    replies = iter(run_all(link, calls))
    for i in rest:
        reply = next(replies)
        outcomes[i] = reply if isinstance(reply, Exception) else _tended(reply)
    for i, extra in extras:
        reply = next(replies)
        if isinstance(tended := outcomes[i], Tended):
            outcomes[i] = tended._replace(**{extra.name: extra.meaning(reply)})
    return [*outcomes, *answers]


class _Extra(NamedTuple):
    """What is asked for besides, and under which name of `Tended` what its reply means is told."""

    name: str
    call: Call
    meaning: Callable[[Any], Any]


def _extras(visit: Visit) -> Iterator[_Extra]:
    if visit.seen:
        yield _Extra("beat", noting(visit.keys, visit.seen), noted)
    if visit.seen and visit.max_dead:
        yield _Extra("trimmed", trimming(visit.keys, visit.max_dead), lambda reply: reply)
    if visit.times:
        yield _Extra("untold", adding(visit.keys, visit.times), lambda reply: reply)


def _tending(visit: Visit) -> Call:
    arguments = [visit.most, int(visit.lease * 1000), MOST_EXPIRED, *visit.owners]
    return scripts.TEND, visit.keys.of_tending(), arguments


def _tended(reply: list[Any]) -> Tended:
    promoted, following, time, owners, flat, lapse, waiting = reply
    ends = zip(flat[::2], flat[1::2], strict=True)
    expired = {text_of_name(owner): float(end) / 1000 for owner, end in ends}
    return Tended(promoted, _left(following), time / 1000, owners, expired, _left(lapse), waiting)


def _left(milliseconds: int) -> float | None:
    return None if milliseconds < 0 else milliseconds / 1000


# A glance.


def _glance(
    link: Link, visits: Sequence[Visit], along: Sequence[Command]
) -> tuple[list[Tended | Exception | None], list[Any]]:
    """What the visits tell for which that does, and what goes along is answered."""
    outcomes: list[Tended | Exception | None] = [None] * len(visits)
    nodes: dict[str, list[int]] = {}
    for i, visit in enumerate(visits):
        if visit.time is not None:
            nodes.setdefault(link.address_for(visit.keys.queue), []).append(i)
    commands = [c for there in nodes.values() for c in _commands([visits[i] for i in there])]
    try:
        replies = iter(link.exchange(commands, along))
    except ResponseError as error:
        if not _may_run_scripts(error):
            raise
        return outcomes, [None for _ in along]
    for there in nodes.values():
        found = [[next(replies) for _ in range(COMMANDS)] for _ in there]
        time = next(replies)
        for i, each in zip(there, found, strict=True):
            outcomes[i] = seen(visits[i], [*each, time])
    return outcomes, list(replies)


def _commands(visits: Sequence[Visit]) -> list[Command]:
    """Of visits to one server: some each, and one for its time, which follows them there in a
    cluster. The leases are only ever extended, as the time may be wrong."""
    commands: list[Command] = []
    for visit in visits:
        keys, end = visit.keys, int(((visit.time or 0) + visit.lease) * 1000)
        renewed = [part for owner in visit.owners for part in (end, owner)]
        commands.append(("ZADD", keys.leases, "XX", "GT", *renewed))
        commands.append(("ZRANGE", keys.leases, 0, 0, "WITHSCORES"))
        commands.append(("EXISTS", keys.arrivals, keys.delayed))
        commands.append(("LLEN", keys.queue))
    return [*commands, ("TIME",)]


def seen(visit: Visit, replies: Sequence[Any]) -> Tended | Exception | None:
    """What a glance tells; None: that there is more to do."""
    for reply in replies:
        if isinstance(reply, Exception):
            return None if _may_run_scripts(reply) else reply
    _, soonest, others, waiting, (seconds, microseconds) = replies
    time = int(seconds) + int(microseconds) / 1e6
    lapse = float(soonest[1]) / 1000 - time if soonest else -1
    if others or lapse <= 0 or _is_odd(visit, time):
        return None
    return Tended(0, None, time, None, {}, lapse, waiting)


def _may_run_scripts(error: Exception) -> bool:
    """Whether a server that refuses a command so may let the script through, as a full one does."""
    return isinstance(error, ResponseError) and meaning_of(error) is not Meaning.AWAY


def _is_odd(visit: Visit, time: float) -> bool:
    """Whether the leases that were just given would end at the wrong time."""
    return abs(time - (visit.time or 0)) > pace.unnoticed_step(visit.lease)
