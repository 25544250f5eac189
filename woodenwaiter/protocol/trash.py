"""What was thrown away, and can be had back for a day.

A trash is what one command threw away of one queue: tasks that waited, tasks that were delayed, or
dead letters. It stands beside the queue, and goes away by itself.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple

from .. import pace
from . import scripts
from .calls import read_all
from .keys import Keys, text_of_name
from .link import Link

KEPT = int(pace.TRASH_KEPT * 1000)
"""Milliseconds."""

AT_ONCE = 200
"""Entries that are put back in one request, at most."""

ENOUGH_BYTES = 1 << 20
"""After which a request puts no more back: the server does nothing else meanwhile."""

LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"
"""That nobody takes for others."""

LENGTH = 5


class Kind(str, Enum):
    """What a trash has."""

    TASKS = "tasks"
    DELAYED = "delayed"
    LETTERS = "letters"


@dataclass(frozen=True)
class Trash:
    """``number``: of entries; ``since``: when the first was thrown away, Unix time in seconds by
    the server's clock; ``who`` did it; ``left``: seconds until it is gone for good, None: that it
    stays."""

    queue: str
    name: str
    kind: Kind
    number: int
    since: float
    who: str
    left: float | None


class Restored(NamedTuple):
    """How many entries were put back, and how many are left."""

    number: int
    left: int
    kind: Kind


def new_name() -> str:
    """Of a trash: short enough to be typed, and not that of another, but for a great chance."""
    return "".join(secrets.choice(LETTERS) for _ in range(LENGTH))


def discard(link: Link, queue: str, trash: str, letters: Sequence[str], who: str = "") -> int:
    """Move the dead letters of these names to a trash of the queue, which may have others already;
    returns how many were there. Of 200 at most, as the server does nothing else meanwhile. Raises
    what is in `link.ServerTrouble`."""
    moved: int = _run(link, scripts.DISCARD, queue, trash, who, *letters)
    return moved


def purge(link: Link, queue: str, trash: str, kind: Kind, who: str) -> int | None:
    """Move all tasks that wait, or are delayed, to this trash; returns how many they were, None:
    there is a trash of that name. Raises likewise."""
    moved: int | None = _run(link, scripts.PURGE, queue, trash, kind.value, who)
    return moved


def restore(link: Link, queue: str, trash: str) -> Restored | None:
    """Put a portion of it back; None: there is no such trash. Raises likewise."""
    reply = _run(link, scripts.RESTORE, queue, trash, AT_ONCE, ENOUGH_BYTES)
    if reply is None:
        return None
    number, left, kind = reply
    return Restored(number, left, Kind(kind.decode()))


def empty(link: Link, queue: str, trash: str) -> bool:
    """Have it gone for good; returns whether it was there. Raises likewise."""
    return bool(_run(link, scripts.EMPTY, queue, trash))


def _run(link: Link, script: scripts.Script, queue: str, trash: str, *arguments: Any) -> Any:
    return link.run(script, Keys(queue).of_trash(), [trash, KEPT, *arguments])


def trashes_of(link: Link, queues: Sequence[str]) -> list[list[Trash] | Exception]:
    """The trashes of each of these queues, the first one first, in one round trip; what is wrong
    with one queue alone is told in its place. Raises likewise."""
    replies = read_all(link, [(scripts.TRASHES, [Keys(queue).trash], []) for queue in queues])
    return [
        reply if isinstance(reply, Exception) else _trashes(queue, reply)
        for queue, reply in zip(queues, replies, strict=True)
    ]


def _trashes(queue: str, reply: list[Any]) -> list[Trash]:
    found = (_trash(queue, *each) for each in reply)
    return sorted(found, key=lambda trash: (trash.since, trash.name))


def _trash(queue: str, name: bytes, note: bytes, number: int, left: int) -> Trash:
    since, kind, who = re.split(" ", text_of_name(note), maxsplit=2)
    seconds = None if left < 0 else left / 1000
    return Trash(queue, text_of_name(name), Kind(kind), number, int(since) / 1000, who, seconds)
