"""How much queues hold."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from . import scripts
from .calls import read_all
from .keys import Keys
from .link import Link
from .pausing import Pause, pause_in


@dataclass(frozen=True)
class Sizes:
    """Of one queue, at one moment: how many entries wait, are claimed, wait for a retry, and are
    dead letters; ``next_due``: seconds until the next retry, 0 where one is due, None where there
    is none; ``workers``: who may claim; ``paused``: None where it is not."""

    queue: str
    waiting: int
    claimed: int
    delayed: int
    next_due: float | None
    dead: int
    workers: int
    paused: Pause | None = None

    def by_state(self) -> dict[str, int]:
        states = ("waiting", "claimed", "delayed", "dead", "workers")
        return {state: getattr(self, state) for state in states}


def sizes_of(link: Link, queues: Sequence[str]) -> list[Sizes | Exception]:
    """The sizes of these queues, in one round trip; what is wrong with one alone is told in its
    place. Raises what is in `link.ServerTrouble`."""
    replies = read_all(link, [(scripts.SIZES, Keys(q).of_script(""), []) for q in queues])
    return [
        reply if isinstance(reply, Exception) else _sizes(queue, reply)
        for queue, reply in zip(queues, replies, strict=True)
    ]


def _sizes(queue: str, reply: list[Any]) -> Sizes:
    waiting, claimed, delayed, dead, workers, due, now, *pause = reply
    left = seconds_until(due, now)
    return Sizes(queue, waiting, claimed, delayed, left, dead, workers, pause_in(*pause))


def seconds_until(due: bytes | None, now: int) -> float | None:
    """From the server's time to that of a retry, both in milliseconds; None where that never
    comes."""
    left = math.inf if due is None else (float(due) - now) / 1000
    return max(0.0, left) if left < math.inf else None
