"""Looks at the scoreboard, has the queues cared for, and outlives the supervisor if need be."""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import suppress
from functools import partial

import psutil
from setproctitle import setproctitle

from .. import pace
from ..consumer import Consumer
from ..events import about
from ..hooks import Hear
from ..logs import log
from ..processes.children import UNKNOWN_STATUS
from ..processes.cpus import places_in
from ..processes.ends import End
from ..processes.row import Cause, Row, State
from ..processes.scoreboard import Scoreboard
from ..processes.signals import SignalInbox, ring
from ..processes.tree import find, is_alive, kill_session, kill_tree, leads_session
from ..protocol.capacity import warn_of_crowd, warn_of_eviction
from ..protocol.client import Client, identity
from ..protocol.errands import Errand
from ..protocol.link import ServerTrouble
from ..protocol.remains import Remains, remains_of
from ..settings import Settings
from .calls import Calls
from .cancelling import canceller
from .errands import Job, Verb
from .finish import doings_of, is_over
from .portrait import Portrait
from .publisher import Publisher
from .site import Site
from .steering import Steering
from .timing import Timing
from .tracing import tracer

DATABASE = re.compile(r"(/|\?db=)\d+$")
"""At the end of a server's address."""

STATES = {
    "serving": "its workers claim tasks again",
    "quiet": "its workers claim no tasks for now",
    "draining": "it drains: its workers leave after their running tasks",
}


def _sites_at(
    clients: Mapping[Hashable, Client], settings: Settings, hear: Hear
) -> dict[Hashable, Site]:
    """One for each of these servers."""
    lease, places, most = settings.lease_seconds, places_in(settings.cpus), settings.max_dead
    # Should all be silent, a look still takes no longer than owners may wait for their renewal.
    timeout = pace.reply_within(lease) / len(clients)
    return {
        key: Site(client, lease, timeout, places, hear, most) for key, client in clients.items()
    }


class Housekeeper:
    """Cares for all queues of one supervisor, in a process of its own."""

    def __init__(
        self,
        consumers: Sequence[Consumer],
        scoreboard: Scoreboard,
        settings: Settings,
        inbox: SignalInbox,
        lifeline: int,
        bell: int,
        parent: int,
        may_restart: Callable[[], bool],
        *,
        stops_server: bool,
    ) -> None:
        self._scoreboard = scoreboard
        self._redis_wait = settings.redis_wait
        self._drain_seconds = settings.drain_seconds
        self._drain_deadline = math.inf
        self._inbox = inbox
        self._lifeline, self._bell, self._parent = lifeline, bell, parent
        self._stops_server = stops_server
        self._leaving = scoreboard.is_closing
        self._orphaned = False
        self._ask_at = -math.inf if settings.once else math.inf  # what is left to do
        self._least = [consumer.bounds[0] for consumer in consumers]
        self._workers: dict[Row, psutil.Process | None] = {}  # once orphaned
        self._state = scoreboard.state
        clients = {identity(consumer.client): consumer.client for consumer in consumers}
        self._calls = Calls(consumers[0].hooks, inbox)  # their manager's, hence those of all
        sites = _sites_at(clients, settings, self._calls.hear)
        self._sites = list(sites.values())
        self._places: list[tuple[Site, str]] = []  # of each consumer: its site and its queue
        for consumer, demand in zip(consumers, scoreboard.demands, strict=True):
            site = sites[identity(consumer.client)]
            site.add(consumer.queue, consumer.policy, consumer.bounds[1], demand)
            self._places.append((site, consumer.queue))
        steering = Steering(scoreboard, parent, may_restart)
        for number, (key, site) in enumerate(sites.items()):
            own = {n: each for n, each in enumerate(consumers) if identity(each.client) == key}
            portrait = Portrait(scoreboard, settings, own, parent)
            rows, has_look = partial(self._rows_at, site), partial(ring, bell)
            verbs = {
                "trace": tracer(scoreboard.traced, rows, has_look),
                "cancel": canceller(rows, has_look),
                **{name: self._noted(verb) for name, verb in steering.verbs.items()},
            }
            name = f"{scoreboard.pool}/{number}"
            site.publisher = Publisher(site.link, name, portrait, site.happenings, verbs)
            for queue, places in portrait.places.items():
                site.time(queue, Timing(scoreboard, places, name))
        setproctitle("woodenwaiter: housekeeper")

    def serve(self) -> None:
        """Care for the queues until told to leave and nothing is left to recover.

        Raises RedisUnusable if this supervisor has not had a usable server within `redis_wait`.
        """
        if self._scoreboard.housekeeper:
            self._note("error", "its housekeeper died: what happened before is not known")
        self._scoreboard.enter_housekeeper(os.getpid())
        self._scoreboard.free_entered()
        if not self._scoreboard.redis_was_usable:
            self._wait_for_servers()
        deadline = math.inf
        while True:
            look_at = self._look()
            if self._leaving:
                deadline = min(deadline, time.monotonic() + pace.LAST_PASS)
                if time.monotonic() >= deadline or not (self._has_dead() or self._calls.are_left):
                    break
            elif self._is_finished():
                self._scoreboard.note_emptied()
                ring(self._bell)
            self._sleep(min(pace.LOOK, look_at - time.monotonic()))
        for site in self._sites:
            site.conclude()
        self._calls.end()
        if self._orphaned and self._stops_server:
            self._stop_server()

    def _is_finished(self) -> bool:
        """Whether nothing is left to do for a supervisor that is to leave then."""
        if (now := time.monotonic()) < self._ask_at:
            return False
        before = doings_of(self._scoreboard, self._least)
        if before.are_busy or not before.are_up:
            return False
        self._ask_at = now + pace.LEFT
        remains = [each for site in self._sites for each in self._remains_at(site)]
        return is_over(before, remains, doings_of(self._scoreboard, self._least))

    def _remains_at(self, site: Site) -> Sequence[Remains | None]:
        """None for a queue that cannot tell, or that is not asked, as its server is away."""
        rows = self._rows_at(site)
        queues = {name: rows.get(name, []) for place, name in self._places if place is site}
        if site.retry_at > time.monotonic():
            return [None]
        try:
            owners = {name: [row.owner for row in there] for name, there in queues.items()}
            told = remains_of(site.link, owners)
        except ServerTrouble:  # the next look tells of it
            return [None]
        return [each if isinstance(each, Remains) else None for each in told]

    def _stop_server(self) -> None:
        """End the embedded server, which is the first consumer's: the others are not ours."""
        with suppress(*ServerTrouble):  # it goes without an answer
            self._sites[0].link.call("SHUTDOWN")

    def _has_dead(self) -> bool:
        return any(row.state == State.DEAD for row in self._scoreboard)

    def _wait_for_servers(self) -> None:
        deadline = time.monotonic() + self._redis_wait
        missing = self._sites
        while not self._leaving and (missing := [s for s in missing if not s.try_out(deadline)]):
            self._look([site for site in missing if not site.is_reached])
            self._sleep(min(pace.LOOK, deadline - time.monotonic()))
        self._warn([site for site in self._sites if site not in missing])
        self._scoreboard.note_redis_usable()
        ring(self._bell)

    @staticmethod
    def _warn(usable: Sequence[Site]) -> None:
        """Once for each server, however many of its databases are in use."""
        servers: dict[str, list[Site]] = {}
        for site in usable:
            servers.setdefault(re.sub(DATABASE, "", site.link.address), []).append(site)
        for first, *others in servers.values():
            with suppress(*ServerTrouble):  # the first look tells of it
                warn_of_eviction(first.link)
                warn_of_crowd(first.link, sum(site.connections for site in (first, *others)))

    def _look(self, missing: Sequence[Site] = ()) -> float:
        """Returns when the next one can tell more than this one, if before LOOK has passed."""
        self._scoreboard.note_look(time.monotonic())
        self._note_state()
        rows = self._rows()
        # Those in trouble come last: they may be silent.
        look_at = math.inf
        for site in sorted(self._sites, key=lambda site: site.retry_at):
            if site not in missing:
                look_at = min(look_at, site.attend(rows.get(site, {})))
                if site.publisher:
                    site.publisher.errands.attend()
                if site.has_news:
                    ring(self._bell)
        self._scoreboard.note_answer(min(site.answered_at for site in self._sites))
        self._calls.look(time.monotonic())
        return look_at

    def _note(self, level: str, text: str) -> None:
        """It happened, whichever server people look at."""
        for site in self._sites:
            site.happenings.note(level, text)

    def _noted(self, verb: Verb) -> Verb:
        """The same, and who asked for it is noted."""

        def do(errand: Errand) -> Job:
            self._note("info", f"{errand.who} asks for: {errand.verb}")
            return verb(errand)

        return do

    def _note_state(self) -> None:
        if self._state != self._scoreboard.state:
            self._state = self._scoreboard.state
            self._note("info", STATES[self._state])

    def _rows(self) -> dict[Site, dict[str, list[Row]]]:
        """Of each site the workers of each queue."""
        rows: dict[Site, dict[str, list[Row]]] = {}
        for row in self._scoreboard:
            if row.state != State.FREE:
                site, name = self._places[row.queue]
                rows.setdefault(site, {}).setdefault(name, []).append(row)
        return rows

    def _rows_at(self, site: Site) -> dict[str, list[Row]]:
        return self._rows().get(site, {})

    def _sleep(self, seconds: float) -> None:
        doorbells = [descriptor for site in self._sites for descriptor in site.doorbells]
        watched = [*doorbells, *self._calls.descriptors]
        if not self._orphaned:
            watched.append(self._lifeline)
        self._inbox.wait(watched, seconds)
        self._inbox.take()
        self._leaving |= self._scoreboard.is_closing
        if os.getppid() != self._parent:
            self._outlive_supervisor()

    def _outlive_supervisor(self) -> None:
        """Do at its end what the supervisor would have done: see to it that the workers, which
        drain now, are gone in time."""
        if not self._orphaned:
            text = "the supervisor is gone: the workers leave after their running tasks"
            log.warning(text, extra=about("supervisor.gone"))
            self._note("error", text)
            self._orphaned = True
            for site in self._sites:
                site.end_counts()
            self._drain_deadline = time.monotonic() + self._drain_seconds
            self._workers = {row: find(row.pid) for row in self._scoreboard if row.pid}
        late = time.monotonic() >= self._drain_deadline
        for row in self._scoreboard:
            if row.alive and not self._lives(row):
                if row.pid:
                    kill_session(row.pid)
                self._close(row, Cause.CHARGED, End.UNSEEN)
            elif row.alive and late:
                extra = about("worker.killed", worker_pid=row.pid, cause="its time is up")
                log.warning("worker (pid %d) is killed, as its time is up", row.pid, extra=extra)
                kill_tree(row.pid)
                self._close(row, Cause.BLAMELESS, End.STOPPED)
        self._leaving = not any(row.alive for row in self._scoreboard)

    def _close(self, row: Row, cause: Cause, end: End) -> None:
        row.close(UNKNOWN_STATUS, cause, end)
        self._scoreboard.ends.count(row.queue, end)

    def _lives(self, row: Row) -> bool:
        """Whether the worker does, and the number is not another's by now."""
        process = self._workers.get(row)
        return is_alive(process) if process else bool(row.pid) and leads_session(row.pid)
