"""``woodenwaiter pause`` and ``resume``."""

from __future__ import annotations

import argparse

from ..protocol.link import Link
from ..protocol.queue import Queue
from ..text import escaped
from ..verbs import pausing
from ..verbs.desk import desk_of_this_process
from ..verbs.words import of_pause
from .documents import document
from .known import require_known
from .parsers import Commands, Parents
from .terminal import complain, duration


def add_pausing(commands: Commands, parents: Parents) -> None:
    pause = commands.add_parser(
        "pause", parents=[parents.common], help="have workers claim nothing of a queue, anywhere"
    )
    pause.add_argument("queue", metavar="TABLE:DISH")
    pause.add_argument(
        "--for",
        dest="seconds",
        type=duration,
        metavar="TIME",
        help="as 90, 90s, 10m, 2h, 1d; then it goes on by itself (until resumed)",
    )
    pause.add_argument("--why", default="", metavar="TEXT", help="for whoever wonders")
    pause.set_defaults(run=pause_queue)
    resume = commands.add_parser(
        "resume", parents=[parents.common], help="end a pause, for all workers at once"
    )
    resume.add_argument("queue", metavar="TABLE:DISH")
    resume.set_defaults(run=resume_queue)


def pause_queue(given: argparse.Namespace, link: Link) -> int:
    require_known(Queue(link, given.queue, lease=1))
    change = pausing.pause(desk_of_this_process(link), given.queue, given.seconds, given.why)
    return _print(given, change, f"{given.queue} is {of_pause(change.now)}")


def resume_queue(given: argparse.Namespace, link: Link) -> int:
    require_known(Queue(link, given.queue, lease=1))
    change = pausing.resume(desk_of_this_process(link), given.queue)
    was = f"was {of_pause(change.before)}" if change.before else "was not paused"
    return _print(given, change, f"{given.queue} {was}")


def _print(given: argparse.Namespace, change: pausing.Change, line: str) -> int:
    if given.json:
        print(document(queue=given.queue, before=change.before, now=change.now))
    else:
        print(escaped(line))
    if change.trouble:
        complain(change.trouble)
    return 0
