"""``woodenwaiter status``: how many tasks each queue holds."""

from __future__ import annotations

import argparse
import sys

from redis.exceptions import ResponseError

from ..errors import EXIT_REDIS
from ..protocol.link import Link
from ..protocol.queue import Queue, registered


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
