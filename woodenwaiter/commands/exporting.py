"""``woodenwaiter export`` and ``import``: dead letters in a file."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO

from ..errors import StartupError
from ..protocol.letters import Full, NoLetter, exported, imported
from ..protocol.link import Link
from ..text import escaped
from ..verbs import letters
from ..verbs.desk import desk_of_this_process
from .documents import document
from .letters import add_names, complain_of_missing, filters_of_letters, selection_of
from .parsers import Commands, Parents
from .steps import last_of
from .terminal import complain


def add_exporting(commands: Commands, parents: Parents) -> None:
    export = commands.add_parser(
        "export",
        parents=[parents.server, filters_of_letters()],
        help="print dead letters for `import`, a line each; none is taken",
    )
    add_names(export)
    export.add_argument("--to", metavar="FILE", help="(stdout)")
    export.set_defaults(run=export_letters)
    bring_in = commands.add_parser(
        "import", parents=[parents.common], help="add dead letters that were exported"
    )
    bring_in.add_argument("queue", metavar="TABLE:DISH")
    bring_in.add_argument("file", metavar="FILE", help="or - for stdin")
    bring_in.set_defaults(run=import_letters)


def export_letters(given: argparse.Namespace, link: Link) -> int:
    """A file is there once it is whole."""
    selection = selection_of(given)
    names = set()
    with ExitStack() as stack:
        out = stack.enter_context(_new(given.to)) if given.to else sys.stdout
        for portion in letters.whole(link, given.queue, selection):
            for letter in portion:
                names.add(letter.name)
                out.write(exported(letter) + "\n")
    if given.to:
        Path(_draft(given.to)).replace(given.to)
    return complain_of_missing(given, [name for name in selection.names if name not in names])


def _draft(file: str) -> str:
    return f"{file}.part"


def _new(file: str) -> TextIO:
    try:
        return Path(_draft(file)).open("w", encoding="ascii")
    except OSError as error:
        raise StartupError(f"{file} cannot be written: {error.strerror or error}") from None


def import_letters(given: argparse.Namespace, link: Link) -> int:
    """All of it is looked at before any is added."""
    lines = _lines(given.file)
    number = sum(1 for _ in _read(given.file, lines))
    steps = letters.bring_in(
        desk_of_this_process(link), given.queue, _read(given.file, lines), given.file
    )
    done = last_of(
        steps, lambda so_far: f"{so_far.added:,} added so far", lambda step: (step.seen, number)
    )
    result = done or letters.Imported()
    if given.json:
        print(document(queue=given.queue, imported=result.added, of=result.seen))
    else:
        here = f"; {result.seen - result.added:,} were here already" * (result.added < result.seen)
        print(escaped(f"{result.added:,} added to the dead letters of {given.queue}{here}"))
    if result.trouble:
        complain(result.trouble)
    return 0


def _lines(file: str) -> list[str]:
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text("ascii")
    except OSError as error:
        raise StartupError(f"{file} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise StartupError(f"{file} was not exported: that would be all ASCII") from None
    return [line for line in text.split("\n") if line.strip()]


def _read(file: str, lines: list[str]) -> Iterator[Full]:
    for place, line in enumerate(lines, 1):
        try:
            yield imported(line)
        except NoLetter as error:
            raise StartupError(f"{file}, line {place}: {error}: nothing was done") from None
