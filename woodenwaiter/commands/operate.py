"""``woodenwaiter COMMAND``: its command line, and how its errors end."""

from __future__ import annotations

import argparse
import os
import ssl
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from typing import Any

import redis
from setproctitle import setproctitle

from .. import __version__, pace
from ..errors import EXIT_OUTPUT, EXIT_USAGE, StartupError
from ..protocol.access import REDIS_PASSWORD_FILE
from ..protocol.client import Client
from ..protocol.introduction import introduced
from ..protocol.link import Link, unusable
from ..protocol.urls import REDIS_URL, client_at, client_from_environment
from .anatomy import actions_of, commands_in
from .auditing import add_audit
from .cancelling import add_cancelling
from .completion import add_completion
from .config import add_config
from .files import add_files
from .letters import add_letters
from .looks import add_looks
from .parsers import Commands, Parents, parents
from .pausing import add_pausing
from .project import project_here
from .putting import add_putting
from .single import add_running
from .steering import add_steering
from .terminal import BriefParser, complain, print_anything, queue_name
from .trash import add_trash
from .web import add_web

CONCERNS: Sequence[Callable[[Commands, Parents], None]] = (
    add_looks,
    add_pausing,
    add_cancelling,
    add_letters,
    add_trash,
    add_putting,
    add_running,
    add_steering,
    add_audit,
    add_web,
    add_files,
    add_config,
    add_completion,
)
"""Each adds its commands, which set ``run``: what takes what was given, and a `Link`, and returns
the exit code; and ``is_local`` where no server is asked for anything."""

QUEUE = "TABLE:DISH"
"""How arguments are shown that are names of queues."""

CERTIFICATES = (ssl.SSLError, FileNotFoundError, PermissionError, IsADirectoryError)
"""Raised by what a URL says of them, when redis-py connects."""


def parser() -> argparse.ArgumentParser:
    shared = parents()
    parser = BriefParser(
        prog="woodenwaiter",
        description="Look at queues, hosts and tasks, and steer them.",
        parents=[shared.server],
    )
    parser.add_argument("--version", action="version", version=f"woodenwaiter {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add in CONCERNS:
        add(commands, shared)
    _require_names(commands_in(parser).values())
    parser.set_defaults(parser=parser)
    return parser


def _stop_printing(error: OSError) -> int:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, BrokenPipeError):  # whoever reads it has seen enough
        return 0
    complain(f"the output cannot be written: {error.strerror or error}")
    return EXIT_OUTPUT


def _require_names(commands: Iterable[argparse.ArgumentParser]) -> None:
    """Wherever a queue is named."""
    for command in commands:
        for action in actions_of(command):
            if action.metavar == QUEUE:
                action.type = queue_name


def _client_of(given: dict[str, Any]) -> Client:
    """Of the server that is named by an option, else by a variable, else by the project."""
    url, file = given.get("redis"), given.get("redis_password_file")
    if not (url or os.environ.get(REDIS_URL)):
        said = project_here().beside(given)
        url, own = said.get("redis"), said.get("redis_password_file")
        file = file or os.environ.get(REDIS_PASSWORD_FILE) or own
    if url:
        return client_at(url, file or os.environ.get(REDIS_PASSWORD_FILE))
    return client_from_environment(file) or redis.Redis()


def main(arguments: Sequence[str] | None = None) -> int:
    print_anything()
    given = parser().parse_args(arguments)
    setproctitle(f"woodenwaiter {given.command}")  # else all see the password in --redis
    try:
        client = redis.Redis() if hasattr(given, "is_local") else _client_of(vars(given))
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
