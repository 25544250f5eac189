"""What there is to be seen of queues at a glance: how much they hold, what came and left, how long
what waits has waited; and what their hosts tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from redis.exceptions import ResponseError

from ..errors import RedisUnusable
from .beats import accounted, accounting, sizes_in
from .calls import read_all
from .handlers import Handlers, handlers_of
from .history import Beat, Summary, summary
from .keys import REGISTRY, text_of_name
from .link import Link
from .published import INDEX, Index
from .replies import is_outage
from .sizes import Sizes, sizes_of


@dataclass(frozen=True)
class Overview:
    """Of one queue, within a moment. ``summary``, and ``now``, its sums at that time: None where
    its history cannot be read."""

    sizes: Sizes
    summary: Summary | None
    now: Beat | None = None


class Survey(NamedTuple):
    """Of queues, by name; what is wrong with one alone is told in its place. ``handlers``: None
    where hosts cannot be seen."""

    queues: Mapping[str, Overview | Exception]
    handlers: Mapping[str, Handlers] | None


def overviews(link: Link, queues: Sequence[str]) -> list[Overview | Exception]:
    """Of these queues, in one round trip; what is wrong with one alone is told in its place. Raises
    what is in `link.ServerTrouble`."""
    return _overviews(link, queues, read_all(link, [*map(accounting, queues)]))


def survey(link: Link, names: Sequence[str] = ()) -> Survey:
    """Of these queues, or of all that were ever served, and of all hosts, in two round trips.
    Raises what is in `link.ServerTrouble`, and RedisUnusable."""
    registry = [] if names else [("SMEMBERS", REGISTRY)]
    replies = link.exchange(registry, INDEX)
    queues = [*dict.fromkeys(names)] or _registered(replies[0])
    index = Index.of(told) if (told := _all_told(replies[len(registry) :])) else None
    replies = read_all(link, [*map(accounting, queues)], index.questions if index else ())
    told = _all_told(replies[len(queues) :])
    return Survey(
        dict(zip(queues, _overviews(link, queues, replies[: len(queues)]), strict=True)),
        handlers_of(queues, index.documents(told).values()) if index and told is not None else None,
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


def _overviews(
    link: Link, queues: Sequence[str], replies: Sequence[Any]
) -> list[Overview | Exception]:
    """It may be its history alone that a queue cannot tell: then it is asked for its sizes."""
    told = zip(queues, replies, strict=True)
    alone = [queue for queue, reply in told if isinstance(reply, ResponseError)]
    sizes = dict(zip(alone, sizes_of(link, alone), strict=True))
    return [
        _without_history(sizes.get(queue, reply))
        if isinstance(reply, Exception)
        else _overview(sizes_in(queue, reply), reply)
        for queue, reply in zip(queues, replies, strict=True)
    ]


def _without_history(found: Sizes | Exception) -> Overview | Exception:
    return found if isinstance(found, Exception) else Overview(found, None)


def _overview(sizes: Sizes, reply: list[Any]) -> Overview:
    try:
        account = accounted(reply)
        return Overview(sizes, summary(account), account.now)
    except (ValueError, OverflowError):  # somebody else has noted something there
        return Overview(sizes, None)
