"""``woodenwaiter status``: how many tasks each queue holds."""

from __future__ import annotations

import argparse

from redis.exceptions import ResponseError

from ..errors import EXIT_REDIS, RedisUnusable
from ..protocol.keys import REGISTRY
from ..protocol.link import Link
from ..protocol.queue import Queue, registered
from ..protocol.replies import is_outage
from ..text import escaped
from .known import NoSuchQueue, require_known
from .terminal import complain


def show_status(given: argparse.Namespace, link: Link) -> int:
    try:
        names = given.queues or registered(link)
    except ResponseError as error:
        if is_outage(error):
            raise
        raise RedisUnusable(f"{REGISTRY}: {error}") from None
    states = ("waiting", "claimed", "delayed", "dead", "workers")
    shown = {name: escaped(name) for name in names}
    width = max([len("queue"), *map(len, shown.values())])
    print(f"{'queue':{width}}", *(f"{state:>9}" for state in states))
    code = 0
    for name in names:
        try:
            queue = Queue(link, name, lease=1)
            sizes = queue.sizes()
            if given.queues and not any(sizes.values()):
                require_known(queue)
        except NoSuchQueue as unknown:
            complain(unknown)
            code = code or unknown.exit_code
        except ResponseError as error:
            if is_outage(error):
                raise
            complain(f"{name}: {error}")
            code = EXIT_REDIS
        else:
            print(f"{shown[name]:{width}}", *(f"{sizes[state]:9}" for state in states))
    return code
