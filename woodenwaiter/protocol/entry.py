"""The bytes in a queue: what a producer pushed, or the same behind a header once redelivered.

A header is RFC 7464's record separator and a line of JSON. No JSON text starts with that byte,
so plain payloads need no escaping and old producers no change.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

from ..errors import BadEntry, WrongType
from ..text import escaped

RECORD_SEPARATOR = b"\x1e"
MOST_DELIVERIES = 1_000_000
LONGEST_ID = 1_000  # characters
LATEST = 1e12  # Unix time in seconds, in some 30,000 years
LONGEST_HEADER = 1 << 16
"""A header that is beyond one of these is taken to be forged."""

DIGITS = 12
"""Of the SHA-1 of a payload: by them a task is called that was not delivered yet."""

LONGEST_NAME = 200
"""Bytes of a claim's name that become a task's id."""


class Suspicion(IntEnum):
    """That a task takes its host down: what it was when a host died."""

    NONE = 0
    HELD = 1
    """Among others, any of which may have run. Nobody was charged."""
    RAN = 2
    """The only one that its worker had begun. It was charged, and runs beside no other such."""


@dataclass(frozen=True)
class Entry:
    """One task as it stands in Redis.

    ``deliveries`` counts those that failed so far; ``first_failed`` is Unix time in seconds.
    ``id`` is empty until there is a header: until then the claim's own name serves. ``more`` is
    what another version has put into the header, as JSON text.
    """

    payload: bytes
    id: str = ""
    deliveries: int = 0
    first_failed: float = 0.0
    reason: str = ""
    suspicion: Suspicion = Suspicion.NONE
    more: str = ""

    @property
    def header(self) -> bytes:
        """What stands before the payload."""
        if not self.deliveries and not self.suspicion:
            return b""
        # Version 1.0.0 takes a header without deliveries to be forged.
        uncharged = self.suspicion == Suspicion.HELD
        header = {
            "id": self.id[:LONGEST_ID],
            "deliveries": self.deliveries + uncharged,
            "first_failed": self.first_failed,
            "reason": self.reason,
        }
        if self.suspicion:
            header[SUSPECT] = self.suspicion
        line = json.dumps(header)
        if self.more:
            line = f"{line[:-1]}, {self.more}}}"
        return RECORD_SEPARATOR + line.encode() + b"\n"

    def dump(self) -> bytes:
        return self.header + self.payload


def beginning_of(task: str) -> bytes:
    """With what the entry of a task begins that has this id."""
    return RECORD_SEPARATOR + f'{{"id": {json.dumps(task[:LONGEST_ID])}, '.encode()


SUSPECT = "suspect"
OWN_FIELDS = frozenset(("id", "deliveries", "first_failed", "reason", SUSPECT))

RUNS_ALONE = json.dumps({SUSPECT: Suspicion.RAN})[1:-1]
"""In the header of a task that is to run beside no other such."""


def load(raw: bytes) -> Entry:
    """Split an entry into header and payload; raises BadEntry if the header is not one of ours."""
    if not raw.startswith(RECORD_SEPARATOR):
        return Entry(raw)
    end = raw.find(b"\n", 0, LONGEST_HEADER)
    if end < 0:
        raise BadEntry("unreadable header: it has no end")
    try:
        entry = _entry(json.loads(raw[1:end]), raw[end + 1 :])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise BadEntry(f"unreadable header: {error!r:.200}") from None
    if not _plausible(entry):
        raise BadEntry("unreadable header: a field has the wrong type or an impossible value")
    if entry.suspicion == Suspicion.HELD:
        return replace(entry, deliveries=entry.deliveries - 1)
    return entry


def _entry(header: dict[str, Any], payload: bytes) -> Entry:
    more = {name: value for name, value in header.items() if name not in OWN_FIELDS}
    suspicion = header.get(SUSPECT)  # of which another version may know more kinds
    return Entry(
        payload,
        id=header["id"],
        deliveries=header["deliveries"],
        first_failed=header["first_failed"],
        reason=header["reason"],
        suspicion=Suspicion(suspicion) if suspicion in list(Suspicion) else Suspicion.NONE,
        more=json.dumps(more)[1:-1],
    )


def _plausible(entry: Entry) -> bool:
    return (
        isinstance(entry.id, str)
        and entry.id.isprintable()
        and 0 < len(entry.id) <= LONGEST_ID
        and type(entry.deliveries) is int
        and 1 <= entry.deliveries <= MOST_DELIVERIES
        and type(entry.first_failed) in (int, float)
        and 0 <= entry.first_failed < LATEST
        and isinstance(entry.reason, str)
    )


def mark_of(owner: str) -> tuple[bytes, bytes]:
    """The header for what an owner held when its host died, around the number of the claim."""
    name = excerpt(owner.encode(errors="backslashreplace"), LONGEST_NAME) + "/#"
    suspect = Entry(b"", name, 0, time.time(), "its host died", Suspicion.HELD)
    before, _, after = suspect.header.rpartition(b"#")
    return before, after


_decode = json.JSONDecoder().decode
"""Half the cost of `json.loads`, which first finds out what it was given."""


def foods(raw: bytes) -> dict[str, Any]:
    """The dict that a handler gets; raises BadEntry if there is none in these bytes."""
    payload = load(raw).payload if raw.startswith(RECORD_SEPARATOR) else raw
    try:
        decoded = _decode(payload.decode())
    except RecursionError:
        raise BadEntry("nested too deeply") from None
    except ValueError as error:  # UnicodeDecodeError and JSONDecodeError among them
        raise BadEntry(f"not JSON in UTF-8: {error!s:.200}") from None
    if type(decoded) is not dict:
        raise BadEntry(f"a JSON {type(decoded).__name__}, not an object")
    return decoded


def payload_of(foods: dict[str, Any]) -> str:
    """What a producer pushes; raises WrongType for what JSON cannot hold, and says where it is."""
    try:
        return json.dumps(foods)
    except TypeError as error:
        raise WrongType(f"{_misfit_in(foods)}: {error}") from None


def _misfit_in(foods: dict[str, Any]) -> str:
    """Where it is what JSON cannot hold."""
    path, value, child = "foods", None, foods
    while child is not value:
        value = child
        for key, part in _parts_of(value):
            try:
                json.dumps(part)
            except TypeError:
                path, child = f"{path}[{key!r:.100}]", part
                break
    return path


def _parts_of(value: Any) -> Iterable[tuple[Any, Any]]:
    if isinstance(value, dict):
        return value.items()
    return enumerate(value) if isinstance(value, list | tuple) else ()


def excerpt(payload: bytes, length: int = 100) -> str:
    """The payload's beginning in one printable line, for a log."""
    shown = payload[:length].decode(errors="backslashreplace")
    return escaped(shown) + ("…" if len(payload) > length else "")
