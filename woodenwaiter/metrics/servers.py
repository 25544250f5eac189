"""What servers tell of their queues to who serves metrics."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

from .. import pace
from ..protocol.client import Client
from ..protocol.introduction import introduced
from ..protocol.link import Link, ServerTrouble
from ..protocol.outage import Outage, Tells
from ..protocol.overview import Overview, overviews

Told = Mapping[str, Overview]
"""By the queues' names."""


class Server:
    """One that is asked by a thread of its own: whatever it does, or the network, or who resolves
    names, holds up nobody who wants to know. Times are monotonic seconds."""

    def __init__(self, client: Client, queues: Sequence[str]) -> None:
        self._link = Link(client, pace.METRICS_WITHIN, introduced("metrics"))
        self._queues = queues
        self._thread = ThreadPoolExecutor(1, "redis")
        self._answer: Future[Told] | None = None
        self._asked_at = -math.inf
        # All else that is the matter with it, the housekeeper tells.
        subject = f"metrics of {self.address}"
        self._outage = Outage(subject, pace.LEASE, tells=Tells.REFUSALS)

    @property
    def address(self) -> str:
        return self._link.address

    def ask(self, now: float) -> None:
        """Unless it was asked just now, or has not answered yet."""
        is_idle = self._answer is None or self._answer.done()
        if is_idle and now - self._asked_at >= pace.METRICS_AGAIN:
            self._asked_at = now
            self._answer = self._thread.submit(self._read)

    def answer(self) -> Told | None:
        """What it has told of its queues, but for those of which it refuses to; None where it is
        away, or takes too long."""
        if self._answer is None:
            return None
        left = self._asked_at + pace.METRICS_WITHIN - time.monotonic()
        if not wait([self._answer], max(0.0, left)).done:
            return None
        try:
            return self._answer.result()
        except ServerTrouble:
            return None

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
