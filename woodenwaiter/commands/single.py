"""The command line of what runs a single task."""

from __future__ import annotations

import argparse

from ..protocol.link import Link
from .parsers import Commands, Parents


def add_running(commands: Commands, parents: Parents) -> None:
    command = commands.add_parser(
        "run", parents=[parents.common], help="run one task here, and settle nothing"
    )
    command.add_argument("queue", metavar="TABLE:DISH")
    command.add_argument(
        "task",
        metavar="TASK|LETTER",
        help="by its name: a dead letter, or what waits or is delayed",
    )
    command.add_argument("--app", metavar="APP", help="as a supervisor takes it (pyproject.toml's)")
    command.add_argument("--pdb", action="store_true", help="debug it where it raises something")
    command.add_argument(
        "--settle",
        action="store_true",
        help="if its handler returns, count it as done; a letter goes to a trash",
    )
    command.set_defaults(run=_run)


def _run(given: argparse.Namespace, link: Link) -> int:
    from .foreground import run_task  # and with it, all that a supervisor needs

    return run_task(given, link)
