"""The queues on one server, or on one cluster of them, over one connection to each."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from .. import pace
from ..events import about
from ..hooks import Hear, unheard
from ..logs import log
from ..processes.children import send_signal
from ..processes.demands import Demand
from ..processes.row import Row
from ..processes.signals import BELL
from ..protocol.backlog import counted
from ..protocol.calls import run_all
from ..protocol.capacity import explained
from ..protocol.client import Client
from ..protocol.introduction import introduced
from ..protocol.keys import Keys
from ..protocol.link import Command, Link, ServerTrouble
from ..protocol.outage import Outage
from ..protocol.queue import Queue
from ..protocol.recovery import Sweep
from ..protocol.replies import is_outage, is_silence, reply_of
from ..protocol.stranded import Search
from ..protocol.tending import Visit, tend_together
from ..protocol.times import adding
from ..protocol.verdict import Policy
from .admission import Admission
from .backlog import Backlog
from .care import Care, Node
from .happenings import Happenings
from .publisher import Publisher
from .timing import Timing
from .trimming import Trimming
from .upkeep import Upkeep


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
        self._admission = Admission(client, lease, timeout, self.link.address)
        self._lease = lease
        self._phase = random.random()
        self.has_news = False
        """Whether more was found, when it was attended last, that waits for workers."""
        self._cares: dict[str, Care] = {}
        self._nodes: dict[str, Node] = {}
        self._troubled: set[Outage] = set()  # of those, what this look has met
        self._primary: str | None = None
        self._register_at = -math.inf
        self._search = Search(self.link, time.monotonic())
        self.happenings = Happenings()
        self.publisher: Publisher | None = None

    def add(self, name: str, policy: Policy, workers: int, demand: Demand | None = None) -> None:
        """Care for this queue too, which has so many workers here at most; ``demand``: where what
        waits for them is told."""
        self._workers += workers
        if name not in self._cares:
            sweep = Sweep(Queue(self.link, name, self._lease), self._lease, self._phase)
            upkeep = Upkeep(sweep, policy, self._lease, self._hear, self.happenings)
            backlog = Backlog(sweep)
            outage = Outage(f"queue {name} on {self.link.address}", self._lease)
            trimming = Trimming(name, self._max_dead)
            self._cares[name] = Care(sweep, upkeep, backlog, trimming, outage, self._node())
        if demand:
            self._cares[name].backlog.add(demand)

    def time(self, name: str, timing: Timing) -> None:
        """Tell how long handlers of this queue take, too."""
        self._cares[name].timing = timing

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
        """Whether the server is usable, see `Admission`."""
        return self._admission.try_out(deadline, self._cares, self._node().outage, self.connections)

    @property
    def is_reached(self) -> bool:
        return self._admission.is_reached

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

    def conclude(self) -> None:
        """Tell at the end what is left to be told, as far as that can be done at once."""
        if self.retry_at > time.monotonic():
            return
        timings = {name: care.timing for name, care in self._cares.items() if care.timing}
        left = {name: rest for name, timing in timings.items() if (rest := timing.rest)}
        with suppress(*ServerTrouble):
            calls = [adding(Keys(name), addition) for name, addition in left.items()]
            run_all(self.link, calls, pace.PUBLISH_WAIT)
            if self.publisher:
                self.publisher.withdraw()

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
        if not self._troubled:
            self._admission.is_well()
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
            if not outage.is_on:
                self.happenings.note("error", f"{_name_of(care, outage)}: {_plain(error)}")
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
        well = {care.outage: care for care in awake if not self._is_in_trouble(care)}
        well |= {care.node.outage: care for care in awake}
        for outage in well.keys() - self._troubled:
            was_on = outage.is_on
            outage.over()
            if was_on and not outage.is_on:
                self.happenings.note("info", f"{_name_of(well[outage], outage)} works again")


def _name_of(care: Care, outage: Outage) -> str:
    """Of what is in trouble: addresses are not for everybody who looks."""
    return "Redis" if outage is care.node.outage else f"queue {care.sweep.queue.name}"


def _plain(error: Exception) -> str:
    """What is wrong, likewise: what a connection says of itself has an address."""
    if (reply := reply_of(error)).code:
        return reply.whole
    return "no answer" if is_silence(error) else "no connection"


def _wake_workers(rows: Sequence[Row]) -> None:
    """Those that wait for tasks of a server that is silent would do so for long: its system may
    answer TCP, and another server serve in its place."""
    for row in rows:
        if row.alive:
            send_signal(row.pid, BELL)
