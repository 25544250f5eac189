"""What servers tell of their queues to who serves metrics."""

from __future__ import annotations

import math
import time
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
        self._queues = queues
        self._inquiry = Inquiry(self._read)
        self._asked_at = -math.inf
        # All else that is the matter with it, the housekeeper tells.
        subject = f"metrics of {self.address}"
        self._outage = Outage(subject, pace.LEASE, tells=Tells.REFUSALS)

    @property
    def address(self) -> str:
        return self._link.address

    def ask(self, now: float) -> None:
        """Unless it was asked just now, or has not answered yet."""
        if now - self._asked_at >= pace.METRICS_AGAIN and self._inquiry.begin():
            self._asked_at = now

    def answer(self) -> Told | None:
        """What it has told of its queues, but for those of which it refuses to; None where it is
        away, or takes too long."""
        outcome = self._inquiry.outcome(self._asked_at + pace.METRICS_WITHIN - time.monotonic())
        if isinstance(outcome, Exception) and not isinstance(outcome, ServerTrouble):
            raise outcome
        return None if isinstance(outcome, Exception) else outcome

    def _read(self) -> Told:
        try:
            found = dict(zip(self._queues, overviews(self._link, self._queues), strict=True))
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
        return {queue: seen for queue, seen in found.items() if not isinstance(seen, Exception)}
