"""What is read for each view, again and again: a few requests, whoever looks at it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ..names import without_token
from ..protocol.link import Link, ServerTrouble
from ..protocol.looks import Task, delayed, peek
from ..protocol.overview import Overview
from ..protocol.replies import is_outage
from ..protocol.trash import trashes_of
from ..verbs.audit import audit
from .days import Days
from .names import key_of
from .options import Options
from .plane import Plane
from .redaction import Redaction
from .views import hosts, queues, tasks
from .views.troubles import Known, troubles

FEW = 20
"""Tasks of a queue that are shown in each state."""

LINES = 200
"""Of the audit."""

OF_SOMETHING = ("queue", "dead", "host")
"""Views of one queue, or of one host."""

CLOCK = "clock"
"""A view of what time it is, and whether the server is there."""

Parts = dict[str, Any]


class Topic(NamedTuple):
    """What somebody looks at. ``name``: of a queue, or of a host's document."""

    view: str
    name: str = ""


class Looks:
    """How each topic is looked at, by one thread, for all viewers."""

    def __init__(self, plane: Plane, options: Options) -> None:
        self._plane = plane
        self._days = Days()
        self._late = options.late
        self._redaction = Redaction(options.redact)
        self._views: Mapping[str, Callable[[Link, str], Iterator[Parts]]] = {
            "overview": self._overview,
            "queue": self._queue,
            "dead": self._dead,
            "hosts": self._hosts,
            "host": self._host,
            "audit": self._audit,
            CLOCK: self._clock,
        }

    def topic(self, view: str, name: str) -> Topic:
        """What is to be looked at for this view, for which there may be nothing to be read."""
        if view not in self._views:
            return Topic(CLOCK)
        return Topic(view, name if view in OF_SOMETHING else "")

    def of(self, topic: Topic, link: Link) -> Iterator[Parts]:
        """All that there is to be seen; where that takes long, first the half of it. Raises what
        is in `link.ServerTrouble`, and RedisUnusable."""
        return self._views[topic.view](link, topic.name)

    def _overview(self, link: Link, _: str) -> Iterator[Parts]:
        plane = self._plane
        found = plane.look_at_queues(link)
        if plane.is_new:  # then all takes a moment: sizes come first
            yield _rows(self._row(queue, each) for queue, each in found.items())
        plane.look_at_hosts(link)
        plane.check(link)
        hours = plane.hours(link, found)
        rows = _rows(self._row(queue, each) for queue, each in found.items())
        yield {
            **rows,
            **{f"hour/{key_of(queue)}": queues.hour(rates) for queue, rates in hours.items()},
            "totals": queues.totals(rows.values(), len(plane.sightings)),
            "findings": self._troubles(found),
        }

    def _troubles(self, found: Mapping[str, Overview | Exception]) -> list[Parts]:
        plane = self._plane
        known = Known(
            found,
            plane.ailments,
            plane.findings,
            plane.served,
            plane.restarts,
            [gone.host for gone in plane.gone],
            [f"{s.name}: {s.trouble}" for s in plane.sightings if s.trouble],
            self._late,
        )
        return troubles(known)

    def _row(self, queue: str, found: Overview | Exception) -> Parts:
        return queues.row(queue, found, self._plane.handlers(queue))

    def _found(self, link: Link, queue: str) -> Overview | Exception:
        self._plane.look_at_hosts(link)
        return self._plane.look_at(link, queue)

    def _one(self, link: Link, queue: str, found: Overview | Exception) -> Parts:
        """A queue's own row, and its trash."""
        [trashes] = trashes_of(link, [queue])
        if isinstance(trashes, Exception):
            trashes = []
        key = key_of(queue)
        hours = self._plane.hours(link, {queue: found})
        return {
            f"queue/{key}": self._row(queue, found),
            f"hour/{key}": queues.hour(hours[queue]) if queue in hours else None,
            "trashes": [tasks.trash(each) for each in trashes],
        }

    def _queue(self, link: Link, queue: str) -> Iterator[Parts]:
        found = self._found(link, queue)
        parts = self._one(link, queue, found)
        if isinstance(found, Overview) and found.now:
            parts.update(self._days.of(link, queue, found.now))
        for name, look in (("next", peek), ("delayed", delayed)):
            parts[name] = self._tasks(link, queue, look)
        parts["running"] = hosts.tasks(self._plane.sightings, queue)
        yield parts

    def _tasks(
        self, link: Link, queue: str, look: Callable[[Link, str, int], Sequence[Task]]
    ) -> list[Parts]:
        """None where the key is somebody else's: the row says so."""
        try:
            found = look(link, queue, FEW)
        except ServerTrouble as error:
            if is_outage(error):
                raise
            return []
        now = self._plane.now
        return [tasks.task(each, now, self._redaction) for each in found]

    def _dead(self, link: Link, queue: str) -> Iterator[Parts]:
        yield self._one(link, queue, self._found(link, queue))

    def _hosts(self, link: Link, _: str) -> Iterator[Parts]:
        self._plane.look_at_hosts(link)
        found = [*map(hosts.summary, self._plane.sightings)]
        yield {f"host/{each['document']}": each for each in found}

    def _host(self, link: Link, name: str) -> Iterator[Parts]:
        self._plane.look_at_hosts(link)
        found = {each.name: each for each in self._plane.sightings}
        if name in found:
            yield hosts.whole(found[name])
        else:  # it may have started anew
            others = [each for each in found if without_token(each) == without_token(name)]
            yield {"successor": key_of(others[0])} if others else {}

    def _clock(self, link: Link, _: str) -> Iterator[Parts]:
        self._plane.look_at_hosts(link)
        yield {}

    def _audit(self, link: Link, _: str) -> Iterator[Parts]:
        self._plane.look_at_hosts(link)
        yield {"audit": [*map(tasks.line, audit(link, LINES))]}


def _rows(rows: Iterable[Parts]) -> Parts:
    return {f"queue/{row['key']}": row for row in rows}
