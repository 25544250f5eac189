"""Tells of this supervisor on one server, or cluster, for people who look, and hears what they
ask it for. Nothing depends on it, and next to nothing waits for it."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from .. import pace
from ..logs import log
from ..processes.footprint import Footprints
from ..processes.row import Row
from ..protocol.hosts import Host
from ..protocol.keys import HOSTS
from ..protocol.link import Command, Link, ServerTrouble
from ..protocol.published import publication, withdrawal
from ..protocol.replies import is_outage, reply_of
from .editions import Editions
from .errands import Errands, Verb
from .happenings import Happenings
from .hour import LastHour
from .portrait import Portrait, measured

MOST_MEASURED = 100
"""Processes: some 10 ms in all."""

Rows = Mapping[str, Sequence[Row]]
"""The workers of each queue."""


class Publisher:
    """``name``: of the document, which nobody else's has; ``verbs``: what may be asked for. Times
    are monotonic seconds."""

    def __init__(
        self,
        link: Link,
        name: str,
        portrait: Portrait,
        happenings: Happenings,
        verbs: Mapping[str, Verb] | None = None,
    ) -> None:
        self._link = link
        self._name = name
        self._portrait = portrait
        self._happenings = happenings
        self._footprints = Footprints()
        self._hour = LastHour()
        self._editions = Editions()
        self.errands = Errands(name, verbs or {}, self._alone)
        self._heeds: list[Callable[[Any, float], None]] = []  # of each outcome that is to come
        self._told: Host | None = None
        self._is_refused = False

    def is_wanted(self, now: float, *, is_asking: bool) -> bool:
        """Whether there may be something to tell, or to hear. ``is_asking``: the server is asked
        for other things now."""
        return self._editions.is_wanted(now, is_asking=is_asking) or self.errands.is_due(
            now, is_asking=is_asking
        )

    def along(
        self, rows: Rows, nodes: Collection[str], now: float, *, is_asking: bool
    ) -> list[Command]:
        """What to ask the servers at these addresses together with what else they are asked for,
        if they are, or for its own sake. Another one is asked here, and not waited for long."""
        rides = self._link.address_for(HOSTS) in nodes
        is_asking = is_asking and rides
        commands = self._due(rows, now, is_asking=is_asking) if nodes else []
        if rides:
            return commands
        if commands:
            self.heed(self._alone(commands), now)
        return []

    def _due(self, rows: Rows, now: float, *, is_asking: bool) -> list[Command]:
        commands, self._heeds = [], []
        if document := self._document(rows, now, is_asking=is_asking):
            commands.append(document)
            self._heeds.append(self._heed_publication)
        if self.errands.is_due(now, is_asking=is_asking or bool(commands)):
            commands.append(self.errands.glance(now))
            self._heeds.append(self.errands.heed)
        return commands

    def _document(self, rows: Rows, now: float, *, is_asking: bool) -> Command | None:
        if not self._editions.is_wanted(now, is_asking=is_asking):
            return None
        host = replace(self._portrait.at(now, rows), events=self._happenings.told(now))
        if not (self._editions.is_due(host, now) or is_asking):
            return None
        self._told = self._whole(host, rows, now)
        return publication(self._name, self._told)

    def _whole(self, host: Host, rows: Rows, now: float) -> Host:
        """With what takes longer to find out."""
        pids = islice(_pids(host, rows), MOST_MEASURED)
        found = self._portrait.with_totals(host)
        found = measured(found, self._footprints.measure(pids, now))
        self._happenings.note_buried(found.queues)
        self._hour.note(found.cpu, found.memory, now)
        return replace(found, hour=self._hour.told(now), events=self._happenings.told(now))

    def _alone(self, commands: Sequence[Command]) -> list[Any]:
        try:
            return self._link.exchange(commands, within=pace.PUBLISH_WAIT)
        except ServerTrouble as error:
            return [error] * len(commands)

    def heed(self, outcomes: Sequence[Any], now: float) -> None:
        """``outcomes``: of what was asked for, if anything was."""
        for heed, outcome in zip(self._heeds, outcomes, strict=False):
            heed(outcome, now)

    def _heed_publication(self, outcome: Any, now: float) -> None:
        if not isinstance(outcome, Exception) and self._told:
            self._editions.written(self._told, now)
            self._is_refused = False
        elif is_outage(outcome):  # which others tell of
            self._editions.put_off(pace.PUBLISH, now)
        else:
            self._editions.put_off(pace.PUBLISH_AGAIN, now)
            self._tell(outcome)

    def _tell(self, error: Exception) -> None:
        """Once: all else goes on."""
        if not self._is_refused:
            self._is_refused = True
            log.warning(
                "%s: woodenwaiter status --hosts does not show this supervisor: %s; its user is "
                "to have ~%s* and the commands that README.rst names",
                self._link.address,
                reply_of(error).whole,
                HOSTS,
            )

    def withdraw(self) -> None:
        """Have nobody see it any more, as far as that can be told at once."""
        if self._told and not self._is_refused:
            self._alone(withdrawal(self._name))


def _pids(host: Host, rows: Rows) -> Iterator[int]:
    """The longer a worker's task has been running, the sooner it comes."""
    yield from dict.fromkeys(
        [
            host.pid,
            os.getpid(),
            *(worker.pid for worker in host.workers),
            *(row.pid for workers in rows.values() for row in workers if row.alive and row.pid),
        ]
    )
