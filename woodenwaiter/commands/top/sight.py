"""What ``top`` shows, and reading it: what is seen of a server in one look, in a few requests."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from ... import pace
from ...errors import text_of
from ...protocol.beats import minutes_of
from ...protocol.history import A_MINUTE, Rates, by_minute
from ...protocol.link import Link, ServerTrouble, unusable
from ...protocol.looks import Task, buried, delayed, peek
from ...protocol.overview import Overview, overviews
from ...protocol.published import Sighting, published
from ...protocol.queue import registered
from ...protocol.replies import is_outage, reply_of
from ...text import listed

HOUR = 60
"""Minutes."""

SHOWN_TASKS = 10
"""Of a queue that is looked into, in each state."""


class Wanted(NamedTuple):
    """What a screen has room for: of these queues the last hour, and one that is looked into, if
    any is."""

    visible: Sequence[str] = ()
    opened: str = ""


class Tasks(NamedTuple):
    """The first ones of a queue, in each state."""

    queue: str
    waiting: Sequence[Task] = ()
    delayed: Sequence[Task] = ()
    dead: Sequence[Task] = ()


@dataclass(frozen=True)
class Sight:
    """``hours``: of queues that were visible, the rates in each minute of the last hour, without
    the present one; None where nothing was noted. ``running``: tasks of each queue. ``troubles``:
    what is wrong, in lines. ``at``: monotonic seconds; it is older where the server was lost since.
    """

    address: str
    overviews: Mapping[str, Overview] = field(default_factory=dict)
    hours: Mapping[str, Sequence[Rates | None]] = field(default_factory=dict)
    hosts: Sequence[Sighting] = ()
    running: Mapping[str, int] = field(default_factory=dict)
    tasks: Tasks | None = None
    troubles: Sequence[str] = ()
    at: float = 0


class Watcher:
    """Looks again and again. ``names``: of queues, or none for all that were ever served."""

    def __init__(self, link: Link, names: Sequence[str]) -> None:
        self._link = link
        self._names = names
        self._last = Sight(link.address)
        self._hosts_at = -pace.PUBLISH
        self._minutes: dict[str, int] = {}
        """Of the server's clock: in which each queue's last hour was read."""

    def look(self, wanted: Wanted) -> Sight:
        """What there is. Raises what is in `link.ServerTrouble`."""
        self._last = self._seen(wanted)
        return self._last

    def look_again(self, wanted: Wanted) -> Sight:
        """What there is; or, where the server is lost, what there was, and what is the matter."""
        try:
            return self.look(wanted)
        except ServerTrouble as error:
            return replace(self._last, troubles=[str(unusable(self._link.address, error))])
        except Exception as error:  # a defect: the screen outlives it, and says so
            told = f"what Redis holds cannot be shown: {type(error).__name__}: {text_of(error)}"
            return replace(self._last, troubles=[told])

    def _seen(self, wanted: Wanted) -> Sight:
        wrong: dict[str, list[str]] = {}
        queues = [*dict.fromkeys(self._names)] or registered(self._link)
        found: dict[str, Overview] = {}
        for queue, outcome in zip(queues, overviews(self._link, queues), strict=True):
            if isinstance(outcome, Exception):
                wrong.setdefault(reply_of(outcome).whole, []).append(queue)
            else:
                found[queue] = outcome
        seen = replace(
            self._with_hosts(self._last, wrong),
            overviews=found,
            hours=self._hours(found, wanted.visible),
            tasks=self._tasks(wanted.opened, wrong),
            at=time.monotonic(),
        )
        return replace(seen, troubles=[f"{listed(of)}: {what}" for what, of in wrong.items()])

    def _with_hosts(self, sight: Sight, wrong: dict[str, list[str]]) -> Sight:
        """They tell no more often than they are asked here."""
        now = time.monotonic()
        if now - self._hosts_at < pace.PUBLISH:
            return sight
        try:
            hosts = published(self._link)
        except ServerTrouble as error:
            if is_outage(error):
                raise
            wrong.setdefault(reply_of(error).whole, []).append("hosts")
            return sight
        self._hosts_at = now
        running: Counter[str] = Counter()
        for seen in hosts:
            for crew in seen.host.queues if seen.host else ():
                running[crew.queue] += crew.running
        return replace(sight, hosts=hosts, running=running)

    def _hours(
        self, found: Mapping[str, Overview], visible: Sequence[str]
    ) -> Mapping[str, Sequence[Rates | None]]:
        """Of a queue, it is read once a minute at most, while it is visible."""
        clocks = {q: found[q].now for q in visible if q in found}
        due = {
            queue: now
            for queue, now in clocks.items()
            if now and self._minutes.get(queue) != int(now.time // A_MINUTE)
        }
        hours = {queue: hour for queue, hour in self._last.hours.items() if queue in found}
        outcomes = minutes_of(self._link, [*due], HOUR + 1)
        for (queue, now), minutes in zip(due.items(), outcomes, strict=True):
            self._minutes[queue] = int(now.time // A_MINUTE)
            if not isinstance(minutes, Exception):  # of which the overview has told
                hours[queue] = by_minute(minutes, now, HOUR + 1)[:-1]
        return hours

    def _tasks(self, queue: str, wrong: dict[str, list[str]]) -> Tasks | None:
        if not queue:
            return None
        try:
            states = (look(self._link, queue, SHOWN_TASKS) for look in (peek, delayed, buried))
            return Tasks(queue, *states)
        except ServerTrouble as error:
            if is_outage(error):
                raise
            wrong.setdefault(reply_of(error).whole, []).append(queue)
            return Tasks(queue)
