"""Connections for those who do something in a thread of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .. import pace
from ..protocol.client import Client
from ..protocol.introduction import introduced
from ..protocol.link import Link

KEPT = 4
"""That are open while nobody uses them."""


class Links:
    """To the server that ``client`` talks to."""

    def __init__(self, client: Client, timeout: float = pace.OPERATOR_WAIT) -> None:
        self._client = client
        self._timeout = timeout
        self._idle = [self._made()]
        self.address = self._idle[0].address
        """Of the server, as people are told."""

    def _made(self) -> Link:
        """Not opened yet."""
        return Link(self._client, self._timeout, introduced("page"))

    @contextmanager
    def lent(self) -> Iterator[Link]:
        """One that nobody else uses meanwhile. After whatever goes wrong it is closed: a reply may
        be on its way."""
        try:
            link = self._idle.pop()
        except IndexError:
            link = self._made()
        try:
            yield link
        except BaseException:
            link.close()
            raise
        if len(self._idle) < KEPT:
            self._idle.append(link)
        else:
            link.close()

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()
