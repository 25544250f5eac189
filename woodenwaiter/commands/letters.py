"""``woodenwaiter dead``, ``show``, ``requeue``, ``drop``: dead letters."""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from ..errors import EXIT_UNKNOWN, EXIT_USAGE, StartupError
from ..protocol.entry import excerpt
from ..protocol.letters import Full, Letter
from ..protocol.link import Link
from ..protocol.queue import Queue
from ..text import escaped, escaped_lines, span
from ..verbs import letters
from ..verbs.desk import desk_of_this_process
from ..verbs.letters import NAME, Group, Selection, Step
from .asking import require_consent
from .documents import document
from .editing import edited
from .known import require_known
from .parsers import Commands, Parents
from .steps import last_of
from .table import Cell, Column, drawn, look_of_stdout, name_column, text_column
from .terminal import BriefParser, complain, duration, number, per_second, some_text

NONE = "no dead letters"

COLUMNS = (
    name_column("group"),
    Column("number"),
    Column("first"),
    Column("last"),
    text_column("the last of them"),
    text_column("what they died of"),
)


def add_letters(commands: Commands, parents: Parents) -> None:
    filters = filters_of_letters()
    dead = commands.add_parser(
        "dead",
        parents=[parents.common, filters],
        help="what a queue's dead letters died of, or each of them",
    )
    dead.add_argument("queue", metavar="TABLE:DISH")
    dead.add_argument("--list", action="store_true", help="one by one, the oldest first")
    dead.add_argument("--most", type=number, default=50, metavar="N", help="how many to list (50)")
    dead.set_defaults(run=show_dead)

    for name, run, summary, options in (
        ("show", show_letters, "print dead letters whole", parents.common),
        ("requeue", requeue_letters, "put dead letters back into the queue", parents.common),
        ("drop", drop_letters, "move dead letters to a trash, for a day", parents.changing),
    ):
        command = commands.add_parser(name, parents=[options, filters], help=summary)
        add_names(command)
        command.set_defaults(run=run)
        if run is requeue_letters:
            _add_ways(command)


def _add_ways(command: BriefParser) -> None:
    way = command.add_mutually_exclusive_group()
    way.add_argument("--edit", action="store_true", help="one, after its payload is edited")
    way.add_argument("--delay", type=duration, default=0.0, metavar="TIME", help="in 10m, say")
    command.add_argument(
        "--rate", type=per_second, default=0.0, metavar="N/s", help="so many a second, at most"
    )


def filters_of_letters() -> BriefParser:
    filters = BriefParser(add_help=False)
    group = filters.add_argument_group("which dead letters")
    for option, kind, metavar, summary in (
        ("--older", duration, "TIME", "buried so long ago or longer, as 90, 90s, 10m, 2h, 1d"),
        ("--newer", duration, "TIME", "buried later than that"),
        ("--reason", some_text, "TEXT", "in the reason"),
        ("--error", some_text, "TEXT", "in the error"),
        ("--text", some_text, "TEXT", "anywhere, its payload above all"),
        ("--group", some_text, "NAME", "as woodenwaiter dead names them"),
    ):
        group.add_argument(option, type=kind, metavar=metavar, help=summary)
    return filters


def add_names(command: argparse.ArgumentParser) -> None:
    command.add_argument("queue", metavar="TABLE:DISH")
    command.add_argument("letters", nargs="*", metavar="ID", help="as dead --list has it; or all")


def selection_of(given: argparse.Namespace) -> Selection:
    """The letters that the command line is about, of all if it has a filter or says "all"."""
    names = getattr(given, "letters", ["all"])
    selection = Selection(
        tuple(name for name in names if name != "all"),
        given.older,
        given.newer,
        given.reason or "",
        given.error or "",
        given.text or "",
        given.group or "",
    )
    for name in selection.names:
        if not NAME.fullmatch(name):
            raise StartupError(
                f"{name} is no dead letter's name: woodenwaiter dead {given.queue} --list has them"
            )
    if selection.is_all and not names:
        raise StartupError("say which: dead letters' names, or all, or --group and the like")
    if selection.names and (len(selection.names) < len(names) or not _is_plain(selection)):
        raise StartupError("say which: either dead letters' names, or all, or --group and the like")
    return selection


def _is_plain(selection: Selection) -> bool:
    return selection == Selection(selection.names)


def complain_of_missing(given: argparse.Namespace, missing: Sequence[str]) -> int:
    """Returns the exit code."""
    for name in missing:
        complain(f"there is no dead letter {name} in {given.queue}")
    return EXIT_UNKNOWN if missing else 0


# Looking.


def show_dead(given: argparse.Namespace, link: Link) -> int:
    selection = selection_of(given)
    if given.list:
        return _list(given, link, selection)
    groups = letters.groups(link, given.queue, selection)
    if not groups:
        require_known(Queue(link, given.queue, lease=1))
    if given.json:
        print(document(queue=given.queue, groups=[*map(_plain_group, groups)]))
    elif groups:
        for row in drawn(COLUMNS, [*map(_row, groups)], look_of_stdout()):
            print(row)
    else:
        print(NONE)
    return 0


def _row(group: Group) -> list[Cell]:
    now = time.time()
    ages = (f"{span(max(0.0, now - at))} ago" for at in (group.first, group.last))
    return [*map(Cell, (group.name, f"{group.count:,}", *ages, group.example.name, group.kind))]


def _plain_group(group: Group) -> dict[str, Any]:
    return {**vars(group), "example": _plain_excerpt(group.example)}


def _plain_excerpt(letter: Letter) -> dict[str, Any]:
    payload = letter.payload.decode(errors="surrogateescape")
    return {
        "letter": letter.name,
        "payload": payload,
        "bytes": letter.size,
        "fields": dict(letter.fields),
    }


def _list(given: argparse.Namespace, link: Link, selection: Selection) -> int:
    found = _letters(link, given.queue, selection)
    shown = [*itertools.islice(found, given.most)]
    if not shown:
        require_known(Queue(link, given.queue, lease=1))
    if given.json:
        print(document(queue=given.queue, letters=[*map(_plain_excerpt, shown)]))
        return 0
    for letter in shown:
        why = ": ".join(filter(None, (letter.reason, letter.error)))
        print(f"{letter.name}  {excerpt(why.encode(errors='surrogateescape'), 1000)}")
        print(f"    {excerpt(letter.payload)}")
    if not shown:
        print(NONE)
    return 0


def _letters(link: Link, queue: str, selection: Selection) -> Iterator[Letter]:
    for portion in letters.portions(link, queue, selection):
        yield from portion.found


def show_letters(given: argparse.Namespace, link: Link) -> int:
    selection = selection_of(given)
    whole = itertools.chain.from_iterable(letters.whole(link, given.queue, selection))
    names = []
    if given.json:
        found = [*whole]
        names = [letter.name for letter in found]
        print(document(queue=given.queue, letters=[*map(_plain, found)]))
    else:
        for letter in whole:
            names.append(letter.name)
            _print(letter)
    return _end(given, link, selection, names)


def _end(given: argparse.Namespace, link: Link, selection: Selection, names: Sequence[str]) -> int:
    if not names:
        require_known(Queue(link, given.queue, lease=1))
    if not (names or selection.names or given.json):
        print(NONE)
    return complain_of_missing(given, [n for n in selection.names if n not in names])


def _plain(letter: Full) -> dict[str, Any]:
    fields: dict[str, str] = {}
    for name, value in letter.fields:
        field, text = (part.decode(errors="surrogateescape") for part in (name, value))
        fields[field] = f"{fields[field]}\n{text}" if field in fields else text
    return {"letter": letter.name, "fields": fields}


def _print(letter: Full) -> None:
    print(f"letter: {letter.name}")
    for name, value in _plain(letter)["fields"].items():
        shown = value.encode(errors="surrogateescape").decode(errors="backslashreplace")
        text = escaped_lines(shown.rstrip())
        print(f"{escaped(name)}: {_moment(text) if name == 'first_failed' else text}")
    print()


def _moment(seconds: str) -> str:
    """Unix time as people read it; anything else as it is."""
    try:
        return datetime.fromtimestamp(float(seconds)).astimezone().isoformat(" ", "seconds")
    except (ValueError, OverflowError, OSError):
        return seconds


# Acting.


def requeue_letters(given: argparse.Namespace, link: Link) -> int:
    selection, desk = selection_of(given), desk_of_this_process(link)
    if given.edit:
        name, payload = edited(link, given.queue, selection)
        step: Step | None = letters.requeue_changed(desk, given.queue, name, payload)
    else:
        steps = letters.requeue(desk, given.queue, selection, given.delay, given.rate)
        step = last_of(steps, lambda so_far: f"{so_far.done:,} are back so far", _extent)
    back = step or Step()
    for letter in back.left:
        complain(f"dead letter {letter} in {given.queue} is left: it has no field payload")
    return _tell(
        given,
        link,
        back,
        f"{back.done:,} back in {escaped(given.queue)}",
        {"requeued": back.done, "left": back.left},
    )


def drop_letters(given: argparse.Namespace, link: Link) -> int:
    selection = selection_of(given)
    if number := sum(1 for _ in _letters(link, given.queue, selection)):
        noun = "dead letter" + "s" * (number != 1)
        require_consent(given, f"drop {number:,} {noun} of {given.queue}, to its trash for a day")
    steps = letters.drop(desk_of_this_process(link), given.queue, selection)
    step = last_of(steps, lambda so_far: _dropped(given, so_far), _extent) or Step()
    told = {"dropped": step.done, "trash": step.trash if step.done else None}
    return _tell(given, link, step, _dropped(given, step), told)


def _dropped(given: argparse.Namespace, step: Step) -> str:
    undo = f"; to undo it: woodenwaiter restore {given.queue} {step.trash}" if step.done else ""
    return escaped(f"{step.done:,} dropped from {given.queue}{undo}")


def _extent(step: Step) -> tuple[int, int]:
    return step.looked, step.there


def _tell(
    given: argparse.Namespace,
    link: Link,
    step: Step,
    line: str,
    told: dict[str, Any],
) -> int:
    if not (step.done or step.left):
        require_known(Queue(link, given.queue, lease=1))
    print(document(queue=given.queue, **told) if given.json else line)
    if step.trouble:
        complain(step.trouble)
    return complain_of_missing(given, step.missing) or (EXIT_USAGE if step.left else 0)
