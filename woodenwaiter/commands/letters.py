"""``woodenwaiter dead``, ``show``, ``requeue``, ``drop``: dead letters."""

from __future__ import annotations

import argparse
import itertools
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from ..errors import EXIT_UNKNOWN, EXIT_USAGE, StartupError
from ..protocol.entry import excerpt
from ..protocol.link import Link
from ..protocol.queue import Letter, Queue
from ..text import escaped, escaped_lines
from .documents import document
from .known import require_known
from .parsers import Commands, Parents
from .terminal import complain, number

NONE = "no dead letters"


def add_letters(commands: Commands, parents: Parents) -> None:
    dead = commands.add_parser(
        "dead", parents=[parents.common], help="list a queue's dead letters, oldest first"
    )
    dead.add_argument("queue", metavar="TABLE:DISH")
    dead.add_argument("--most", type=number, default=50, metavar="N", help="how many to list (50)")
    dead.set_defaults(run=list_dead)

    for name, run, summary in (
        ("show", show_letter, "print one dead letter whole"),
        ("requeue", requeue_letters, "put dead letters back into the queue"),
        ("drop", drop_letters, "delete dead letters for good"),
    ):
        command = commands.add_parser(name, parents=[parents.common], help=summary)
        command.add_argument("queue", metavar="TABLE:DISH")
        command.add_argument(
            "letters", nargs="+", metavar="ID", help="as the list shows it; or all"
        )
        command.set_defaults(run=run)


class NoSuchLetter(StartupError):
    """The queue has no dead letter of that name."""

    exit_code = EXIT_UNKNOWN


def _chosen(given: argparse.Namespace, queue: Queue) -> Iterable[Letter]:
    """The dead letters that the command line names, if all are there; "all" for those that are
    there now."""
    last = queue.newest_letter()
    if not last:
        require_known(queue)
    if given.letters == ["all"]:
        return queue.dead_letters(last=last) if last else ()
    chosen: list[Letter] = []
    for name in given.letters:
        if not re.fullmatch(r"\d{1,20}-\d{1,20}", name, re.ASCII):
            raise StartupError(f"{name} is no dead letter's name: woodenwaiter dead lists them")
        found = list(queue.dead_letters(first=name, last=name))
        if not found:
            raise NoSuchLetter(f"there is no dead letter {name} in {given.queue}")
        chosen += found
    return chosen


def _moment(seconds: str) -> str:
    """Unix time as people read it; anything else as it is."""
    try:
        return datetime.fromtimestamp(float(seconds)).astimezone().isoformat(" ", "seconds")
    except (ValueError, OverflowError, OSError):
        return seconds


def list_dead(given: argparse.Namespace, link: Link) -> int:
    queue = Queue(link, given.queue, lease=1)
    if not queue.newest_letter():
        require_known(queue)
    letters = list(itertools.islice(queue.dead_letters(), given.most))
    if given.json:
        return _print_letters(given.queue, letters)
    if not letters:
        print(NONE)
    for letter, fields in letters:
        reason, error = (excerpt(fields.get(name, b""), 1000) for name in ("reason", "error"))
        print(f"{letter}  {f'{reason}: {error}'.rstrip(': ')}")
        print(f"    {excerpt(fields.get('payload', b''))}")
    return 0


def _print_letters(queue: str, letters: Sequence[Letter]) -> int:
    print(document(queue=queue, letters=[*map(_plain, letters)]))
    return 0


def _plain(letter: Letter) -> dict[str, Any]:
    name, fields = letter
    texts = {field: value.decode(errors="surrogateescape") for field, value in fields.items()}
    return {"letter": name, "fields": texts}


def show_letter(given: argparse.Namespace, link: Link) -> int:
    letters = _chosen(given, Queue(link, given.queue, lease=1))
    if given.json:
        return _print_letters(given.queue, [*letters])
    letter = ""
    for letter, fields in letters:
        print(f"letter: {letter}")
        for name, value in fields.items():
            text = escaped_lines(value.decode(errors="backslashreplace").rstrip())
            print(f"{escaped(name)}: {_moment(text) if name == 'first_failed' else text}")
        print()
    if not letter:
        print(NONE)
    return 0


def requeue_letters(given: argparse.Namespace, link: Link) -> int:
    queue = Queue(link, given.queue, lease=1)
    count, left = 0, []
    for letter, fields in _chosen(given, queue):
        if "payload" in fields:
            count += queue.requeue(letter)
        else:
            complain(f"dead letter {letter} in {given.queue} is left: it has no field payload")
            left.append(letter)
    if given.json:
        print(document(queue=given.queue, requeued=count, left=left))
    else:
        print(f"{count} back in {escaped(given.queue)}")
    return EXIT_USAGE if left else 0


def drop_letters(given: argparse.Namespace, link: Link) -> int:
    queue = Queue(link, given.queue, lease=1)
    count = sum(queue.drop(letter) for letter, _ in _chosen(given, queue))
    if given.json:
        print(document(queue=given.queue, dropped=count))
    else:
        print(f"{count} dropped from {escaped(given.queue)}")
    return 0
