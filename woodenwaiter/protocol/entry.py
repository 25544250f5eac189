"""The bytes in a queue: what a producer pushed, or the same behind a header once redelivered.

A header is RFC 7464's record separator and a line of JSON. No JSON text starts with that byte,
so plain payloads need no escaping and old producers no change.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ..errors import BadEntry

RECORD_SEPARATOR = b"\x1e"
MOST_DELIVERIES = 1_000_000
LONGEST_ID = 1_000
LATEST = 1e12  # Unix time in seconds, in some 30,000 years
"""A header that is beyond one of these is taken to be forged."""


@dataclass(frozen=True)
class Entry:
    """One task as it stands in Redis.

    ``deliveries`` counts those that failed so far; ``first_failed`` is Unix time in seconds.
    ``id`` is empty until the first failure: until then the claim's own name serves.
    """

    payload: bytes
    id: str = ""
    deliveries: int = 0
    first_failed: float = 0.0
    reason: str = ""

    def dump(self) -> bytes:
        if not self.deliveries:
            return self.payload
        header = {
            "id": self.id,
            "deliveries": self.deliveries,
            "first_failed": self.first_failed,
            "reason": self.reason,
        }
        return RECORD_SEPARATOR + json.dumps(header).encode() + b"\n" + self.payload


def load(raw: bytes) -> Entry:
    """Split an entry into header and payload; raises BadEntry if the header is not one of ours."""
    if not raw.startswith(RECORD_SEPARATOR):
        return Entry(raw)
    line, newline, payload = raw[1:].partition(b"\n")
    try:
        header = json.loads(line)
        entry = Entry(
            payload,
            id=header["id"],
            deliveries=header["deliveries"],
            first_failed=header["first_failed"],
            reason=header["reason"],
        )
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise BadEntry(f"unreadable header: {error!r:.200}") from None
    if not newline or not _plausible(entry):
        raise BadEntry("unreadable header: a field has the wrong type or an impossible value")
    return entry


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


def excerpt(payload: bytes, length: int = 100) -> str:
    """The payload's beginning in one printable line, for a log."""
    shown = payload[:length].decode(errors="backslashreplace")
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in shown)
    return shown + ("…" if len(payload) > length else "")
