"""``woodenwaiter pause`` and ``resume``."""

from __future__ import annotations

import argparse
import time

from ..protocol.link import Link
from ..protocol.pausing import Pause
from ..protocol.queue import Queue
from ..text import escaped, span
from ..verbs import pausing
from ..verbs.desk import desk_of_this_process
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
    return _print(given, change, f"{given.queue} is {described(change.now)}")


def resume_queue(given: argparse.Namespace, link: Link) -> int:
    require_known(Queue(link, given.queue, lease=1))
    change = pausing.resume(desk_of_this_process(link), given.queue)
    was = f"was {described(change.before)}" if change.before else "was not paused"
    return _print(given, change, f"{given.queue} {was}")


def _print(given: argparse.Namespace, change: pausing.Change, line: str) -> int:
    if given.json:
        print(document(queue=given.queue, before=change.before, now=change.now))
    else:
        print(escaped(line))
    if change.trouble:
        complain(change.trouble)
    return 0


def described(pause: Pause | None) -> str:
    """What there is to tell of a pause in a line: who began it when, until when, and why."""
    if pause is None:
        return "not paused"
    lasts = "until it is resumed" if pause.left is None else f"for {span(pause.left)} more"
    ago = f"{span(max(0.0, time.time() - pause.since))} ago" if pause.since else ""
    since = " ".join(filter(None, (ago, f"by {pause.who}" if pause.who else "")))
    return f"paused {lasts}" + f" ({since})" * bool(since) + f": {pause.why}" * bool(pause.why)
