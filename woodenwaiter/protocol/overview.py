"""What there is to be seen of queues at a glance: how much they hold, what came and left, how long
what waits has waited."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .beats import accounted, accounting
from .calls import read_all
from .history import Summary, summary
from .link import Link
from .sizes import Sizes, counted, counting


@dataclass(frozen=True)
class Overview:
    """Of one queue, within a moment. ``summary``: None where its history cannot be read."""

    sizes: Sizes
    summary: Summary | None


def overviews(link: Link, queues: Sequence[str]) -> list[Overview | Exception]:
    """Of these queues, in one round trip; what is wrong with one alone is told in its place. Raises
    what is in `link.ServerTrouble`."""
    calls = [*map(counting, queues), *map(accounting, queues)]
    replies = read_all(link, calls)
    sizes, accounts = replies[: len(queues)], replies[len(queues) :]
    return [
        size
        if isinstance(size, Exception)
        else Overview(
            counted(queue, size),
            None if isinstance(account, Exception) else summary(accounted(account)),
        )
        for queue, size, account in zip(queues, sizes, accounts, strict=True)
    ]
