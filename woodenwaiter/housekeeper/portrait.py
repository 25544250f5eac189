"""What there is to be told of a supervisor, as its scoreboard has it."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import reduce
from typing import Any

from .. import __version__
from ..consumer import Consumer
from ..processes.ends import End
from ..processes.footprint import Footprint
from ..processes.row import Row, doing_of, tally_of
from ..processes.scoreboard import Scoreboard
from ..processes.totals import Totals
from ..protocol.hosts import Crew, Host, Running
from ..settings import Settings

SETTINGS = (
    "cpus",
    "threads",
    "import_in",
    "lease_seconds",
    "drain_seconds",
    "durable",
    "slow",
    "log_level",
)
"""Those that are told: no address, which may have a password, and no file."""

MOST_TASKS = 300
"""That are told: about as many as have room in a document, and take 2 ms to be read."""


class Portrait:
    """Of the supervisor whose pid is ``supervisor``, and of its workers for ``consumers``, by the
    numbers of their places, who are all on one server. Times are monotonic seconds."""

    def __init__(
        self,
        scoreboard: Scoreboard,
        settings: Settings,
        consumers: Mapping[int, Consumer],
        supervisor: int,
    ) -> None:
        self._scoreboard = scoreboard
        self._settings = {name: getattr(settings, name) for name in SETTINGS}
        self._supervisor = supervisor
        self._bounds: dict[str, tuple[int, int]] = {}
        self.places: dict[str, list[int]] = {}
        """Of each queue."""
        for place, consumer in consumers.items():
            self.places.setdefault(consumer.queue, []).append(place)
            former, bounds = self._bounds.get(consumer.queue, (0, 0)), consumer.bounds
            self._bounds[consumer.queue] = former[0] + bounds[0], former[1] + bounds[1]

    def at(self, now: float, rows: Mapping[str, Sequence[Row]]) -> Host:
        """``rows``: the workers of each queue. Nothing is measured, or summed up."""
        busy = [(q, row) for q, workers in rows.items() for row in workers if _is_busy(row)]
        busy.sort(key=lambda each: each[1].began)
        running = [_running(queue, row, now) for queue, row in busy[:MOST_TASKS]]
        return Host(
            host=socket.gethostname(),
            pid=self._supervisor,
            release=__version__,
            up=_seconds(now - self._scoreboard.made_at),
            started=max((row.incarnation for row in self._scoreboard), default=0),
            alive=sum(row.alive for row in self._scoreboard),
            state=self._scoreboard.state,
            settings=self._settings,
            queues=tuple(self._crew(queue, rows.get(queue, ())) for queue in self._bounds),
            workers=tuple(filter(None, running)),
            more_workers=len(busy[MOST_TASKS:]),
        )

    def _crew(self, queue: str, rows: Sequence[Row]) -> Crew:
        ends: Counter[End] = Counter()
        for place in self.places[queue]:
            ends.update(self._scoreboard.ends[place])
        restarts = {f"{end}": number for end, number in ends.items() if end.is_replaced}
        told: dict[str, Any] = {"restarts": restarts}
        told.update(Counter(doing_of(row) for row in rows if row.alive))
        return Crew(queue, *self._bounds[queue], **told)

    def with_totals(self, host: Host) -> Host:
        """The same, with what the workers of each queue did."""
        of_places = self._scoreboard.totals()
        crews = (
            _with_totals(
                crew,
                reduce(Totals.plus, (of_places[place] for place in self.places[crew.queue])),
            )
            for crew in host.queues
        )
        return replace(host, queues=tuple(crews))


def _with_totals(crew: Crew, totals: Totals) -> Crew:
    busy, cpu = (round(seconds, 3) for seconds in totals.effort)
    tally = {name: number for name, number in totals.tally._asdict().items() if number}
    last = max((n for n, number in enumerate(totals.times, 1) if number), default=0)
    return replace(crew, tally=tally, busy=busy, cpu=cpu, times=totals.times[:last])


def _is_busy(row: Row) -> bool:
    return row.alive and bool(row.running)


def _running(queue: str, row: Row, now: float) -> Running | None:
    """None where the task has ended meanwhile."""
    if not (seq := row.running):
        return None
    told = row.diary.progress(seq)
    return Running(
        queue=queue,
        slot=row.slot,
        pid=row.pid,
        claim=f"{row.owner}/{seq}",
        seconds=_seconds(now - row.began),
        done=tally_of(row).done,
        is_leaving=row.is_dismissed,
        fraction=told.fraction if told else None,
        text=told.text if told else "",
        told=_seconds(now - told.at) if told else None,
    )


def _seconds(number: float) -> float:
    """As they are told: those that were read a moment later may be none."""
    return round(max(0.0, number), 3)


def measured(host: Host, footprints: Mapping[int, Footprint]) -> Host:
    """The same, with what its processes use."""
    workers = tuple(_with(worker, footprints.get(worker.pid)) for worker in host.workers)
    cpus = [found.cpu for found in footprints.values() if found.cpu is not None]
    memory = max((found.memory for found in footprints.values()), default=None)
    return replace(host, workers=workers, memory=memory, cpu=round(sum(cpus), 1) if cpus else None)


def _with(worker: Running, found: Footprint | None) -> Running:
    return replace(worker, **found._asdict()) if found else worker
