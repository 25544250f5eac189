"""Whether there is a queue of a name that somebody typed."""

from __future__ import annotations

import difflib
from collections.abc import Collection

from redis.exceptions import ResponseError

from ..errors import EXIT_UNKNOWN, StartupError
from ..protocol.link import Link
from ..protocol.queue import Queue, registered
from ..protocol.replies import is_outage


def hint_of(name: str, names: Collection[str]) -> str:
    """Which of these may be meant, in words; or nothing."""
    near = nearest(name, names)
    return f"; is it {near}?" if near else ""


class NoSuchQueue(StartupError):
    """Nothing is known of it, and another may have been meant."""

    exit_code = EXIT_UNKNOWN

    def __init__(self, name: str, names: Collection[str]) -> None:
        hint = hint_of(name, names)
        super().__init__(f"no such queue: nothing is known of {name}{hint}")


def nearest(name: str, names: Collection[str]) -> str | None:
    """Which of these may be meant, if any is near."""
    return next(iter(difflib.get_close_matches(name, names, 1)), None)


def require_known(queue: Queue) -> None:
    """Raises NoSuchQueue for one that holds nothing, and that nobody has ever served."""
    if any(queue.sizes().values()):
        return
    names = known_to(queue.link)
    if names is not None and queue.name not in names:
        raise NoSuchQueue(queue.name, names)


def known_to(link: Link) -> list[str] | None:
    """The names of all queues that were ever served; None where this user may not ask."""
    try:
        return registered(link)
    except ResponseError as error:
        if is_outage(error):
            raise
        return None
