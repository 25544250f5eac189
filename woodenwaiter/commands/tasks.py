"""``woodenwaiter peek``, ``delayed``, ``find``: single tasks, none of which is taken."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from ..errors import EXIT_UNKNOWN
from ..protocol.link import Link
from ..protocol.looks import Place, Task, delayed, peek, search
from ..protocol.queue import Queue
from ..text import decoded, escaped, span
from .documents import document
from .fitting import fitted
from .known import require_known
from .table import look_of_stdout

WIDEST = 200
"""Characters of a payload, where no terminal sets a limit."""


def show_next(given: argparse.Namespace, link: Link) -> int:
    return _list(given, link, peek(link, given.queue, given.number), "nothing waits")


def show_delayed(given: argparse.Namespace, link: Link) -> int:
    return _list(given, link, delayed(link, given.queue, given.number), "nothing is delayed")


def _list(given: argparse.Namespace, link: Link, tasks: Sequence[Task], none: str) -> int:
    if not tasks:
        require_known(Queue(link, given.queue, lease=1))
    if given.json:
        print(document(queue=given.queue, tasks=[*map(_plain, tasks)]))
        return 0
    for number, task in enumerate(tasks, 1):
        _print(f"{number:<4}", task)
    if not tasks:
        print(none)
    return 0


def find_tasks(given: argparse.Namespace, link: Link) -> int:
    found: list[Task] = []
    looked = dict.fromkeys(Place, 0)
    there = dict.fromkeys(Place, 0)
    for portion in search(link, given.queue, given.text, given.most):
        looked[portion.place] += portion.looked
        there[portion.place] = max(there[portion.place], portion.there, looked[portion.place])
        found += portion.found
        for task in [] if given.json else portion.found:
            _print(f"{task.place.value:<9}", task)
    if not sum(looked.values()):
        require_known(Queue(link, given.queue, lease=1))
    if given.json:
        extent = {place.value: {"looked_at": looked[place], "of": there[place]} for place in Place}
        print(document(queue=given.queue, tasks=[*map(_plain, found)], extent=extent))
    else:
        print(_extent(looked, there, is_full=len(found) == given.most))
    return 0 if found else EXIT_UNKNOWN


def _extent(looked: dict[Place, int], there: dict[Place, int], *, is_full: bool) -> str:
    """How far a search has come."""
    parts = (
        f"{looked[place]:,} of {there[place]:,} {place.value}" for place in Place if looked[place]
    )
    end = "; there may be more: --most" if is_full else ""
    return f"looked at {', '.join(parts) or 'nothing: there is none'}{end}"


def _print(head: str, task: Task) -> None:
    """One line, or two where there is more to be told than the payload and a short name."""
    columns = look_of_stdout().columns or WIDEST
    facts, margin = facts_of(task), " " * len(head)
    if task.name and not (task.id or facts):
        head += f"{task.name}  "
    elif task.name:
        facts = [task.name, *facts]
    if facts:
        print(fitted(head + escaped("  ".join(facts)), columns))
    tail = f"  ({task.size:,} bytes)" if task.size > len(task.payload) else ""
    payload = fitted(escaped(text_of(task)), columns - len(head) - len(tail))
    print(f"{margin if facts else head}{payload}{tail}")


def facts_of(task: Task) -> Sequence[str]:
    """What there is to tell of it but its payload, not made fit to be shown."""
    facts = [task.letter] if task.letter else []
    if task.place is Place.DELAYED:
        facts.append("never due" if task.due is None else f"due in {span(task.due)}")
    if task.deliveries:
        facts.append(f"failed {task.deliveries} times" if task.deliveries > 1 else "failed once")
    if task.reason:
        facts.append(task.reason)
    return facts


def text_of(task: Task) -> str:
    """The payload, without the beginning of a character that is cut off; likewise."""
    is_whole = task.size <= len(task.payload)
    return decoded(task.payload, is_whole=is_whole) + ("" if is_whole else "…")


def _plain(task: Task) -> dict[str, Any]:
    return {
        "place": task.place.value,
        "payload": task.payload.decode(errors="surrogateescape"),
        "bytes": task.size,
        "id": task.id,
        "deliveries": task.deliveries,
        "reason": task.reason,
        "due": task.due,
        "letter": task.letter,
        "name": task.name,
    }
