"""``woodenwaiter put``: tasks from a command line, a file or a pipe."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from ..errors import BadEntry, StartupError
from ..protocol.link import Link
from ..protocol.queue import Queue
from ..protocol.trash import Kind
from ..text import escaped
from ..verbs.desk import desk_of_this_process
from ..verbs.putting import Put, payload_in, payloads_in, put
from ..verbs.words import counted
from .asking import require_consent
from .documents import document
from .known import known_to
from .parsers import Commands, Parents
from .similar import nearest
from .steps import last_of
from .terminal import complain

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def add_putting(commands: Commands, parents: Parents) -> None:
    command = commands.add_parser(
        "put", parents=[parents.changing], help="push tasks, as a producer does"
    )
    command.add_argument("queue", metavar="TABLE:DISH")
    command.add_argument(
        "tasks",
        metavar="JSON|@FILE|-",
        help="an object; or a file, or stdin, that has one in each line",
    )
    command.set_defaults(run=put_tasks)


def put_tasks(given: argparse.Namespace, link: Link) -> int:
    payloads = _payloads(given.tasks)
    _require_served(given, link, len(payloads))
    done = last_of(
        put(desk_of_this_process(link), given.queue, payloads),
        lambda so_far: (
            f"{so_far.inside:,} of {so_far.total:,} are in: the same again puts the rest"
        ),
        lambda so_far: (so_far.inside, so_far.total),
    )
    return _print(given, done or Put(0))


def _payloads(given: str) -> Sequence[bytes]:
    """All of them, or an error that says what is wrong with which."""
    try:
        if given == "-" or given.startswith("@"):
            text = _read(given[1:]) if given != "-" else sys.stdin.buffer.read()
            return payloads_in(text.removeprefix(BYTE_ORDER_MARK).split(b"\n"))
        return [payload_in(os.fsencode(given))]
    except BadEntry as error:
        raise StartupError(f"nothing was put: {error}") from None


def _read(file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise StartupError(f"{file} cannot be read: {error.strerror or error}") from None


def _require_served(given: argparse.Namespace, link: Link, number: int) -> None:
    """Or have it said that a queue is meant which nobody has ever served."""
    names = known_to(link)
    if names is None or given.queue in names:
        return
    if not Queue(link, given.queue, lease=1).sizes()["workers"]:
        near = nearest(given.queue, names)
        hint = f" (is it {near}?)" if near else ""
        what = f"put {counted(number, Kind.TASKS)} into {given.queue}, which nobody has ever served"
        require_consent(given, what + hint)


def _print(given: argparse.Namespace, done: Put) -> int:
    if given.json:
        print(document(queue=given.queue, put=done.pushed, before=done.before))
    else:
        before = f"; {done.before:,} were in already, by a put that was interrupted"
        line = f"{counted(done.pushed, Kind.TASKS)} put into {given.queue}"
        print(escaped(line + before * bool(done.before)))
    if done.trouble:
        complain(done.trouble)
    return 0
