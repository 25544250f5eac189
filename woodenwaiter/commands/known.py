"""Whether there is a queue of a name that somebody typed."""

from __future__ import annotations

from collections.abc import Collection

from redis.exceptions import ResponseError

from ..errors import EXIT_UNKNOWN, StartupError
from ..protocol.link import Link
from ..protocol.queue import Queue, registered
from ..protocol.replies import is_outage
from .similar import hint_at


class NoSuchQueue(StartupError):
    """Nothing is known of it, and another may have been meant."""

    exit_code = EXIT_UNKNOWN

    def __init__(self, name: str, names: Collection[str]) -> None:
        super().__init__(f"no such queue: nothing is known of {name}{hint_at(name, names)}")


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
