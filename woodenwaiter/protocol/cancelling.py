"""Single tasks that are not to run any more: how they are called, and where they are."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from enum import Enum
from typing import Any, NamedTuple

from ..errors import BadEntry
from ..names import without_token
from . import scripts
from .calls import Call, read_all
from .entry import DIGITS, Entry, beginning_of, load
from .keys import Keys, text_of_name
from .link import Link
from .looks import AT_ONCE, ENOUGH_BYTES, Place
from .verdict import CANCELLED, Failure, letter_of

OWNERS_AT_ONCE = 16
"""Whose claims one request looks through."""

PLACES = (("arrivals", Place.WAITING), ("queue", Place.WAITING), ("delayed", Place.DELAYED))
"""Where tasks are that nobody has claimed."""


class Became(str, Enum):
    """What a host says that became of a claim which it was asked to end."""

    ENDED = "ended"
    """Its handler raised what was raised in it, or something else: it is a dead letter."""
    KILLED = "killed"
    """Likewise, with its worker."""
    OVER = "over"
    """Its handler returned, or failed, before."""
    HELD = "held"
    """A worker has it, and has not begun it."""
    UNKNOWN = "unknown"
    """No worker there has it."""


class Name(NamedTuple):
    """Of a task: with what its entry ``begins``, of one that was delivered before; or the first
    ``digits`` of the SHA-1 of its payload. The other is empty."""

    text: str
    begins: bytes
    digits: str

    @classmethod
    def of(cls, text: str) -> Name:
        """As somebody typed it: ``#`` and the digits, the digits alone, or the task's id."""
        found = re.fullmatch(rf"#?([0-9a-f]{{{DIGITS}}})", text)
        return cls(f"#{found[1]}", b"", found[1]) if found else cls(text, beginning_of(text), "")


class Taken(NamedTuple):
    """From where, and as which letter."""

    place: Place
    letter: str


class Claim(NamedTuple):
    """``task``: the id that it has, or will have."""

    owner: str
    seq: int
    task: str

    @property
    def name(self) -> str:
        return f"{self.owner}/{self.seq}"


def take(link: Link, queue: str, name: Name, who: str) -> Taken | None:
    """Make a dead letter of a task that nobody has claimed; None: there is none of this name. In
    portions, between which the server does other things. Raises what is in `link.ServerTrouble`."""
    for where, place in PLACES:
        if letter := _take(link, Keys(queue), where, name, who):
            return Taken(place, letter)
    return None


def _take(link: Link, keys: Keys, where: str, name: Name, who: str) -> str:
    at, header = 0, b""
    while True:
        wanted = [where, at, AT_ONCE, ENOUGH_BYTES, name.begins, name.digits, header]
        arguments = [*wanted, *_fields(header, name, who)]
        reply = link.run(scripts.CANCEL, keys.of_script(None), arguments)
        at, looked, other, letter = reply
        if letter:
            return text_of_name(letter)
        if other is None and not looked:
            return ""
        header = other or header


def _fields(header: bytes, name: Name, who: str) -> Iterator[bytes | str]:
    """Of the letter, but for its payload."""
    entry = _entry(header)
    task = replace(entry, id=entry.id or name.text, first_failed=entry.first_failed or time.time())
    for field in letter_of(task, Failure(CANCELLED, f"by {who}"), "").items():
        yield from field


def _entry(header: bytes) -> Entry:
    """As far as it can be read."""
    try:
        return load(header)
    except BadEntry:
        return Entry(b"")


def claims_of(link: Link, queue: str, name: Name) -> list[Claim]:
    """What is claimed under this name, which may be a claim's own, with its owner's token or
    without. Of payloads that are alike, one for each owner. Raises what is in
    `link.ServerTrouble`."""
    owners = [*map(text_of_name, link.call("HKEYS", Keys(queue).settled))]
    owner, _, seq = name.text.rpartition("/")
    if re.fullmatch("[0-9]{1,15}", seq, re.ASCII):
        own = [each for each in owners if owner in (each, without_token(each))]
        if found := _claims(link, queue, own, [int(seq), b"", ""]):
            return found
    return _claims(link, queue, owners, [0, name.begins, name.digits])


def _claims(link: Link, queue: str, owners: Sequence[str], wanted: Sequence[Any]) -> list[Claim]:
    keys, claims = Keys(queue), []
    for start in range(0, len(owners), OWNERS_AT_ONCE):
        some = owners[start : start + OWNERS_AT_ONCE]
        calls: list[Call] = [
            (scripts.CLAIMED, [keys.settled, keys.claims(owner)], [owner, *wanted])
            for owner in some
        ]
        for owner, reply in zip(some, read_all(link, calls), strict=True):
            if isinstance(reply, Exception):
                raise reply
            if reply:
                seq, header = reply
                claims.append(Claim(owner, seq, _entry(header).id or f"{owner}/{seq}"))
    return claims
