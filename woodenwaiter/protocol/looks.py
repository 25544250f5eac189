"""Looking at single tasks of a queue, without taking any."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple

from ..errors import BadEntry
from . import scripts
from .calls import read_all
from .entry import DIGITS, Entry, load
from .keys import Keys, text_of_name
from .link import Link
from .sizes import seconds_until

SHOWN = 1000
"""Bytes of a payload that are fetched: some are large."""

AT_ONCE = 1000
"""Entries to look at in one request, at most."""

ENOUGH_BYTES = 1 << 20
"""After which a request looks no further: the server does nothing else meanwhile."""

FEW = 10
"""Entries that may have a text beside the one that is looked for."""

FARTHEST = 1_000_000
"""Entries in each place, which a search looks at, at most."""

FARTHEST_BYTES = 1 << 30
"""Likewise."""


BEGINNINGS = {"letters": b"-", "latest letters": b"+"}
"""Of a stream, in each order."""


class Place(str, Enum):
    """Where a task is that nobody has claimed."""

    WAITING = "waiting"
    DELAYED = "delayed"
    DEAD = "dead"


@dataclass(frozen=True)
class Task:
    """As far as it is told: ``payload`` is the beginning of one that has ``size`` bytes.

    ``id`` is empty until it was delivered; ``deliveries`` are those that failed, ``reason`` why the
    last one did. ``due``: seconds until it is delivered again, for a delayed one; ``letter``: of a
    dead one. ``name``: what it is called, hence its id if it has one; tasks with the same payload
    have the same until then.
    """

    place: Place
    payload: bytes
    size: int
    id: str = ""
    deliveries: int = 0
    reason: str = ""
    due: float | None = None
    letter: str = ""
    name: str = ""


class Portion(NamedTuple):
    """Of a search: what was found, and how many were looked at of how many that are there."""

    place: Place
    found: list[Task]
    looked: int
    there: int


def peek(link: Link, queue: str, most: int) -> list[Task]:
    """The tasks that are claimed next, if nothing comes in between; those that waited and were
    moved by a wake-up first. Raises what is in `link.ServerTrouble`."""
    keys = Keys(queue)
    found: list[Task] = []
    for key in (keys.arrivals, queue):
        found += _first(link, Place.WAITING, key, "next", most - len(found))
    return found


def delayed(link: Link, queue: str, most: int) -> list[Task]:
    """The tasks that wait for another delivery, the next one first. Raises likewise."""
    return _first(link, Place.DELAYED, Keys(queue).delayed, "soonest", most)


def buried(link: Link, queue: str, most: int) -> list[Task]:
    """The dead letters, the latest one first. Raises likewise."""
    return _first(link, Place.DEAD, Keys(queue).dead, "latest letters", most)


def latest_letter(link: Link, queue: str, task: str) -> str:
    """The dead letter of the task with this id, if it is among the latest; else nothing. Raises
    likewise."""
    anywhere = Condition("", (task,))
    walk = Walk(link, Keys(queue).dead, "latest letters", [anywhere])
    portion = _step(walk, Place.DEAD, FEW)
    found = portion.found if portion else ()
    return next((letter.letter for letter in found if letter.id == task), "")


def _first(link: Link, place: Place, key: str, order: str, most: int) -> list[Task]:
    walk = Walk(link, key, order)
    found: list[Task] = []
    while len(found) < most and (portion := _step(walk, place, most - len(found))):
        found += portion.found
    return found


def _step(walk: Walk, place: Place, most: int, entries: int = AT_ONCE) -> Portion | None:
    if (look := walk.step(most, entries)) is None:
        return None
    return Portion(place, [_task(place, told, look.now) for told in look.found], *look[1:3])


def search(link: Link, queue: str, text: str, most: int) -> Iterator[Portion]:
    """Look for tasks with this text, ``most`` of them: in what waits, from what came last on, in
    what is delayed, and in dead letters, from the oldest on; in portions between which the server
    does other things. It ends when FARTHEST is reached in each place. Raises likewise."""
    keys = Keys(queue)
    anywhere = Condition("", spellings(text))
    left = most
    for place, key, order in (
        (Place.WAITING, keys.arrivals, "newest"),
        (Place.WAITING, queue, "newest"),
        (Place.DELAYED, keys.delayed, "latest"),
        (Place.DEAD, keys.dead, "letters"),
    ):
        walk = Walk(link, key, order, [anywhere])
        while left and walk.left > 0 and (portion := _step(walk, place, left, walk.left)):
            left -= len(portion.found)
            yield portion


def spellings(text: str) -> tuple[str, ...]:
    """How a text may stand in a payload: as it is, or as JSON has it without other characters than
    those of ASCII."""
    return tuple(
        dict.fromkeys((text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]))
    )


class Condition(NamedTuple):
    """Of these ``texts`` one is in the ``field`` of a dead letter; "": anywhere in an entry."""

    field: str
    texts: Sequence[str]


class Look(NamedTuple):
    """What a step of a walk has ``found``, as the script tells it; how many entries it looked at,
    of how many that are there; the server's time ``now``, in ms."""

    found: list[list[Any]]
    looked: int
    there: int
    now: int


class Walk:
    """Through one key, from one end on, or from ``at``: entries that meet all ``conditions``.
    ``fields``: of dead letters, those that are told; None: all but the traceback. ``shown``: bytes
    of a payload. ``at``: where it goes on."""

    def __init__(
        self,
        link: Link,
        key: str,
        order: str,
        conditions: Sequence[Condition] = (),
        *,
        at: bytes = b"",
        fields: Sequence[str] | None = None,
        shown: int = SHOWN,
    ) -> None:
        self._link = link
        self._key = key
        self._order = order
        self.at = at or BEGINNINGS.get(order, b"0")
        sought = [(field, len(texts), *texts) for field, texts in conditions]
        self._what = [*telling(shown, fields), *(part for each in sought for part in each)]
        self._looked = 0
        self._bytes = 0

    @property
    def left(self) -> int:
        """How many entries more a search is to look at."""
        return FARTHEST - self._looked if self._bytes < FARTHEST_BYTES else 0

    def step(self, most: int, entries: int = AT_ONCE) -> Look | None:
        """The next portion, of so many entries at most; None where there is no more. Raises what is
        in `link.ServerTrouble`."""
        arguments = [self._order, self.at, min(entries, AT_ONCE), ENOUGH_BYTES, most, *self._what]
        [reply] = read_all(self._link, [(scripts.LOOK, [self._key], arguments)])
        if isinstance(reply, Exception):
            raise reply
        there, looked, read, self.at, now, found = reply
        self._looked += looked
        self._bytes += read
        return Look(found, looked, there, now) if looked else None


def telling(shown: int, fields: Sequence[str] | None) -> list[Any]:
    """The arguments that say how much is told of each: see `Walk`."""
    names = [-1] if fields is None else [len(fields), *fields]
    return [shown, DIGITS, *names]


def _task(place: Place, told: list[Any], now: int) -> Task:
    mark, size, beginning, *more = told
    if place is Place.DEAD:
        return _letter(mark.decode(), size, beginning, more)
    [digits] = more
    try:
        entry = load(beginning)
    except BadEntry as error:
        entry = Entry(beginning, reason=str(error))
    return Task(
        place,
        entry.payload,
        size - len(beginning) + len(entry.payload),
        entry.id,
        entry.deliveries,
        entry.reason,
        seconds_until(mark, now) if place is Place.DELAYED else None,
        name=entry.id or f"#{digits.decode()}",
    )


def _letter(letter: str, size: int, payload: bytes, flat: list[bytes]) -> Task:
    fields = {
        text_of_name(name): text_of_name(value)
        for name, value in zip(flat[::2], flat[1::2], strict=True)
    }
    reason = ": ".join(filter(None, (fields.get("reason"), fields.get("error"))))
    deliveries = fields.get("deliveries", "")
    return Task(
        Place.DEAD,
        payload,
        size,
        fields.get("id", ""),
        int(deliveries)
        if deliveries.isascii() and deliveries.isdigit() and len(deliveries) < 10
        else 0,
        reason,
        letter=letter,
    )
