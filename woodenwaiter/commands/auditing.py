"""``woodenwaiter audit``: who changed what."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from ..protocol.link import Link
from ..verbs.audit import KEPT, Line, audit
from .documents import document
from .parsers import Commands, Parents
from .table import Cell, Column, drawn, look_of_stdout, name_column, text_column
from .terminal import moment, number

COLUMNS = (
    text_column("when"),
    text_column("who"),
    text_column("where"),
    text_column("verb"),
    name_column("queue"),
    Column("number"),
    text_column("what"),
)


def add_audit(commands: Commands, parents: Parents) -> None:
    command = commands.add_parser(
        "audit", parents=[parents.common], help="who changed what by such commands, and when"
    )
    command.add_argument(
        "--most", type=number, default=50, metavar="N", help="how many to show, the latest (50)"
    )
    command.set_defaults(run=show_audit)


def show_audit(given: argparse.Namespace, link: Link) -> int:
    lines = audit(link, min(given.most, 2 * KEPT))[::-1]
    if given.json:
        print(document(audit=lines))
    elif lines:
        for row in drawn(COLUMNS, [*map(_row, lines)], look_of_stdout()):
            print(row)
    else:
        print("nothing was changed")
    return 0


def _row(line: Line) -> Sequence[Cell]:
    who = (line.who, line.where, line.verb, line.queue)
    return [*map(Cell, (moment(line.at), *who, f"{line.count:,}", line.what))]
