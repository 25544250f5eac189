"""``woodenwaiter``, or ``python -m woodenwaiter``: what operators look at and put right."""

from __future__ import annotations

import argparse
import itertools
import os
import re
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime

from redis.exceptions import ResponseError

from . import __version__
from .entry import excerpt
from .errors import EXIT_REDIS, EXIT_USAGE, RedisUnusable, StartupError
from .link import Link, ServerTrouble
from .queue import Letter, Queue, registered
from .woodenwaiter import WoodenWaiter


def parser() -> argparse.ArgumentParser:
    server = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    server.add_argument(
        "--redis", metavar="URL", help="the server (WOODENWAITER_REDIS_URL, or localhost)"
    )
    parser = argparse.ArgumentParser(
        prog="woodenwaiter",
        description="Look at queues and dead letters, and put these back.",
        parents=[server],
    )
    parser.add_argument("--version", action="version", version=f"woodenwaiter {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    status = commands.add_parser(
        "status", parents=[server], help="how many tasks each queue holds, by state"
    )
    status.add_argument("queues", nargs="*", metavar="TABLE:DISH", help="(all that were served)")
    status.set_defaults(run=show_status)

    dead = commands.add_parser(
        "dead", parents=[server], help="list a queue's dead letters, oldest first"
    )
    dead.add_argument("queue", metavar="TABLE:DISH")
    dead.add_argument("--most", type=int, default=50, metavar="N", help="how many to list (50)")
    dead.set_defaults(run=list_dead)

    for name, run, summary in (
        ("show", show_letter, "print one dead letter whole"),
        ("requeue", requeue_letters, "put dead letters back into the queue"),
        ("drop", drop_letters, "delete dead letters for good"),
    ):
        command = commands.add_parser(name, parents=[server], help=summary)
        command.add_argument("queue", metavar="TABLE:DISH")
        command.add_argument(
            "letters", nargs="+", metavar="ID", help="as the list shows it; or all"
        )
        command.set_defaults(run=run)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    given = parser().parse_args(arguments)
    try:
        url = vars(given).get("redis")
        waiter = WoodenWaiter.from_url(url) if url else WoodenWaiter()
        code: int = given.run(given, Link(waiter.redis_clt, timeout=10))
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # whoever reads it has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except ServerTrouble as error:
        failure = RedisUnusable(f"Redis does not answer as it should: {error}")
        print(f"woodenwaiter: {failure}", file=sys.stderr)
        return failure.exit_code
    except (StartupError, ValueError) as error:
        print(f"woodenwaiter: {error}", file=sys.stderr)
        return EXIT_USAGE


def _chosen(given: argparse.Namespace, queue: Queue) -> Iterable[Letter]:
    """The dead letters that the command line names, if all are there; "all" for those that are
    there now."""
    if given.letters == ["all"]:
        last = queue.newest_letter()
        return queue.dead_letters(last=last) if last else ()
    chosen: list[Letter] = []
    for name in given.letters:
        valid = re.fullmatch(r"\d{1,20}-\d{1,20}", name)
        found = valid and list(queue.dead_letters(first=name, last=name))
        if not found:
            raise StartupError(f"there is no dead letter {name} in {given.queue}")
        chosen += found
    return chosen


def _text(fields: dict[str, bytes], name: str) -> str:
    return fields.get(name, b"").decode(errors="backslashreplace")


def _moment(seconds: str) -> str:
    """Unix time as people read it; anything else as it is."""
    try:
        return datetime.fromtimestamp(float(seconds)).astimezone().isoformat(" ", "seconds")
    except (ValueError, OverflowError, OSError):
        return seconds


def show_status(given: argparse.Namespace, link: Link) -> int:
    names = given.queues or registered(link)
    states = ("waiting", "claimed", "delayed", "dead", "workers")
    width = max([len("queue"), *map(len, names)])
    print(f"{'queue':{width}}", *(f"{state:>9}" for state in states))
    code = 0
    for name in names:
        try:
            sizes = Queue(link, name, lease=1).sizes()
        except ResponseError as error:
            print(f"woodenwaiter: {name}: {error}", file=sys.stderr)
            code = EXIT_REDIS
        else:
            print(f"{name:{width}}", *(f"{sizes[state]:9}" for state in states))
    return code


def list_dead(given: argparse.Namespace, link: Link) -> int:
    letters = Queue(link, given.queue, lease=1).dead_letters()
    for letter, fields in itertools.islice(letters, given.most):
        why = f"{_text(fields, 'reason')}: {excerpt(fields.get('error', b''), 1000)}"
        print(f"{letter}  {why.rstrip(': ')}")
        print(f"    {excerpt(fields.get('payload', b''))}")
    return 0


def show_letter(given: argparse.Namespace, link: Link) -> int:
    for letter, fields in _chosen(given, Queue(link, given.queue, lease=1)):
        print(f"letter: {letter}")
        for name in fields:
            text = _text(fields, name).rstrip()
            print(f"{name}: {_moment(text) if name == 'first_failed' else text}")
        print()
    return 0


def requeue_letters(given: argparse.Namespace, link: Link) -> int:
    queue = Queue(link, given.queue, lease=1)
    count = sum(queue.requeue(letter) for letter, _ in _chosen(given, queue))
    print(f"{count} back in {given.queue}")
    return 0


def drop_letters(given: argparse.Namespace, link: Link) -> int:
    queue = Queue(link, given.queue, lease=1)
    count = sum(queue.drop(letter) for letter, _ in _chosen(given, queue))
    print(f"{count} dropped from {given.queue}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
