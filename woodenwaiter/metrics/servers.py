"""What servers tell of their queues to who serves metrics."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from .. import pace
from ..protocol.client import Client
from ..protocol.introduction import introduced
from ..protocol.link import Link, ServerTrouble
from ..protocol.outage import Outage, Tells
from ..protocol.overview import Overview, overviews
from .inquiry import Inquiry

Told = Mapping[str, Overview]
"""By the queues' names."""


class Server:
    """One that is asked for these queues. Times are monotonic seconds."""

    def __init__(self, client: Client, queues: Sequence[str]) -> None:
        self._link = Link(client, pace.METRICS_WITHIN, introduced("metrics"))
        self.queues = queues
        self._inquiry = Inquiry(self._read)
        self._asked_at = self._due = -math.inf
        self._own_workers = 0
        # All else that is the matter with it, the housekeeper tells.
        subject = f"metrics of {self.address}"
        self._outage = Outage(subject, pace.LEASE, tells=Tells.REFUSALS)

    @property
    def address(self) -> str:
        return self._link.address

    def ask(self, now: float, own_workers: int) -> None:
        """Unless it was asked just now, or has not answered yet; or others, who have more workers
        of its queues, do that often enough."""
        if now >= self._due and self._inquiry.begin():
            self._asked_at, self._due = now, now + pace.METRICS_AGAIN
            self._own_workers = own_workers

    def answer(self, now: float) -> Told | None:
        """What it has just told of its queues, if it was asked, but for those of which it refuses
        to; None where it is away, or takes too long."""
        outcome = self._inquiry.outcome()
        if isinstance(outcome, Exception) and not isinstance(outcome, ServerTrouble):
            raise outcome
        if isinstance(outcome, Exception) or outcome is None:
            return None
        return outcome if now - self._asked_at <= pace.METRICS_AGAIN else {}

    def _read(self) -> Told:
        try:
            found = dict(zip(self.queues, overviews(self._link, self.queues), strict=True))
        except ServerTrouble as error:
            self._outage.note(error)
            raise
        troubles = [seen for seen in found.values() if isinstance(seen, Exception)]
        for trouble in troubles:
            self._outage.note(trouble)
        if troubles and len(troubles) == len(found):
            raise troubles[0]
        if not troubles:
            self._outage.over()
        told = {queue: seen for queue, seen in found.items() if not isinstance(seen, Exception)}
        hosts = sum(seen.sizes.workers for seen in told.values()) / max(1, self._own_workers)
        self._due = self._asked_at + pace.metrics_every(hosts)
        return told
