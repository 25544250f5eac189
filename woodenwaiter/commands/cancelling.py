"""``woodenwaiter cancel``."""

from __future__ import annotations

import argparse

from ..errors import EXIT_UNKNOWN
from ..protocol.link import Link
from ..protocol.queue import Queue
from ..text import escaped, span
from ..verbs.cancelling import Cancelled, Outcome, cancel
from ..verbs.desk import desk_of_this_process
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
        print(escaped(described(cancelled)))
    else:
        complain(described(cancelled))
    if cancelled.trouble:
        complain(cancelled.trouble)
    return 0 if cancelled.outcome.is_cancelled else EXIT_UNKNOWN


def described(cancelled: Cancelled) -> str:
    """What became of it, in a line."""
    letter = f": dead letter {cancelled.letter}" if cancelled.letter else ""
    seconds, why = span(cancelled.seconds or 0), cancelled.why
    words = {
        Outcome.WAITING: f"cancelled while waiting{letter}",
        Outcome.DELAYED: f"cancelled while delayed{letter}",
        Outcome.ENDED: f"ended in {seconds}{letter}",
        Outcome.KILLED: f"killed after {seconds}{letter}; {why}",
        Outcome.OVER: "it has ended meanwhile",
        Outcome.HELD: "a worker holds it, and has not begun it: try again",
        Outcome.UNSEEN: f"{why} has it, and is not to be seen: should it be gone, the task comes "
        "back to its queue when the lease has run out",
        Outcome.UNREACHABLE: f"not known to be cancelled: {why}",
        Outcome.AMBIGUOUS: f"several are called so; give the name whole: {why}",
        Outcome.UNKNOWN: f"no such task: {cancelled.task}",
    }
    return words[cancelled.outcome]
