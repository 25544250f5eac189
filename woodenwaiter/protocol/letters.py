"""Dead letters, however many: looked at in portions, put back and added in batches.

None of it takes long at once, as the server does nothing else meanwhile: a batch has AT_ONCE
letters or `looks.ENOUGH_BYTES` of payloads, whichever is less.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple, Protocol, TypeVar

from .. import pace
from . import scripts
from .alike import group_of
from .calls import Call, answers_to, read_all
from .entry import LONGEST_ID, Entry, Suspicion
from .keys import Keys, text_of_name
from .link import Command, Link
from .looks import AT_ONCE as AT_ONE_LOOK
from .looks import ENOUGH_BYTES, Condition, Look, Walk, spellings, telling

AT_ONCE = 200
"""Letters that are put back, added or thrown away in one request, at most."""

FETCHED_AT_ONCE = 20
"""Letters that are fetched whole: each may be large."""

END_OF_NUMBERS = 1 << 64
"""In the name of a letter: there are none from there on."""

GROUPED_BY = ("reason", "error")
"""Fields, as far as a look tells them."""


class Extent(NamedTuple):
    """Of a queue's dead letters at a moment: how many there are, the last one's name, and the
    server's time in seconds."""

    number: int
    last: str
    now: float


@dataclass(frozen=True)
class Filter:
    """Dead letters that became so before the last ``older`` seconds, or within the last ``newer``;
    that have these texts in their ``reason``, their ``error``, their payload (``text``); whose
    `group_of` this is. What is not given counts for nothing."""

    older: float | None = None
    newer: float | None = None
    reason: str = ""
    error: str = ""
    text: str = ""
    group: str = ""


class Outline(NamedTuple):
    """Of a dead letter: its ``name``; the beginning of its ``payload``, which has ``size`` bytes;
    and the beginnings of such ``fields`` as were asked for."""

    name: str
    size: int
    payload: bytes
    fields: Mapping[str, str]

    @property
    def time(self) -> float:
        """When it became one, by the server's clock: Unix time in seconds."""
        return time_of(self.name)

    @property
    def group(self) -> str:
        return group_of(*(self.fields.get(field, "") for field in GROUPED_BY))


class Portion(NamedTuple):
    """What a step through dead letters has ``found``, and how many it looked at."""

    found: list[Outline]
    looked: int


class Back(NamedTuple):
    """How many letters of a batch are back, and the names of those that have no payload. Others are
    gone: somebody was faster."""

    number: int
    left: list[str]


class Pick(NamedTuple):
    """A dead letter to do something with: its ``name``, the ``size`` of its payload, and the id of
    its ``task``, where that was asked for."""

    name: str
    size: int
    task: str = ""


# Which there are.


def extent_of(link: Link, queue: str) -> Extent | None:
    """None: the queue has none. Raises what is in `link.ServerTrouble`."""
    walk = Walk(link, Keys(queue).dead, "latest letters", fields=(), shown=0)
    if (look := walk.step(1)) is None:
        return None
    return Extent(look.there, look.found[0][0].decode(), look.now / 1000)


def walk_through(
    link: Link,
    queue: str,
    extent: Extent,
    sought: Filter,
    fields: Sequence[str] = GROUPED_BY,
    shown: int = 0,
) -> Iterator[Portion]:
    """The dead letters that there were when ``extent`` was told, of those that are ``sought``, the
    oldest first; in portions between which the server does other things. Each has these ``fields``,
    and so many bytes of its payload are ``shown``. Raises likewise."""
    first, last = _bounds(extent, sought)
    walk = _walk(link, queue, sought, "letters", b"%d-%d" % first, fields, shown)
    while look := walk.step(AT_ONE_LOOK):
        found = [each for each in _meant(look, sought) if _order_of(each.name) <= last]
        yield Portion(found, look.looked)
        if _reached(walk) >= last:
            return


class Page(NamedTuple):
    """Letters of which the latest is the first; how many were ``looked`` at for them; the name of
    the one to go on ``after``, empty where there is no more."""

    found: list[Outline]
    looked: int
    after: str


def walk_back(
    link: Link,
    queue: str,
    extent: Extent,
    sought: Filter,
    after: str,
    most: int,
    shown: int = 0,
) -> Iterator[Page]:
    """The same, but the latest first, from that on which comes ``after`` the one of this name;
    ``most`` in a portion. Raises likewise."""
    first, last = _bounds(extent, sought)
    if after:
        begin = b"(" + after.encode()
    else:
        begin = b"%d" % last[0] if last[1] == END_OF_NUMBERS else b"%d-%d" % last
    walk = _walk(link, queue, sought, "latest letters", begin, GROUPED_BY, shown)
    while look := walk.step(most):
        found = [each for each in _meant(look, sought) if _order_of(each.name) >= first]
        is_over = _reached(walk) <= first
        yield Page(found, look.looked, "" if is_over else _name_in(walk))
        if is_over:
            return


def _walk(
    link: Link,
    queue: str,
    sought: Filter,
    order: str,
    begin: bytes,
    fields: Sequence[str],
    shown: int,
) -> Walk:
    asked = {*fields, *(GROUPED_BY if sought.group else ())}
    return Walk(
        link,
        Keys(queue).dead,
        order,
        _conditions(sought),
        at=begin,
        fields=sorted(asked),
        shown=shown,
    )


def _meant(look: Look, sought: Filter) -> Iterator[Outline]:
    for told in look.found:
        outline = _outline(*told)
        if not sought.group or outline.group == sought.group:
            yield outline


def _reached(walk: Walk) -> tuple[int, int]:
    """The order of the letter that was looked at last."""
    return _order_of(_name_in(walk))


def _name_in(walk: Walk) -> str:
    return walk.at.decode().removeprefix("(")


def _bounds(extent: Extent, sought: Filter) -> tuple[tuple[int, int], tuple[int, int]]:
    """The orders of the first and of the last one."""
    first, last = (0, 0), _order_of(extent.last)
    if sought.newer is not None:
        first = max(0, int((extent.now - sought.newer) * 1000)), 0
    if sought.older is not None:
        last = min(last, (int((extent.now - sought.older) * 1000), END_OF_NUMBERS))
    return first, last


def _conditions(sought: Filter) -> list[Condition]:
    fields = {
        "reason": [sought.reason] if sought.reason else [],
        "error": [sought.error] if sought.error else [],
        "payload": spellings(sought.text) if sought.text else [],
    }
    return [Condition(field, texts) for field, texts in fields.items() if texts]


def _outline(name: bytes, size: int, payload: bytes, *flat: bytes) -> Outline:
    names_and_values = zip(map(text_of_name, flat[::2]), map(text_of_name, flat[1::2]), strict=True)
    return Outline(name.decode(), size, payload, dict(names_and_values))


def _order_of(name: str) -> tuple[int, int]:
    milliseconds, _, number = name.partition("-")
    return int(milliseconds), int(number)


def time_of(name: str) -> float:
    """When the letter of this name became one, by the server's clock: Unix time in seconds."""
    return _order_of(name)[0] / 1000


def outlines_of(
    link: Link, queue: str, names: Sequence[str], fields: Sequence[str] = GROUPED_BY
) -> Iterator[Outline | None]:
    """Of the dead letters of these names; None in the place of one that is not there. Raises
    likewise."""
    for some in _portions(names, AT_ONCE):
        possible = [name for name in some if max(_order_of(name)) < END_OF_NUMBERS]
        replies = read_all(link, [_glance(queue, name, fields) for name in possible])
        told = dict(zip(possible, replies, strict=True))
        for name in some:
            yield _outline_in(name, told.get(name))


def _outline_in(name: str, reply: Any) -> Outline | None:
    """A look from there on may have found a later one."""
    if isinstance(reply, Exception):
        raise reply
    found = [_outline(*told) for told in reply[-1]] if reply else []
    return next((each for each in found if _order_of(each.name) == _order_of(name)), None)


def _glance(queue: str, name: str, fields: Sequence[str]) -> Call:
    arguments = ["letters", name, 1, ENOUGH_BYTES, 1, *telling(0, fields)]
    return scripts.LOOK, [Keys(queue).dead], arguments


def whole(link: Link, queue: str, names: Iterable[str]) -> Iterator[tuple[str, list[bytes]]]:
    """The dead letters of these names that are there: their fields and values in turn, whoever
    wrote them. Raises likewise."""
    key = Keys(queue).dead
    for some in _portions(names, FETCHED_AT_ONCE):
        commands: list[Command] = [("XRANGE", key, name, name) for name in some]
        for found in answers_to(link, commands):
            for letter, flat in found:
                yield letter.decode(), flat


def _portions(names: Iterable[str], most: int) -> Iterator[list[str]]:
    left = iter(names)
    while some := [*islice(left, most)]:
        yield some


# What becomes of them.


class Sized(Protocol):
    """What has a size in bytes."""

    @property
    def size(self) -> int: ...


S = TypeVar("S", bound=Sized)


def batches(letters: Iterable[S], most: int = AT_ONCE) -> Iterator[list[S]]:
    """The same in batches, each of ``most`` at most."""
    batch: list[S] = []
    size = 0
    for letter in letters:
        if batch and (len(batch) == most or size + letter.size > ENOUGH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(letter)
        size += letter.size
    if batch:
        yield batch


def requeue(
    link: Link, queue: str, picks: Sequence[Pick], delay: float = 0.0, payload: bytes = b""
) -> Back:
    """Put these letters' payloads back into the queue, as a producer would; or have them wait for
    ``delay`` seconds, by the ids that their tasks had. ``payload``: instead of their own. Each is
    gone from the dead letters then. Raises likewise."""
    milliseconds = max(1, int(delay * 1000)) if delay else 0
    headers = [(pick.name, header_of(pick) if delay else b"") for pick in picks]
    arguments = [milliseconds, payload, *(part for each in headers for part in each)]
    number, left = link.run(scripts.REQUEUE, Keys(queue).of_script(None), arguments)
    return Back(number, [name.decode() for name in left])


def header_of(pick: Pick) -> bytes:
    """Of one that is to wait: nobody was charged for it, and it is another's than that of any other
    letter, be their payloads the same."""
    name = pick.task if pick.task and pick.task.isprintable() else pick.name
    reason = f"requeued from dead letter {pick.name}"
    return Entry(b"", name[:LONGEST_ID], reason=reason, suspicion=Suspicion.HELD).header


class Imported(NamedTuple):
    """A letter to be added: its ``mark``, by which it is known to have been, and its fields and
    values in turn."""

    mark: bytes
    flat: Sequence[bytes]

    @property
    def size(self) -> int:
        return sum(map(len, self.flat))


def mark_of(line: bytes) -> bytes:
    """Of the letter in this line of a file."""
    return hashlib.sha1(line, usedforsecurity=False).digest()


def add(link: Link, queue: str, letters: Sequence[Imported]) -> int:
    """Add these to the queue's dead letters, as the latest ones, but for those that were added
    within a day; returns how many were. Raises likewise."""
    parts = [part for each in letters for part in (each.mark, len(each.flat), *each.flat)]
    arguments = [int(pace.TRASH_KEPT * 1000), *parts]
    added: int = link.run(scripts.IMPORT, Keys(queue).of_imports(), arguments)
    return added
