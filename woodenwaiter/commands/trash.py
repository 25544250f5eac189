"""``woodenwaiter purge``, ``trash`` and ``restore``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from ..errors import EXIT_REDIS, EXIT_UNKNOWN, StartupError
from ..protocol.link import Link
from ..protocol.queue import Queue, registered
from ..protocol.replies import reply_of
from ..protocol.trash import Kind, Trash, trashes_of
from ..text import escaped, span
from ..verbs import trash
from ..verbs.desk import desk_of_this_process
from ..verbs.words import counted
from .asking import require_consent
from .documents import document
from .known import require_known
from .parsers import Commands, Parents
from .steps import last_of
from .table import Cell, Column, drawn, look_of_stdout, name_column, text_column
from .terminal import complain, moment

COLUMNS = (
    name_column("queue"),
    name_column("trash"),
    Column("number"),
    text_column("what"),
    text_column("since"),
    text_column("who"),
    text_column("for another"),
)


class NoSuchTrash(StartupError):
    """The queue has none of that name, or none at all."""

    exit_code = EXIT_UNKNOWN


def add_trash(commands: Commands, parents: Parents) -> None:
    purge = commands.add_parser(
        "purge", parents=[parents.changing], help="move what waits to a trash, for a day"
    )
    purge.add_argument("queue", metavar="TABLE:DISH")
    purge.add_argument("--delayed", action="store_true", help="and what waits for another delivery")
    purge.set_defaults(run=purge_queue)
    shown = commands.add_parser(
        "trash",
        parents=[parents.changing],
        help="list what was purged or dropped, and can be had back",
    )
    shown.add_argument("queue", nargs="?", metavar="TABLE:DISH", help="(all that were served)")
    shown.add_argument("--empty", action="store_true", help="throw it away for good")
    shown.set_defaults(run=list_trash)
    restore = commands.add_parser(
        "restore", parents=[parents.common], help="put back what was purged or dropped"
    )
    restore.add_argument("queue", metavar="TABLE:DISH")
    restore.add_argument("name", nargs="?", metavar="NAME", help="of the trash (the latest)")
    restore.set_defaults(run=restore_trash)


def purge_queue(given: argparse.Namespace, link: Link) -> int:
    sizes = Queue(link, given.queue, lease=1).sizes()
    there = {Kind.TASKS: sizes["waiting"]}
    if given.delayed:
        there[Kind.DELAYED] = sizes["delayed"]
    purged = []
    if any(there.values()):
        require_consent(given, f"move {_listed(there)} of {given.queue} to its trash, for a day")
        desk = desk_of_this_process(link)
        purged = [trash.purge(desk, given.queue, kind) for kind, number in there.items() if number]
    else:
        require_known(Queue(link, given.queue, lease=1))
    if sizes["delayed"] and not given.delayed:
        complain(f"{counted(sizes['delayed'], Kind.DELAYED)} left: --delayed takes what is, too")
    return _print_purged(given, [each for each in purged if each.number])


def _listed(there: dict[Kind, int]) -> str:
    return " and ".join(counted(number, kind) for kind, number in there.items() if number)


def _print_purged(given: argparse.Namespace, purged: Sequence[trash.Purged]) -> int:
    if given.json:
        print(document(queue=given.queue, purged=[*map(_plain, purged)]))
    elif not purged:
        print("nothing waits")
    for each in purged:
        if each.trouble:
            complain(each.trouble)
        if not given.json:
            undo = f"woodenwaiter restore {given.queue} {each.trash}"
            print(escaped(f"{counted(each.number, each.kind)} in the trash; to undo it: {undo}"))
    return 0


def _plain(purged: trash.Purged) -> dict[str, Any]:
    return {"trash": purged.trash, "kind": purged.kind, "number": purged.number}


def list_trash(given: argparse.Namespace, link: Link) -> int:
    if given.queue is None:
        queues = registered(link)
    else:
        queues = [given.queue]
    found = dict(zip(queues, trashes_of(link, queues), strict=True))
    there = [each for some in found.values() if not isinstance(some, Exception) for each in some]
    if given.queue is not None and not there:
        require_known(Queue(link, given.queue, lease=1))
    if given.empty and there:
        return _empty(given, link, there)
    if given.json:
        print(document(trash=there))
    elif there:
        for row in drawn(COLUMNS, [*map(_row, there)], look_of_stdout()):
            print(row)
    else:
        print("no trash" if given.queue else "no trash, of any queue that was ever served")
    return _complain_of({q: some for q, some in found.items() if isinstance(some, Exception)})


def _empty(given: argparse.Namespace, link: Link, there: Sequence[Trash]) -> int:
    kinds = {kind: sum(each.number for each in there if each.kind is kind) for kind in Kind}
    require_consent(given, f"throw {_listed(kinds)} away for good")
    emptied = trash.empty(desk_of_this_process(link), there)
    noun = "entry is" if emptied.number == 1 else "entries are"
    told = f"{emptied.number:,} {noun} gone"
    print(document(emptied=emptied.number) if given.json else told)
    if emptied.trouble:
        complain(emptied.trouble)
    return 0


def _complain_of(errors: dict[str, Exception]) -> int:
    for queue, error in errors.items():
        complain(f"{queue}: {reply_of(error).whole}")
    return EXIT_REDIS if errors else 0


def _row(each: Trash) -> Sequence[Cell]:
    since = moment(each.since)
    lasts = "-" if each.left is None else span(each.left)
    texts = (each.queue, each.name, f"{each.number:,}", each.kind.value, since, each.who, lasts)
    return [*map(Cell, texts)]


def restore_trash(given: argparse.Namespace, link: Link) -> int:
    name = given.name or _latest(link, given.queue)
    undo = f"the same again goes on: woodenwaiter restore {given.queue} {name}"
    restored = last_of(
        trash.restore(desk_of_this_process(link), given.queue, name),
        lambda so_far: f"{so_far.number:,} are back, {so_far.left:,} are left; {undo}",
        lambda so_far: (so_far.number, so_far.number + so_far.left),
    )
    if restored is None:
        require_known(Queue(link, given.queue, lease=1))
        raise NoSuchTrash(
            f"there is no trash {name} of {given.queue}: woodenwaiter trash lists them"
        )
    if given.json:
        print(document(queue=given.queue, trash=name, kind=restored.kind, restored=restored.number))
    else:
        print(escaped(f"{counted(restored.number, restored.kind)} back in {given.queue}"))
    if restored.trouble:
        complain(restored.trouble)
    return 0


def _latest(link: Link, queue: str) -> str:
    [found] = trashes_of(link, [queue])
    if isinstance(found, Exception):
        raise found
    if not found:
        require_known(Queue(link, queue, lease=1))
        raise NoSuchTrash(f"there is no trash of {queue}")
    return found[-1].name
