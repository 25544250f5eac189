"""The queues on one server, or on one cluster of them, over one connection to each."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from .. import pace
from ..errors import RedisUnusable
from ..events import about
from ..hooks import Hear, unheard
from ..logs import log
from ..processes.children import send_signal
from ..processes.demands import Demand
from ..processes.row import Row
from ..processes.signals import BELL
from ..protocol.backlog import counted
from ..protocol.capacity import explained
from ..protocol.client import Client
from ..protocol.grace import Leases, ServerClock
from ..protocol.introduction import introduced
from ..protocol.link import Command, Link, ServerTrouble, require_usable, unusable
from ..protocol.outage import Outage
from ..protocol.pulse import Pulse
from ..protocol.queue import Queue
from ..protocol.recovery import Sweep, expired_by
from ..protocol.replies import is_outage, is_silence
from ..protocol.rights import RightsMissing, require_rights
from ..protocol.stranded import Search
from ..protocol.tending import Tended, Visit, tend_together
from ..protocol.verdict import Policy
from .backlog import Backlog
from .publisher import Publisher
from .trimming import Trimming
from .upkeep import Upkeep


class Node:
    """What is known of one server."""

    def __init__(self, address: str, lease: float) -> None:
        self.address = address
        self.outage = Outage(f"Redis at {address}", lease)
        self.clock = ServerClock(lease)
        self._lease = lease

    def expired(self, tended: Tended, sent: float, received: float) -> Leases:
        """None where it took long, perhaps as another server kept this one's answer waiting: it
        says too little of the clock."""
        if received - sent > pace.unnoticed_step(self._lease):
            return {}
        return expired_by(self.clock, tended, sent, received, self.address, self._lease)


@dataclass(eq=False)
class Care:
    """For one queue: what is done for it, and what is wrong with that queue alone; in this look:
    its workers, and the leases that ran out."""

    sweep: Sweep
    upkeep: Upkeep
    backlog: Backlog
    trimming: Trimming
    outage: Outage
    node: Node
    rows: Sequence[Row] = ()
    expired: Leases = field(default_factory=dict)
    answered_at: float = 0.0  # when its server did last (monotonic seconds)
    pulse: Pulse = field(default_factory=lambda: Pulse(random.random))

    def is_due(self, now: float) -> bool:
        """Whether the queue is to be tended: some of these workers may have delayed a retry."""
        retries = [row.retry_due for row in self.rows]
        return self.sweep.rounds.is_due(now, retries) or self.pulse.is_due(now, self._progress)

    def visit(self, now: float) -> Visit:
        """What to ask for."""
        owners = [row.owner for row in self.rows]
        visit = self.sweep.visit(owners, now, self.node.clock.reads(now))
        is_due = self.pulse.is_due(now, self._progress)
        if not is_due:
            return visit
        return visit._replace(seen=self.pulse.seen, max_dead=self.trimming.kept)

    def visited(self, visit: Visit, tended: Tended, sent: float, received: float) -> None:
        """By a request that was sent and answered then."""
        self.upkeep.renewed(sent, received)
        self.sweep.made(visit, tended, sent)
        hosts = self.sweep.rounds.hosts
        if trouble := self.pulse.visited(tended, sent, received, hosts, self._progress):
            log.warning("what %s does is not noted: %s", self.sweep.queue.name, trouble)
        if self.trimming.heard(tended.trimmed):
            self.pulse.stir()

    @property
    def _progress(self) -> int:
        return sum(row.started + row.completed for row in self.rows)


class Site:
    """The queues on one server, or on one cluster of them, over one connection to each. ``places``:
    workers that there may be in all; ``hear``: is told of mishaps; ``max_dead``: see `Trimming`."""

    def __init__(
        self,
        client: Client,
        lease: float,
        timeout: float,
        places: float = math.inf,
        hear: Hear = unheard,
        max_dead: int = 0,
    ) -> None:
        self.link = Link(client, timeout, introduced("housekeeper"))
        self._workers, self._places = 0, places
        self._hear, self._max_dead = hear, max_dead
        self._client = client
        self._lease = lease
        self._phase = random.random()
        self.has_news = False
        """Whether more was found, when it was attended last, that waits for workers."""
        self._cares: dict[str, Care] = {}
        self._nodes: dict[str, Node] = {}
        self._troubled: set[Outage] = set()  # of those, what this look has met
        self._lack = Outage(f"Redis at {self.link.address}", lease)  # of rights, at the start
        self._is_lacking = self.is_reached = False
        self._primary: str | None = None
        self._register_at = -math.inf
        self._search = Search(self.link, time.monotonic())
        self.publisher: Publisher | None = None

    def add(self, name: str, policy: Policy, workers: int, demand: Demand | None = None) -> None:
        """Care for this queue too, which has so many workers here at most; ``demand``: where what
        waits for them is told."""
        self._workers += workers
        if name not in self._cares:
            sweep = Sweep(Queue(self.link, name, self._lease), self._lease, self._phase)
            upkeep, backlog = Upkeep(sweep, policy, self._lease, self._hear), Backlog(sweep)
            outage = Outage(f"queue {name} on {self.link.address}", self._lease)
            trimming = Trimming(name, self._max_dead)
            self._cares[name] = Care(sweep, upkeep, backlog, trimming, outage, self._node())
        if demand:
            self._cares[name].backlog.add(demand)

    def _node(self, queue: str = "") -> Node:
        """The one that has this queue at present; without one, the one that is asked first."""
        address = self.link.address_for(queue) if queue else self.link.address
        if address not in self._nodes:
            self._nodes[address] = Node(address, self._lease)
        return self._nodes[address]

    @property
    def retry_at(self) -> float:
        """When to call all of its servers again, if any is in trouble; else a time that is past."""
        return max((node.outage.retry_at for node in self._nodes.values()), default=0.0)

    def try_out(self, deadline: float) -> bool:
        """Whether the server is usable, as far as it is time for another try.

        Raises RedisUnusable after ``deadline``, or at once where time will not help. Where only
        rights are missing, it is to be attended meanwhile: workers do what they may.
        """
        outage = self._node().outage
        if time.monotonic() < min(max(outage.retry_at, self._lack.retry_at), deadline):
            return False
        left = max(pace.LEAST_TRY, deadline - time.monotonic())
        link = Link(self._client, min(self.link.timeout, left), introduced("housekeeper"))
        try:
            require_usable(link)
            self.is_reached = True
            require_rights(link, self._cares)
        except RightsMissing as error:
            if time.monotonic() >= deadline:
                raise RedisUnusable(f"Redis at {link.address}: {error}") from None
            self._lack.note(error)
            self._is_lacking = True
            return False
        except ServerTrouble as error:
            if time.monotonic() >= deadline:
                raise unusable(link.address, explained(error, self.connections)) from None
            outage.note(explained(error, self.connections))
            return False
        finally:
            link.close()
        outage.over()
        self._is_lacking = False
        return True

    @property
    def connections(self) -> int:
        """That this supervisor needs here: this one, its workers' and, for queues without, those
        that wait for tasks in their place."""
        return int(1 + min(self._workers, self._places + len(self._cares)))

    @property
    def doorbells(self) -> list[int]:
        """The descriptors of those that hang: what comes to a queue without workers rings them."""
        found = (care.backlog.descriptor for care in self._cares.values())
        return [descriptor for descriptor in found if descriptor is not None]

    @property
    def answered_at(self) -> float:
        """When the servers of all queues had answered, in monotonic seconds; 0: not yet."""
        return min(care.answered_at for care in self._cares.values())

    def end_counts(self) -> None:
        """Nobody is to be started any more."""
        for care in self._cares.values():
            care.backlog.end()

    def attend(self, rows: Mapping[str, Sequence[Row]]) -> float:
        """Do what is due for every queue; ``rows`` are the workers of each. Returns when there may
        be more to see, should that be soon.

        What is wrong with one queue's keys holds up that queue alone, and what is wrong with one
        server the queues that it has. Renewals come first: whatever fails after them costs no
        living worker its lease.
        """
        now, look_at = time.monotonic(), math.inf
        self._troubled.clear()
        awake = list(self._awake(rows, now))
        self._tend(awake, now)
        for care in awake:
            if not self._is_in_trouble(care):
                with self._minding(care):
                    look_at = min(look_at, care.upkeep.see_to(care.rows, care.expired, now))
        self.has_news = self._count(awake, now)
        self._register(awake, now)
        if awake and not self._troubled:
            self._look_for_stranded(awake, now)
        self._note_what_is_well(awake)
        self._tell_primary()
        if not (self._troubled or self._is_lacking):
            self._lack.over()
        return look_at

    def _tell_primary(self) -> None:
        """Where the service is that sentinels are asked for: at first, and after each failover."""
        if (primary := self.link.primary) and primary != self._primary:
            self._primary = primary
            extra = about("redis.primary", server=primary)
            log.info("%s is %s now", self.link.address, primary, extra=extra)

    def _awake(self, rows: Mapping[str, Sequence[Row]], now: float) -> Iterator[Care]:
        """Those whose turn it is, as far as trouble goes."""
        for name, care in self._cares.items():
            care.node, care.rows, care.expired = self._node(name), rows.get(name, ()), {}
            if now >= max(care.node.outage.retry_at, care.outage.retry_at):
                yield care
            else:
                care.backlog.let_be()

    def _tend(self, awake: Sequence[Care], now: float) -> None:
        """All that are due, and with them those that nearly are, and what is to be told of this
        supervisor, in one round trip. For the latter's sake alone, no queue is visited sooner."""
        is_due = any(care.is_due(now) for care in awake)
        along = self._news(awake, now, is_due)
        if not (is_due or along):
            return
        due = [c for c in awake if c.is_due(now) or (is_due and c.sweep.rounds.is_nearly_due(now))]
        sent = time.monotonic()
        visits = [care.visit(sent) for care in due]
        outcomes = self._exchange(visits, along)
        received = time.monotonic()
        if self.publisher:
            self.publisher.heed(outcomes[len(visits) :], received)
        for care, visit, outcome in zip(due, visits, outcomes[: len(visits)], strict=True):
            if not (isinstance(outcome, Exception) and is_outage(outcome)):
                care.answered_at = received
            if isinstance(outcome, Exception):
                self._note(care, outcome)
                continue
            care.visited(visit, outcome, sent, received)
            care.expired = care.node.expired(outcome, sent, received)

    def _exchange(self, visits: Sequence[Visit], along: Sequence[Command]) -> Sequence[Any]:
        try:
            return tend_together(self.link, visits, along)
        except ServerTrouble as error:
            return [error] * (len(visits) + len(along))

    def _news(self, awake: Sequence[Care], now: float, is_due: bool) -> Sequence[Command]:
        """What asks for nothing, and tells of this supervisor."""
        if not (self.publisher and self.publisher.is_wanted(now, is_asking=is_due)):
            return ()
        rows = {name: care.rows for name, care in self._cares.items()}
        nodes = {care.node.address for care in awake}
        return self.publisher.along(rows, nodes, now, is_asking=is_due)

    def _count(self, awake: Sequence[Care], now: float) -> bool:
        """What waits, as far as it matters; returns whether something does."""
        well = [care for care in awake if not self._is_in_trouble(care)]
        due = [care for care in well if care.backlog.is_to_be_counted(care.rows, now)]
        numbers: Sequence[int | Exception] = ()
        try:
            numbers = counted(self.link, [care.backlog.queue for care in due]) if due else ()
        except ServerTrouble as error:
            numbers = [error] * len(due)
        for care, number in zip(due, numbers, strict=True):
            with self._minding(care):
                if isinstance(number, Exception):
                    raise number
                care.backlog.is_counted(number, now)
        return any(isinstance(number, int) and number for number in numbers)

    @contextmanager
    def _minding(self, care: Care) -> Iterator[None]:
        try:
            yield
        except ServerTrouble as error:
            self._note(care, error)

    def _note(self, care: Care, error: Exception) -> None:
        """Once a look, however many queues meet the same."""
        outage = care.node.outage if is_outage(error) else care.outage
        if outage not in self._troubled:
            self._troubled.add(outage)
            outage.note(explained(error, self.connections))
            if is_silence(error):
                for other in self._at(care.node):
                    _wake_workers(other.rows)
        if outage is care.node.outage:
            for other in self._at(care.node):
                other.sweep.hurry()

    def _at(self, node: Node) -> list[Care]:
        return [care for care in self._cares.values() if care.node is node]

    def _is_in_trouble(self, care: Care) -> bool:
        return not self._troubled.isdisjoint((care.outage, care.node.outage))

    def _register(self, awake: Sequence[Care], now: float) -> None:
        """Each queue, unless who keeps their names is away: it may be silent, each time."""
        for care in awake:
            if now < self._register_at:
                return
            if not (self._is_in_trouble(care) or care.sweep.register(now)):
                self._register_at = time.monotonic() + pace.REGISTER_AGAIN

    def _look_for_stranded(self, awake: Sequence[Care], now: float) -> None:
        hosts = min(care.sweep.rounds.hosts for care in awake)
        with suppress(*ServerTrouble):  # the next visit tells of it
            self._search.attend([care.sweep.queue for care in awake], now, hosts)

    def _note_what_is_well(self, awake: Sequence[Care]) -> None:
        for care in awake:
            if not self._is_in_trouble(care):
                care.outage.over()
        for outage in {care.node.outage for care in awake} - self._troubled:
            outage.over()


def _wake_workers(rows: Sequence[Row]) -> None:
    """Those that wait for tasks of a server that is silent would do so for long: its system may
    answer TCP, and another server serve in its place."""
    for row in rows:
        if row.alive:
            send_signal(row.pid, BELL)
