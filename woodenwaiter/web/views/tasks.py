"""Single tasks that nobody has claimed, what was thrown away, and who changed what."""

from __future__ import annotations

import codecs
from typing import Any

from ...protocol.looks import Task
from ...protocol.trash import Trash
from ...text import escaped
from ...verbs.audit import Line
from ..redaction import Redaction
from .queues import belonging


def task(task: Task, now: float, redaction: Redaction) -> dict[str, Any]:
    """One that waits, or is delayed."""
    is_whole = task.size <= len(task.payload)
    payload = redaction.payload(task.payload, is_whole=is_whole)
    return {
        "name": escaped(task.name),
        "payload": escaped(text_of(payload, is_whole=is_whole)),
        "size": task.size,
        "whole": is_whole,
        "deliveries": task.deliveries,
        "reason": escaped(redaction.text(task.reason, task.payload)),
        "dueAt": None if task.due is None else round(now + task.due, 1),
    }


def text_of(payload: bytes, *, is_whole: bool) -> str:
    """Without the beginning of a character that is cut off."""
    decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
    return decoder.decode(payload, final=is_whole)


def trash(trash: Trash, now: float) -> dict[str, Any]:
    """What was thrown away by one command."""
    return {
        **belonging(trash.queue),
        "name": escaped(trash.name),
        "kind": trash.kind.value,
        "number": trash.number,
        "since": round(trash.since, 1),
        "who": escaped(trash.who),
        "untilAt": None if trash.left is None else round(now + trash.left),
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
