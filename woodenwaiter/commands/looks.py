"""The command lines of what takes nothing, and changes nothing."""

from __future__ import annotations

import argparse

from .. import pace
from ..protocol.link import Link
from .hosts import show_hosts, show_running, show_workers
from .parsers import Commands, Parents
from .status import show_status
from .tasks import find_tasks, show_delayed, show_next
from .terminal import BriefParser, number_of_tasks, seconds, some_text
from .top import show_top


def add_looks(commands: Commands, parents: Parents) -> None:
    _add_views(commands, parents.common)
    _add_tasks(commands, parents.common)
    check = commands.add_parser(
        "check", parents=[parents.common], help="say what is wrong, or will be, and what to do"
    )
    check.add_argument("app", nargs="?", metavar="APP", help="to be imported, as a supervisor does")
    check.set_defaults(run=_check)
    _add_top(commands, parents.server)


def _add_views(commands: Commands, common: BriefParser) -> None:
    """What can be looked at again and again."""
    views = BriefParser(add_help=False, parents=[common])
    views.add_argument(
        "--watch",
        nargs="?",
        type=seconds,
        const=pace.WATCH,
        metavar="SECONDS",
        help=f"again and again ({pace.WATCH:g})",
    )
    status = commands.add_parser(
        "status",
        parents=[views],
        help="what each queue holds, what comes and goes, how long it waits",
    )
    status.add_argument("queues", nargs="*", metavar="TABLE:DISH", help="(all that were served)")
    status.add_argument(
        "--queue", action="append", default=[], dest="named", metavar="TABLE:DISH", help="likewise"
    )
    whose = status.add_mutually_exclusive_group()
    for option, run, summary in (
        ("--hosts", show_hosts, "each supervisor, and how it fares"),
        ("--workers", show_workers, "each worker that runs a task, and how many others there are"),
    ):
        whose.add_argument(option, dest="run", action="store_const", const=run, help=summary)
    status.set_defaults(run=show_status)

    running = commands.add_parser(
        "running", parents=[views], help="what runs where, and for how long; longest first"
    )
    running.add_argument("queue", nargs="?", metavar="TABLE:DISH", help="(all)")
    running.add_argument(
        "--trace", action="store_true", help="and where each is now, as its host answers"
    )
    running.set_defaults(run=show_running)


def _add_top(commands: Commands, server: BriefParser) -> None:
    top = commands.add_parser(
        "top", parents=[server], help="queues, hosts and tasks, live, on a whole screen"
    )
    top.add_argument("queues", nargs="*", metavar="TABLE:DISH", help="(all that were served)")
    top.add_argument(
        "--watch",
        type=seconds,
        default=pace.WATCH,
        metavar="SECONDS",
        help=f"between two looks ({pace.WATCH:g})",
    )
    top.set_defaults(run=show_top)


def _add_tasks(commands: Commands, common: BriefParser) -> None:
    for name, show, summary in (
        ("peek", show_next, "show the tasks that come next; none is taken"),
        ("delayed", show_delayed, "show the tasks that wait for another delivery"),
    ):
        command = commands.add_parser(name, parents=[common], help=summary)
        command.add_argument("queue", metavar="TABLE:DISH")
        command.add_argument(
            "number", nargs="?", type=number_of_tasks, default=10, metavar="N", help="how many (10)"
        )
        command.set_defaults(run=show)

    find = commands.add_parser(
        "find", parents=[common], help="look for a text in what waits, is delayed, or is dead"
    )
    find.add_argument("queue", metavar="TABLE:DISH")
    find.add_argument("text", type=some_text, metavar="TEXT")
    find.add_argument(
        "--most", type=number_of_tasks, default=50, metavar="N", help="how many to show (50)"
    )
    find.set_defaults(run=find_tasks)


def _check(given: argparse.Namespace, link: Link) -> int:
    from .check import check_all  # and with it, all that a supervisor needs

    return check_all(given, link)
