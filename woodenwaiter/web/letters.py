"""Dead letters that a viewer asks for: some of them, one, a part of one, or all in a file."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from .. import pace
from ..protocol.letters import Filter, Outline, extent_of, outlines_of, walk_back, whole
from ..protocol.link import Link
from ..protocol.queue import fields_in
from ..verbs.exports import line_of
from ..verbs.letters import streamed
from .asked import Asked, Wrong
from .redaction import Redaction
from .views import letters as views

MOST = 200
"""Letters in a list."""

LARGEST = 1 << 26
"""Bytes of a payload that is shown at all; a command shows any."""

FOR_REDACTION = 1 << 14
"""Bytes of a payload in a list that are fetched where values are to be hidden in it: of what has
more, nothing is shown there."""


class NoSuchLetter(LookupError):
    """The queue has no dead letter of that name."""


class TooLarge(ValueError):
    """It is not shown."""


def page(link: Link, asked: Asked, redaction: Redaction) -> dict[str, Any]:
    """Letters that are sought, the latest first, as many as are found in a moment. Raises what is
    in `link.ServerTrouble`."""
    queue, most = asked.queue, asked.number("most", 50, MOST)
    sought = permitted(asked.filter, redaction)
    after = asked.letter("after") if asked.text("after") else ""
    told: dict[str, Any] = {"letters": [], "next": None, "looked": 0, "of": 0}
    if (extent := extent_of(link, queue)) is None:
        return told
    told["of"] = extent.number
    shown = FOR_REDACTION if redaction else views.IN_LIST
    until = time.monotonic() + pace.WATCH
    for found in walk_back(link, queue, extent, sought, after, most, shown):
        told["letters"] += [views.outline(each, redaction) for each in found.found]
        told["looked"] += found.looked
        told["next"] = found.after or None
        if len(told["letters"]) >= most or time.monotonic() > until:
            break
    else:
        told["next"] = None
    return told


def permitted(sought: Filter, redaction: Redaction) -> Filter:
    """The same. Raises Wrong where what is found would tell of values that are hidden."""
    if redaction and (sought.text or sought.error or sought.reason):
        raise Wrong("values are hidden here: letters are found by group and age, not by texts")
    return sought


def letter(link: Link, asked: Asked, redaction: Redaction) -> dict[str, Any]:
    """One letter. Raises NoSuchLetter and TooLarge."""
    outline, fields = _found(link, asked)
    return views.whole(asked.queue, outline.name, fields, outline.group, redaction)


def payload(link: Link, asked: Asked, redaction: Redaction) -> dict[str, Any]:
    """A part of a letter's payload. Raises likewise."""
    _, fields = _found(link, asked)
    shown = redaction.payload(fields.get("payload", b""))
    return views.part(shown, asked.number("from", 0, LARGEST))


def _found(link: Link, asked: Asked) -> tuple[Outline, dict[str, bytes]]:
    queue, name = asked.queue, asked.letter()
    for outline in filter(None, outlines_of(link, queue, [name])):
        if outline.size > LARGEST:
            size = f"{outline.size:,} bytes"
            raise TooLarge(f"its payload has {size}: woodenwaiter show {queue} {name} shows it")
        for _, flat in whole(link, queue, [name]):
            return outline, fields_in(flat)
    raise NoSuchLetter(name)


def exported(
    link: Link, queue: str, sought: Filter | Sequence[str], redaction: Redaction
) -> Iterator[bytes]:
    """A line for each that is sought, or has one of these names, as `exports.line_of` makes them;
    hidden values are hidden there, too."""
    names: Iterable[str]
    if isinstance(sought, Filter):
        names = (pick.name for pick in streamed(link, queue, sought).picks)
    else:
        names = sought
    for name, flat in whole(link, queue, names):
        yield line_of(queue, name, _without_hidden(flat, redaction)).encode() + b"\n"


def _without_hidden(flat: list[bytes], redaction: Redaction) -> list[bytes]:
    payload = fields_in(flat).get("payload", b"")
    if not redaction:
        return flat
    hidden = [
        redaction.payload(value)
        if field == b"payload"
        else redaction.text(value.decode(errors="surrogateescape"), payload).encode(
            errors="surrogateescape"
        )
        for field, value in zip(flat[::2], flat[1::2], strict=True)
    ]
    return [part for pair in zip(flat[::2], hidden, strict=True) for part in pair]
