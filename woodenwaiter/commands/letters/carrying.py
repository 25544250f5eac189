"""``woodenwaiter export`` and ``import``: dead letters as lines of JSON."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from ...errors import BadEntry, StartupError
from ...protocol.letters import Filter
from ...protocol.link import Link
from ...protocol.queue import Queue
from ...protocol.trash import Kind
from ...text import escaped
from ...verbs.desk import desk_of_this_process
from ...verbs.exports import Added, add, checked, exported
from ...verbs.words import counted
from ..asking import require_consent
from ..documents import document
from ..known import NoSuchQueue, require_known
from ..steps import last_of, seen_to
from ..terminal import complain
from .choosing import ALL, chosen, complain_of_missing, filter_of


def export_letters(given: argparse.Namespace, link: Link) -> int:
    if not given.letters and filter_of(given) == Filter():
        given.letters = [ALL]
    choice = chosen(given, link)
    lines = exported(link, given.queue, choice)
    if given.to is None:
        for line in lines:
            print(line)
        return complain_of_missing(given, choice)
    number = _write(given.to, lines, len(choice.picks))
    if given.json:
        print(document(queue=given.queue, exported=number, file=given.to))
    else:
        print(escaped(f"{number:,} of {given.queue} in {given.to}"))
    return complain_of_missing(given, choice)


def _write(name: str, lines: Iterator[str], total: int) -> int:
    """To a file that is not there yet; returns how many lines it has."""
    number = 0
    try:
        file = Path(name).open("x")
    except FileExistsError:
        raise StartupError(f"{name} is there already: name a new file") from None
    except OSError as error:
        raise StartupError(f"{name} cannot be written: {error.strerror or error}") from None
    with file, seen_to() as progress:
        try:
            for number, line in enumerate(lines, 1):
                file.write(f"{line}\n")
                progress.show(number, total)
        except BaseException:
            complain(f"{name} has the first {number:,} of {total:,} only")
            raise
    return number


def import_letters(given: argparse.Namespace, link: Link) -> int:
    with ExitStack() as stack:
        file = _readable(given.file, stack)
        try:
            total = checked(file)
        except BadEntry as error:
            raise StartupError(f"nothing was imported: {given.file}, {error}") from None
        _require_consent(given, link, total)
        file.seek(0)
        steps = add(desk_of_this_process(link), given.queue, file, total)
        done = last_of(
            steps,
            lambda so_far: (
                f"{so_far.looked:,} of {so_far.total:,} are in {given.queue}: "
                "the same again goes on"
            ),
            lambda so_far: (so_far.looked, so_far.total),
        )
    return _print_added(given, done or Added(0))


def _readable(name: str, stack: ExitStack) -> IO[bytes]:
    """What can be read twice."""
    try:
        file = sys.stdin.buffer if name == "-" else stack.enter_context(Path(name).open("rb"))
        if name != "-" and file.seekable():
            return file
        copy = stack.enter_context(tempfile.TemporaryFile())
        shutil.copyfileobj(file, copy)
    except OSError as error:
        raise StartupError(f"{name} cannot be read: {error.strerror or error}") from None
    copy.seek(0)
    return copy


def _require_consent(given: argparse.Namespace, link: Link, total: int) -> None:
    """Where nobody has ever served the queue, another may be meant."""
    try:
        require_known(Queue(link, given.queue, lease=1))
    except NoSuchQueue as error:
        require_consent(given, f"import {counted(total, Kind.LETTERS)}, though {error}")


def _print_added(given: argparse.Namespace, done: Added) -> int:
    before = done.total - done.number
    if given.json:
        print(document(queue=given.queue, imported=done.number, before=before))
    else:
        known = f"; {before:,} had been within a day, and are not again" if before else ""
        print(escaped(f"{counted(done.number, Kind.LETTERS)} imported into {given.queue}{known}"))
    if done.trouble:
        complain(done.trouble)
    return 0
