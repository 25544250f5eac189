"""Dead letters: in groups, in a list, one by one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ...protocol.letters import Outline, time_of
from ...text import decoded, escaped, escaped_json, escaped_lines
from ...verbs.letters import Group
from ..redaction import Redaction
from .queues import belonging

PART = 1 << 16
"""Bytes of a payload that are shown at once."""

MOST_OF_FIELD = 1 << 16
"""Bytes of a traceback, say."""

IN_LIST = 300
"""Bytes of a payload."""


def group(group: Group, redaction: Redaction) -> dict[str, Any]:
    """Of their payloads, nothing is known."""
    texts = ("reason", "error", "example")
    return {
        "group": group.group,
        "count": group.count,
        "first": group.first,
        "last": group.last,
        "letter": group.letter,
        **{name: escaped(redaction.unseen(getattr(group, name))) for name in texts},
    }


def outline(letter: Outline, redaction: Redaction) -> dict[str, Any]:
    """A letter in a list, of which the payload may be told whole, so that what is hidden is found;
    it is cut here."""
    is_whole = letter.size <= len(letter.payload)
    payload = redaction.payload(letter.payload, is_whole=is_whole)
    shown = payload[:IN_LIST]
    texts = {name: letter.fields.get(name, "") for name in ("reason", "error")}
    return {
        "letter": letter.name,
        "at": letter.time,
        "size": letter.size,
        "payload": escaped(decoded(shown, is_whole=len(shown) == len(payload) and is_whole)),
        "whole": is_whole and len(shown) == len(payload),
        "group": letter.group,
        **{
            name: escaped(redaction.text(text, letter.payload, is_whole=is_whole))
            for name, text in texts.items()
        },
    }


def whole(
    queue: str, name: str, fields: Mapping[str, bytes], group: str, redaction: Redaction
) -> dict[str, Any]:
    """One letter. ``raw``: what an editor begins with, if it can be edited; ``to``: how many bytes
    of its payload are shown."""
    payload = fields.get("payload", b"")
    shown = redaction.payload(payload)
    is_hidden, is_whole = shown != payload, len(shown) <= PART
    first = part(shown, 0)
    text, is_json = pretty(shown) if is_whole else (first["text"], False)
    may_edit = "payload" in fields and is_whole and not is_hidden
    others = [each for each in fields.items() if each[0] != "payload"]
    return {
        **belonging(queue),
        "letter": name,
        "at": time_of(name),
        "group": group,
        "size": len(payload),
        "payload": text,
        "whole": is_whole,
        "to": first["to"],
        "isJson": is_json,
        "hidden": is_hidden,
        "fields": [[escaped(field), told(value, payload, redaction)] for field, value in others],
        "mayEdit": may_edit,
        "raw": text if may_edit else "",
    }


def told(value: bytes, payload: bytes, redaction: Redaction) -> str:
    """A field, in lines."""
    text = redaction.text(value.decode(errors="backslashreplace"), payload)
    return escaped_lines(text[:MOST_OF_FIELD], margin="")


def pretty(payload: bytes) -> tuple[str, bool]:
    """The payload as people read it, and whether it is JSON."""
    try:
        value = json.loads(payload)
    except (ValueError, RecursionError):
        return escaped_lines(payload.decode(errors="backslashreplace"), margin=""), False
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return "\n".join(map(escaped_json, text.split("\n"))), True


def part(payload: bytes, start: int) -> dict[str, Any]:
    """Of a payload, from that byte on, without cutting through a character."""
    piece = payload[start : start + PART]
    end = start + len(piece)
    if end < len(payload):
        piece = _without_cut(piece)
        end = start + len(piece)
    text = escaped_lines(piece.decode(errors="backslashreplace"), margin="")
    return {"text": text, "from": start, "to": end, "size": len(payload)}


def _without_cut(piece: bytes) -> bytes:
    """Without the beginning of a character at its end."""
    for back in range(1, min(4, len(piece)) + 1):
        if piece[-back] & 0xC0 != 0x80:
            needed = next((n for n, m in ((4, 0xF0), (3, 0xE0), (2, 0xC0)) if piece[-back] >= m), 1)
            return piece[:-back] if needed > back else piece
    return piece
