"""``woodenwaiter cancel``."""

from __future__ import annotations

import argparse

from ..errors import EXIT_UNKNOWN
from ..protocol.link import Link
from ..protocol.queue import Queue
from ..text import escaped
from ..verbs.cancelling import Outcome, cancel
from ..verbs.desk import desk_of_this_process
from ..verbs.words import of_cancelled
from .documents import document
from .known import require_known
from .parsers import Commands, Parents
from .terminal import complain


def add_cancelling(commands: Commands, parents: Parents) -> None:
    command = commands.add_parser(
        "cancel",
        parents=[parents.common],
        help="have a task run no more: it becomes a dead letter, and is ended where it runs",
    )
    command.add_argument("queue", metavar="TABLE:DISH")
    command.add_argument(
        "task",
        metavar="TASK",
        help="as peek, delayed, find, running and the log call it; #… in quotes, or without the #",
    )
    command.set_defaults(run=cancel_task)


def cancel_task(given: argparse.Namespace, link: Link) -> int:
    cancelled = cancel(desk_of_this_process(link), given.queue, given.task)
    if cancelled.outcome == Outcome.UNKNOWN:
        require_known(Queue(link, given.queue, lease=1))
    if given.json:
        print(document(queue=given.queue, **vars(cancelled)))
    elif cancelled.outcome.is_cancelled:
        print(escaped(of_cancelled(cancelled)))
    else:
        complain(of_cancelled(cancelled))
    if cancelled.trouble:
        complain(cancelled.trouble)
    return 0 if cancelled.outcome.is_cancelled else EXIT_UNKNOWN
