"""Single tasks, by the names that people give them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from . import scripts
from .calls import read_all
from .keys import Keys
from .link import Link
from .looks import AT_ONCE, ENOUGH_BYTES, Place
from .queue import Queue

LETTER = re.compile(r"\d{1,20}-\d{1,20}", re.ASCII)
"""The name of a dead letter."""


@dataclass(frozen=True)
class Found:
    """A task that nobody has claimed, as it was when it was found: its whole entry, or the payload
    of a dead letter, None: that has none. ``id``: of the task, or what it is called."""

    place: Place
    name: str
    raw: bytes | None
    id: str


def find_task(link: Link, queue: str, name: str) -> Found | None:
    """The task that has this name: a dead letter's; or, of what waits or is delayed, an id, or the
    first digits of the SHA-1 of a payload behind a #. None: there is none, or somebody has just
    claimed it. It looks at all that there is, in portions. Raises what is in `link.ServerTrouble`.
    """
    if LETTER.fullmatch(name):
        return _letter(link, queue, name)
    keys = Keys(queue)
    for place, key, kind in (
        (Place.WAITING, queue, "list"),
        (Place.WAITING, keys.arrivals, "list"),  # into which what waits may move meanwhile
        (Place.DELAYED, keys.delayed, "zset"),
    ):
        if raw := _sought(link, key, kind, name):
            return Found(place, name, raw, name)
    return None


def _letter(link: Link, queue: str, name: str) -> Found | None:
    for letter, fields in Queue(link, queue, lease=1).dead_letters(name, name):
        named = fields.get("id", b"").decode(errors="backslashreplace")
        return Found(Place.DEAD, letter, fields.get("payload"), named or letter)
    return None


def _sought(link: Link, key: str, kind: str, name: str) -> bytes | None:
    at = 0
    while at is not None:
        arguments = [kind, at, AT_ONCE, ENOUGH_BYTES, name]
        [reply] = read_all(link, [(scripts.SEEK, [key], arguments)])
        if isinstance(reply, Exception):
            raise reply
        at, raw = reply
        if raw is not None:
            return bytes(raw)
    return None


def settle(link: Link, queue: str, raw: bytes) -> bool:
    """Take out an entry that waits or is delayed, and count it as done; False: it is there no more.
    Raises likewise."""
    return bool(link.run(scripts.SETTLE, Keys(queue).of_script(None), [raw]))
