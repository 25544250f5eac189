"""The queues on one server, over one connection."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from .. import pace
from ..processes.scoreboard import Row
from ..protocol.client import Client
from ..protocol.grace import ServerClock
from ..protocol.link import Link, ServerTrouble, require_usable, unusable
from ..protocol.outage import Outage
from ..protocol.queue import Queue
from ..protocol.replies import is_outage
from ..protocol.stranded import Search
from ..protocol.verdict import Policy
from .upkeep import Upkeep


class Site:
    """The queues on one server, over one connection."""

    def __init__(self, client: Client, lease: float, timeout: float) -> None:
        self.link = Link(client, timeout)
        self._client = client
        self._lease = lease
        self._queues: dict[str, tuple[Upkeep, Outage]] = {}
        self._outage = Outage(f"Redis at {self.link.address}", lease)
        self._clock = ServerClock(lease)
        self._search = Search(self.link, time.monotonic())

    def add(self, name: str, policy: Policy) -> None:
        """Care for this queue too."""
        if name not in self._queues:
            queue = Queue(self.link, name, self._lease)
            upkeep = Upkeep(queue, policy, self._lease, self._clock)
            outage = Outage(f"queue {name} on {self.link.address}", self._lease)
            self._queues[name] = (upkeep, outage)

    @property
    def retry_at(self) -> float:
        """When to call the server again, if it is in trouble; else a time that is past."""
        return self._outage.retry_at

    def try_out(self, deadline: float) -> bool:
        """Whether the server is usable, as far as it is time for another try.

        Raises RedisUnusable after ``deadline``, or at once where time will not help.
        """
        if time.monotonic() < min(self.retry_at, deadline):
            return False
        left = max(pace.LEAST_TRY, deadline - time.monotonic())
        link = Link(self._client, min(self.link.timeout, left))
        try:
            require_usable(link)
        except ServerTrouble as error:
            if time.monotonic() >= deadline:
                raise unusable(link.address, error) from None
            self._outage.note(error)
            return False
        finally:
            link.close()
        self._outage.over()
        return True

    def attend(self, rows: Mapping[str, Sequence[Row]]) -> None:
        """Do what is due for every queue; ``rows`` are the workers of each.

        What is wrong with one queue's keys holds up that queue alone.
        """
        now = time.monotonic()
        if now < self.retry_at:
            return
        try:
            for name, (upkeep, outage) in self._queues.items():
                self._attend(upkeep, outage, rows.get(name, ()), now)
            self._search.attend([upkeep.queue for upkeep, _ in self._queues.values()], now)
        except ServerTrouble as error:
            self._outage.note(error)
            for upkeep, _ in self._queues.values():
                upkeep.hurry()
        else:
            self._outage.over()

    def _attend(self, upkeep: Upkeep, outage: Outage, rows: Sequence[Row], now: float) -> None:
        if now < outage.retry_at:
            return
        try:
            upkeep.attend(rows, now)
        except ServerTrouble as error:
            if is_outage(error):
                raise
            outage.note(error)
        else:
            outage.over()
