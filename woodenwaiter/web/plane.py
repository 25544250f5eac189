"""What the reader knows of a server, for all views together: no part is read more often than it
changes, however many views are of it."""

from __future__ import annotations

import math
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from .. import pace
from ..findings import Finding, Grade
from ..protocol.ailments import Ailment, ailments_of
from ..protocol.beats import minutes_of
from ..protocol.checkup import server_findings
from ..protocol.handlers import Handlers
from ..protocol.history import A_MINUTE, Beat, Rates, by_minute
from ..protocol.hosts import Host
from ..protocol.keys import Keys
from ..protocol.link import Link
from ..protocol.overview import Overview, overviews
from ..protocol.published import Sighting, published
from ..protocol.queue import registered

HOUR = 60
"""Minutes."""

AT_ONCE = 200
"""Queues whose last hour is read at a look: some 700 KB."""


MOST_HOURS = 10_000
"""Queues whose last hour is kept."""


class Gone(NamedTuple):
    """A supervisor that tells nothing any more, and has not left by itself; ``at``: monotonic
    seconds."""

    host: Host
    at: float


class Plane:
    """For one thread. Methods raise what is in `link.ServerTrouble`."""

    def __init__(self) -> None:
        self.sightings: Sequence[Sighting] = ()
        self.gone: list[Gone] = []
        self._handlers: dict[str, Handlers] = {}
        self._restarts: deque[tuple[float, Counter[tuple[str, str]]]] = deque()
        self._counted: dict[str, Counter[tuple[str, str]]] = {}
        self._server_time, self._told_at = 0.0, 0.0
        self._hosts_at = self._checked_at = -math.inf
        self.findings: Sequence[Finding] = ()
        self.ailments: Sequence[Ailment] = ()
        self._queues: Mapping[str, Overview | Exception] = {}
        self._queues_at = -math.inf
        self._hours: dict[str, tuple[int, Sequence[Rates | None]]] = {}

    @property
    def is_new(self) -> bool:
        """Whether hosts were not looked at yet."""
        return self._hosts_at == -math.inf

    @property
    def now(self) -> float:
        """Unix time by the server's clock, as far as that was told."""
        return self._server_time + time.monotonic() - self._told_at if self._told_at else 0.0

    def look_at_hosts(self, link: Link) -> None:
        """They tell no more often than they are asked here."""
        now = time.monotonic()
        if now - self._hosts_at < pace.PUBLISH:
            return
        found = published(link, self.sightings)
        if now - self._hosts_at > pace.PUBLISHED:  # nobody has looked for a while
            self.sightings, self._counted = (), {}
            self._restarts.clear()  # those of young ones are counted anew
        self._hosts_at = now
        self._heed_time(found[0].written + found[0].ago if found else _time_of(link))
        self._note_gone(link, found, now)
        self._note_restarts(found, now)
        self.sightings = found
        self._handlers = {}
        for host in self.hosts:
            for crew in host.queues:
                self._handlers.setdefault(crew.queue, Handlers()).add(crew.running, crew.times)

    @property
    def hosts(self) -> list[Host]:
        """Those whose documents can be read."""
        return [seen.host for seen in self.sightings if seen.host]

    @property
    def served(self) -> set[str]:
        """The queues that they serve."""
        return {crew.queue for host in self.hosts for crew in host.queues}

    def handlers(self, queue: str) -> Handlers:
        """Of all hosts together; their ``running`` is None where one does not tell of all."""
        found = self._handlers.get(queue, Handlers())
        return Handlers(None, found.times) if any(h.more_queues for h in self.hosts) else found

    def _note_gone(self, link: Link, found: Sequence[Sighting], now: float) -> None:
        """Those that leave by themselves give their leases back."""
        there = {seen.name for seen in found}
        self.gone += [
            Gone(seen.host, now)
            for seen in self.sightings
            if seen.host and seen.name not in there and _has_leases(link, seen.name, seen.host)
        ]
        recent = (gone for gone in self.gone if now - gone.at < pace.LATELY)
        self.gone = [gone for gone in recent if not _is_back(gone, found, now)]

    def _note_restarts(self, found: Sequence[Sighting], now: float) -> None:
        """What has been added since the last look; of a document that was not seen then, nobody
        knows since when, unless all of it is of late."""
        news: Counter[tuple[str, str]] = Counter()
        counted = {}
        for seen in found:
            if seen.host:
                counted[seen.name] = counts = _restarts_of(seen.host)
                is_young = seen.host.up < pace.LATELY
                before = Counter() if is_young else counts
                news.update(counts - self._counted.get(seen.name, before))
        self._counted = counted
        if news:
            self._restarts.append((now, news))
        while self._restarts and now - self._restarts[0][0] > pace.LATELY:
            self._restarts.popleft()

    @property
    def restarts(self) -> Counter[tuple[str, str]]:
        """Of workers, as far as it was seen, by queue and cause."""
        lately: Counter[tuple[str, str]] = Counter()
        for _, news in self._restarts:
            lately.update(news)
        return lately

    def look_at_queues(self, link: Link) -> Mapping[str, Overview | Exception]:
        """All that were ever served."""
        now = time.monotonic()
        if now - self._queues_at >= pace.WATCH / 2:
            names = registered(link)
            self._queues = dict(zip(names, overviews(link, names), strict=True))
            self._queues_at = now
            self._heed(self._queues)
        return self._queues

    def look_at(self, link: Link, queue: str) -> Overview | Exception:
        """One of them."""
        [found] = overviews(link, [queue])
        self._heed({queue: found})
        return found

    def _heed(self, found: Mapping[str, Overview | Exception]) -> None:
        for each in found.values():
            if isinstance(each, Overview) and each.now:
                self._heed_time(each.now.time)

    def _heed_time(self, now: float) -> None:
        self._server_time, self._told_at = now, time.monotonic()

    def check(self, link: Link) -> None:
        """What seldom changes: what is wrong with the server, and with queues that nobody sees
        to."""
        now = time.monotonic()
        if now - self._checked_at < pace.CHECKED:
            return
        queues = [*self._queues]
        self.findings = [f for f in server_findings(link) if f.grade is not Grade.OK]
        self.ailments = [a for a in ailments_of(link, queues) if isinstance(a, Ailment)]
        self._checked_at = now

    def hours(
        self, link: Link, found: Mapping[str, Overview | Exception]
    ) -> Mapping[str, Sequence[Rates | None]]:
        """Of these queues, the rates of each minute of the last hour, without the present one, as
        far as they are known: each is read once a minute, and of many, some at each look."""
        beats = {q: o.now for q, o in found.items() if isinstance(o, Overview) and o.now}
        due = [q for q, now in beats.items() if self._is_due(q, now)][:AT_ONCE]
        for queue, minutes in zip(due, minutes_of(link, due, HOUR + 1), strict=True):
            if not isinstance(minutes, Exception):
                hour = by_minute(minutes, beats[queue], HOUR + 1)[:-1]
                while len(self._hours) >= MOST_HOURS:
                    del self._hours[next(iter(self._hours))]
                self._hours[queue] = int(beats[queue].time // A_MINUTE), hour
        return {queue: self._hours[queue][1] for queue in beats if queue in self._hours}

    def _is_due(self, queue: str, now: Beat) -> bool:
        known = self._hours.get(queue)
        return known is None or known[0] != int(now.time // A_MINUTE)


def _is_back(gone: Gone, found: Sequence[Sighting], now: float) -> bool:
    """Whether another one has begun there since."""
    since = now - gone.at + pace.PUBLISHED
    hosts = (seen.host for seen in found if seen.host)
    return any(host.host == gone.host.host and host.up < since for host in hosts)


def _has_leases(link: Link, name: str, host: Host) -> bool:
    pool = name.rpartition("/")[0].encode() + b"/"
    replies = link.exchange([("ZRANGE", Keys(crew.queue).leases, 0, -1) for crew in host.queues])
    owners = (owner for reply in replies if isinstance(reply, list) for owner in reply)
    return any(owner.startswith(pool) for owner in owners)


def _time_of(link: Link) -> float:
    seconds, microseconds = link.call("TIME")
    return int(seconds) + int(microseconds) / 1e6


def _restarts_of(host: Host) -> Counter[tuple[str, str]]:
    return Counter(
        {(crew.queue, why): n for crew in host.queues for why, n in crew.restarts.items()}
    )
