"""What there is to be seen of queues at a glance: how much they hold, what came and left, how long
what waits has waited; and what their hosts tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..errors import RedisUnusable
from .beats import accounted, accounting
from .calls import Call, read_all
from .history import Beat, Summary, summary
from .keys import REGISTRY, text_of_name
from .link import Link
from .published import INDEX, Index, Sighting
from .replies import is_outage
from .sizes import Sizes, counted, counting


@dataclass(frozen=True)
class Overview:
    """Of one queue, within a moment. ``summary``, and ``now``, its sums at that time: None where
    its history cannot be read."""

    sizes: Sizes
    summary: Summary | None
    now: Beat | None = None


class Survey(NamedTuple):
    """``queues``: by name; what is wrong with one alone is told in its place. ``sightings``: of
    hosts; None where they cannot be seen."""

    queues: Mapping[str, Overview | Exception]
    sightings: Sequence[Sighting] | None


def overviews(link: Link, queues: Sequence[str]) -> list[Overview | Exception]:
    """Of these queues, in one round trip; what is wrong with one alone is told in its place. Raises
    what is in `link.ServerTrouble`."""
    return _overviews(queues, read_all(link, _looking(queues)))


def survey(link: Link, names: Sequence[str] = ()) -> Survey:
    """Of these queues, or of all that were ever served, and of all hosts, in two round trips.
    Raises what is in `link.ServerTrouble`, and RedisUnusable."""
    registry = [] if names else [("SMEMBERS", REGISTRY)]
    replies = link.exchange(registry, INDEX)
    queues = [*dict.fromkeys(names)] or _registered(replies[0])
    index = Index.of(told) if (told := _all_told(replies[len(registry) :])) else None
    calls = _looking(queues)
    replies = read_all(link, calls, index.questions if index else ())
    documents = _all_told(replies[len(calls) :])
    return Survey(
        dict(zip(queues, _overviews(queues, replies), strict=True)),
        None if index is None or documents is None else index.sightings(documents),
    )


def _registered(reply: Any) -> list[str]:
    if isinstance(reply, Exception):
        if is_outage(reply):
            raise reply
        raise RedisUnusable(f"{REGISTRY}: {reply}") from None
    return sorted(map(text_of_name, reply))


def _all_told(replies: list[Any]) -> list[Any] | None:
    """None where one of them was refused, or lost: nothing depends on them."""
    return None if any(isinstance(reply, Exception) for reply in replies) else replies


def _looking(queues: Sequence[str]) -> list[Call]:
    return [*map(counting, queues), *map(accounting, queues)]


def _overviews(queues: Sequence[str], replies: Sequence[Any]) -> list[Overview | Exception]:
    sizes, accounts = replies[: len(queues)], replies[len(queues) : 2 * len(queues)]
    return [
        size if isinstance(size, Exception) else _overview(counted(queue, size), account)
        for queue, size, account in zip(queues, sizes, accounts, strict=True)
    ]


def _overview(sizes: Sizes, reply: Any) -> Overview:
    if isinstance(reply, Exception):
        return Overview(sizes, None)
    try:
        account = accounted(reply)
        return Overview(sizes, summary(account), account.now)
    except (ValueError, OverflowError):  # somebody else has noted something there
        return Overview(sizes, None)
