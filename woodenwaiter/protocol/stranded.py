"""Claims that nobody would miss: their owner is in no list any more.

The lists of owners and of leases may both be gone, deleted by a person or evicted by the server,
when a host dies.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from redis.exceptions import ResponseError

from .. import pace
from ..events import about
from ..logs import log
from ..text import escaped
from .keys import ANY_CLAIMS
from .link import Link
from .queue import Queue
from .replies import is_outage, reply_of
from .wire import ServerTrouble, Wire

STEP = 1000
"""Keys to look at each time: some 0.2 ms of the server's, so that a million take three hours."""


class Search:
    """Walks through the keys of one database, a step now and then.

    Methods raise what is in ServerTrouble.
    """

    def __init__(self, link: Link, now: float) -> None:
        self._link = link
        self._cursor = b"0"
        self._node = 0  # the number of the server whose turn it is, of a cluster's
        self._step_at = now + random.uniform(0, pace.SEARCH)  # hosts that start together take turns

    def attend(self, queues: Iterable[Queue], now: float, hosts: float = 1) -> None:
        """Let what is found of these queues go back, if it is time for another step. ``hosts``:
        that search for the same; each does so the more rarely."""
        if now < self._step_at:
            return
        self._step_at = now + pace.SEARCH * hosts
        found: list[bytes] = []
        with _going_without():
            found = self._step(self._link.nodes())
        if self._is_through:
            self._step_at = now + pace.SEARCH_REST * random.uniform(0.5, 1.5)
        for queue in queues:
            with _going_without():
                for owner in queue.adopt(found):
                    name = escaped(owner)
                    extra = about("claims.stranded", queue=queue.name, owner=name)
                    log.warning("claims of %s, whom nobody knew, go back", name, extra=extra)

    def _step(self, nodes: Sequence[Wire]) -> list[bytes]:
        if self._node >= len(nodes):  # it had more
            self._cursor, self._node = b"0", 0
        step = ("SCAN", self._cursor, "MATCH", ANY_CLAIMS, "COUNT", STEP, "TYPE", "list")
        try:
            self._cursor, found = nodes[self._node].call(*step)
        except ServerTrouble:
            if len(nodes) == 1:
                raise
            self._cursor, found = b"0", []  # who is silent is not waited for again in this walk
        if self._cursor == b"0":
            self._node = (self._node + 1) % len(nodes)
        return list(found)

    @property
    def _is_through(self) -> bool:
        """Whether the next step is the first of another walk."""
        return self._cursor == b"0" and self._node == 0


@contextmanager
def _going_without() -> Iterator[None]:
    """Where the server refuses this alone: it holds up no other queue, and nothing else."""
    try:
        yield
    except ResponseError as error:
        if is_outage(error):
            raise
        log.debug("no search for claims without an owner: %s", reply_of(error).whole)
