"""Single tasks that nobody has claimed, what was thrown away, and who changed what."""

from __future__ import annotations

from typing import Any

from ...names import without_token
from ...protocol.looks import Task
from ...protocol.trash import Trash
from ...text import decoded, escaped
from ...verbs.audit import Line
from ..redaction import Redaction
from .queues import belonging


def task(task: Task, now: float, redaction: Redaction) -> dict[str, Any]:
    """One that waits, or is delayed; ``due`` then, in Unix time by the server's clock."""
    is_whole = task.size <= len(task.payload)
    payload = redaction.payload(task.payload, is_whole=is_whole)
    return {
        "name": escaped(task.name),
        "task": escaped(without_token(task.name)),
        "payload": escaped(decoded(payload, is_whole=is_whole)),
        "size": task.size,
        "whole": is_whole,
        "deliveries": task.deliveries,
        "reason": escaped(redaction.text(task.reason, task.payload, is_whole=is_whole)),
        "due": None if task.due is None else round(now + task.due, 1),
    }


def trash(trash: Trash) -> dict[str, Any]:
    """What was thrown away by one command. How long it stays, by the minute: what has not changed
    for people is not told anew."""
    return {
        **belonging(trash.queue),
        "name": escaped(trash.name),
        "kind": trash.kind.value,
        "number": trash.number,
        "since": round(trash.since, 1),
        "who": escaped(trash.who),
        "left": None if trash.left is None else trash.left // 60 * 60,
    }


def line(line: Line) -> dict[str, Any]:
    """Of the audit."""
    texts = ("who", "where", "verb", "what")
    return {
        "at": line.at,
        "count": line.count,
        **belonging(line.queue),
        **{name: escaped(getattr(line, name)) for name in texts},
    }
