"""Whether there is a queue of a name that somebody typed."""

from __future__ import annotations

import difflib

from redis.exceptions import ResponseError

from ..errors import EXIT_UNKNOWN, StartupError
from ..protocol.queue import Queue, registered
from ..protocol.replies import is_outage


class NoSuchQueue(StartupError):
    """Nothing is known of it, and another may have been meant."""

    exit_code = EXIT_UNKNOWN


def require_known(queue: Queue) -> None:
    """Raises NoSuchQueue for one that holds nothing, and that nobody has ever served."""
    if any(queue.sizes().values()):
        return
    name = queue.name
    try:
        names = registered(queue.link)
    except ResponseError as error:
        if is_outage(error):
            raise
        return  # nobody can say
    if name not in names:
        similar = difflib.get_close_matches(name, names, 1)
        hint = f"; is it {similar[0]}?" if similar else ""
        raise NoSuchQueue(f"no such queue: nothing is known of {name}{hint}")
