"""``woodenwaiter COMMAND``: its command line, and how its errors end."""

from __future__ import annotations

import argparse
import os
import ssl
import sys
from collections.abc import Sequence
from contextlib import closing
from typing import Any, TypeAlias

import redis
from setproctitle import setproctitle

from .. import __version__, pace
from ..errors import EXIT_OUTPUT, EXIT_USAGE, StartupError
from ..protocol.access import REDIS_PASSWORD_FILE
from ..protocol.client import Client
from ..protocol.introduction import introduced
from ..protocol.link import Link, unusable
from ..protocol.urls import client_at, client_from_environment
from .hosts import show_hosts, show_running, show_workers
from .letters import drop_letters, list_dead, requeue_letters, show_letter
from .operators import print_file
from .status import show_status
from .tasks import find_tasks, show_delayed, show_next
from .terminal import (
    BriefParser,
    complain,
    number,
    number_of_tasks,
    print_anything,
    seconds,
    some_text,
)
from .top import show_top

CERTIFICATES = (ssl.SSLError, FileNotFoundError, PermissionError, IsADirectoryError)
"""Raised by what a URL says of them, when redis-py connects."""

Commands: TypeAlias = "argparse._SubParsersAction[BriefParser]"


def parser() -> argparse.ArgumentParser:
    server = BriefParser(add_help=False, argument_default=argparse.SUPPRESS)
    server.add_argument(
        "--redis", metavar="URL", help="its address (WOODENWAITER_REDIS_URL, or localhost)"
    )
    server.add_argument(
        "--redis-password-file", metavar="FILE", help="has its password (…_REDIS_PASSWORD_FILE)"
    )
    parser = BriefParser(
        prog="woodenwaiter",
        description="Look at queues and dead letters, and put these back.",
        parents=[server],
    )
    parser.add_argument("--version", action="version", version=f"woodenwaiter {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    common = BriefParser(add_help=False, parents=[server])
    common.add_argument("--json", action="store_true", help="for programs, as README.rst says")
    _add_looks(commands, common)
    _add_top(commands, server)
    _add_letters(commands, common)
    _add_files(commands)
    return parser


def _add_letters(commands: Commands, common: BriefParser) -> None:
    dead = commands.add_parser(
        "dead", parents=[common], help="list a queue's dead letters, oldest first"
    )
    dead.add_argument("queue", metavar="TABLE:DISH")
    dead.add_argument("--most", type=number, default=50, metavar="N", help="how many to list (50)")
    dead.set_defaults(run=list_dead)

    for name, run, summary in (
        ("show", show_letter, "print one dead letter whole"),
        ("requeue", requeue_letters, "put dead letters back into the queue"),
        ("drop", drop_letters, "delete dead letters for good"),
    ):
        command = commands.add_parser(name, parents=[common], help=summary)
        command.add_argument("queue", metavar="TABLE:DISH")
        command.add_argument(
            "letters", nargs="+", metavar="ID", help="as the list shows it; or all"
        )
        command.set_defaults(run=run)


def _add_files(commands: Commands) -> None:
    """What is the same for everybody."""
    for name, file, summary in (
        ("dashboard", "grafana.json", "print a dashboard for Grafana, of what --metrics tells"),
        ("alerts", "alerts.yml", "print alerting rules for Prometheus, likewise"),
    ):
        commands.add_parser(name, help=summary).set_defaults(run=print_file, file=file)


def _add_looks(commands: Commands, common: BriefParser) -> None:
    """What takes nothing, and changes nothing."""
    _add_views(commands, common)
    _add_tasks(commands, common)
    check = commands.add_parser(
        "check", parents=[common], help="say what is wrong, or will be, and what to do"
    )
    check.add_argument("app", nargs="?", metavar="APP", help="to be imported, as a supervisor does")
    check.set_defaults(run=_check)


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


def _stop_printing(error: OSError) -> int:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, BrokenPipeError):  # whoever reads it has seen enough
        return 0
    complain(f"the output cannot be written: {error.strerror or error}")
    return EXIT_OUTPUT


def _client_of(given: dict[str, Any]) -> Client:
    url, file = given.get("redis"), given.get("redis_password_file")
    if url:
        return client_at(url, file or os.environ.get(REDIS_PASSWORD_FILE))
    return client_from_environment(file) or redis.Redis()


def main(arguments: Sequence[str] | None = None) -> int:
    print_anything()
    given = parser().parse_args(arguments)
    setproctitle(f"woodenwaiter {given.command}")  # else all see the password in --redis
    try:
        client = _client_of(vars(given))
        link = Link(client, pace.OPERATOR_WAIT, introduced("operator"))
        with closing(link):
            code: int = given.run(given, link)
        if sys.stdout:  # it may be closed
            sys.stdout.flush()
        return code
    except (redis.RedisError, *CERTIFICATES) as error:
        failure = unusable(link.address, error)
        complain(failure)
        return failure.exit_code
    except OSError as error:  # redis-py has errors of its own for the server's
        return _stop_printing(error)
    except (StartupError, ValueError) as error:
        complain(error)
        return error.exit_code if isinstance(error, StartupError) else EXIT_USAGE
