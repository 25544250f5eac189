"""What there is to be seen of queues at a glance: how much they hold, what came and left, how long
what waits has waited."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .beats import accounted, accounting
from .calls import read_all
from .history import Beat, Summary, summary
from .link import Link
from .sizes import Sizes, counted, counting


@dataclass(frozen=True)
class Overview:
    """Of one queue, within a moment. ``summary``, and ``now``, its sums at that time: None where
    its history cannot be read."""

    sizes: Sizes
    summary: Summary | None
    now: Beat | None = None


def overviews(link: Link, queues: Sequence[str]) -> list[Overview | Exception]:
    """Of these queues, in one round trip; what is wrong with one alone is told in its place. Raises
    what is in `link.ServerTrouble`."""
    calls = [*map(counting, queues), *map(accounting, queues)]
    replies = read_all(link, calls)
    sizes, accounts = replies[: len(queues)], replies[len(queues) :]
    return [
        size if isinstance(size, Exception) else _overview(counted(queue, size), account)
        for queue, size, account in zip(queues, sizes, accounts, strict=True)
    ]


def _overview(sizes: Sizes, reply: Any) -> Overview:
    if isinstance(reply, Exception):
        return Overview(sizes, None)
    try:
        account = accounted(reply)
    except ValueError:  # somebody else wrote something there
        return Overview(sizes, None)
    return Overview(sizes, summary(account), account.now)
