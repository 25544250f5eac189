"""The upkeep of the queues in Redis: due retries, leases, and what the dead left behind."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil
import redis
from setproctitle import setproctitle

from .errors import RedisUnusable
from .link import Link, ServerTrouble, describe, is_outage, require_usable
from .logs import log
from .outage import Outage
from .processes import find, is_alive, kill_tree
from .queue import Queue
from .scoreboard import BLAMELESS, CHARGED, DEAD, FREE, UNKNOWN_STATUS, Row, Scoreboard
from .settings import Settings
from .signals import SignalInbox
from .verdict import Failure, Policy, judge
from .worker import tell

if TYPE_CHECKING:
    from .woodenwaiter import WoodenCustomer

LOOK = 0.1
"""Seconds between two looks at the scoreboard."""

SLOW = 0.1
"""A task seen running for this many seconds has what ran before it settled, and what waits behind
it given back. Twice worker.LONG: its worker, which measures at least as long, won't touch that."""

ROUND = 1.0
"""Seconds between two rounds through the queues, at most: a due retry shortens it."""

LAST_PASS = 5.0
"""Seconds for which a leaving housekeeper tries to recover what is left, should Redis be away."""


class Upkeep:
    """The upkeep of one queue. Methods raise what is in ServerTrouble."""

    def __init__(self, queue: Queue, policy: Policy, lease: float) -> None:
        self._queue = queue
        self._policy = policy
        self._lease = lease
        self._sights: dict[Row, _Sight] = {}
        self._round_at = self._renew_at = self._expiry_at = 0.0  # when each is due

    def attend(self, rows: Sequence[Row], now: float, *, may_expire: bool) -> None:
        """Do what is due at ``now`` (monotonic seconds); ``rows`` are this queue's workers.

        ``may_expire``: whether every owner had the time to renew its lease.
        """
        for row in rows:
            if row.state == DEAD:
                self._recover(row)
            else:
                self._give_back_if_slow(row, now)
        if now >= self._renew_at:
            self._queue.renew([row.owner for row in rows])
            self._renew_at = now + self._lease / 3
            self._queue.register()
        if now >= self._round_at:
            _, following = self._queue.promote()
            self._round_at = now + min(ROUND, ROUND if following is None else following)
        if may_expire and now >= self._expiry_at:
            self._recover_expired()
            self._expiry_at = now + self._lease / 10

    def hurry(self) -> None:
        """Let everything be due: after an outage, before anyone's lease may be taken."""
        self._round_at = self._renew_at = self._expiry_at = 0.0

    def _give_back_if_slow(self, row: Row, now: float) -> None:
        running = row.running
        task = (row.incarnation, running)
        sight = self._sights.get(row)
        if sight is None or sight.task != task:
            # Not since `now`, which may be long past: the look had to see to others first.
            self._sights[row] = _Sight(task, time.monotonic())
        elif running and row.holds_several and not sight.done and now - sight.since >= SLOW:
            self._queue.give_back(row.owner, running)
            sight.done = True

    def _recover(self, row: Row) -> None:
        """Take over from a worker that died here, and free its row."""
        failure = (
            Failure(f"its worker (pid {row.pid}) {row.ending}")
            if row.running and row.is_charged
            else None
        )
        self._release(row.owner, row.completed, failure)
        self._sights.pop(row, None)
        row.free()

    def _recover_expired(self) -> None:
        """Take over from owners whose leases ran out. Nobody saw what they were running: the oldest
        claim is charged, so that a task which takes its whole host down is not tried forever."""
        for owner in self._queue.expired():
            failure = Failure("the lease of its worker ran out")
            self._release(owner, 0, failure, lapsed=True)

    def _release(
        self, owner: str, completed: int, failure: Failure | None, *, lapsed: bool = False
    ) -> None:
        verdict = None
        if failure:
            settled, raw = self._queue.running(owner, completed)
            # A count that is ahead: the worker had reported the failure itself before it died.
            if raw is not None and (settled == completed or lapsed):
                completed = settled
                verdict = judge(raw, f"{owner}/{completed + 1}", failure, self._policy, owner)
        put_back = self._queue.release(owner, completed, verdict, lapsed=lapsed)
        if put_back is None:
            return  # it gave a sign of life after all
        if failure and verdict:
            tell(failure, verdict)
        if put_back:
            log.info("tasks of %s that are back in the queue: %d", owner, put_back)


@dataclass
class _Sight:
    """Since when a task was seen running, and whether what waits behind it was given back."""

    task: tuple[int, int]
    since: float
    done: bool = False


class Site:
    """The queues on one server, over one connection."""

    def __init__(self, client: redis.Redis, lease: float, timeout: float) -> None:
        self.link = Link(client, timeout)
        self._lease = lease
        self._queues: dict[str, tuple[Upkeep, Outage]] = {}
        self._outage = Outage(self.link.address, lease, spokesman=True)
        self._answered_at = -math.inf  # for the last time
        self._usable_since = math.inf

    def add(self, name: str, policy: Policy) -> None:
        """Care for this queue too."""
        if name not in self._queues:
            upkeep = Upkeep(Queue(self.link, name, self._lease), policy, self._lease)
            self._queues[name] = (upkeep, Outage(self.link.address, self._lease, spokesman=True))

    @property
    def retry_at(self) -> float:
        """When to call the server again, if it is in trouble; else a time that is past."""
        return self._outage.retry_at

    def try_out(self, deadline: float) -> bool:
        """Whether the server is usable, as far as it is time for another try.

        Raises RedisUnusable after ``deadline``, or at once where time will not help.
        """
        if time.monotonic() < min(self.retry_at, deadline):
            return False
        try:
            require_usable(self.link)
        except ServerTrouble as error:
            if time.monotonic() >= deadline:
                raise RedisUnusable(
                    f"no usable Redis at {self.link.address}: {str(error).rstrip('.')}. "
                    "Start one there, name another with --redis, or use --embedded"
                ) from None
            self._outage.note(error)
            return False
        self._outage.over()
        return True

    def attend(self, rows: Mapping[str, Sequence[Row]]) -> None:
        """Do what is due for every queue; ``rows`` are the workers of each.

        What is wrong with one queue's keys holds up that queue alone.
        """
        now = time.monotonic()
        if now < self.retry_at:
            return
        # Owners renew three times per lease: only a longer outage can have cost one its lease,
        # and gives all of them a whole lease to get over it.
        if now - self._answered_at > self._lease / 3:
            self._usable_since = now
        try:
            for name, (upkeep, outage) in self._queues.items():
                self._attend(upkeep, outage, rows.get(name, ()), now)
        except ServerTrouble as error:
            self._outage.note(error)
            for upkeep, _ in self._queues.values():
                upkeep.hurry()
        else:
            self._outage.over()
            self._answered_at = now

    def _attend(self, upkeep: Upkeep, outage: Outage, rows: Sequence[Row], now: float) -> None:
        if now < outage.retry_at:
            return
        may_expire = now - self._usable_since >= self._lease
        try:
            upkeep.attend(rows, now, may_expire=may_expire)
        except ServerTrouble as error:
            if is_outage(error):
                raise
            outage.note(error)
        else:
            outage.over()


def _identity(client: redis.Redis) -> Hashable:
    """The same for clients that reach the same database in the same way."""
    settings = client.connection_pool.connection_kwargs
    plain = {(k, v) for k, v in settings.items() if isinstance(v, str | bytes | int)}
    return describe(client), id(settings.get("credential_provider")), frozenset(plain)


class Housekeeper:
    """Cares for all queues of one supervisor's customers, in a process of its own."""

    def __init__(
        self,
        customers: Sequence[WoodenCustomer],
        scoreboard: Scoreboard,
        settings: Settings,
        inbox: SignalInbox,
        lifeline: int,
        parent: int,
        *,
        stops_server: bool,
    ) -> None:
        self._scoreboard = scoreboard
        self._redis_wait = settings.redis_wait
        self._drain_seconds = settings.drain_seconds
        self._drain_deadline = math.inf
        self._inbox = inbox
        self._lifeline = lifeline
        self._parent = parent
        self._stops_server = stops_server
        self._leaving = False
        self._orphaned = False
        self._workers: dict[Row, psutil.Process | None] = {}  # once orphaned
        lease = settings.lease_seconds
        clients = {_identity(c.waiter.redis_clt): c.waiter.redis_clt for c in customers}
        # Should all be silent, a look still takes no longer than owners may wait for their renewal.
        timeout = lease / 3 / len(clients)
        sites = {key: Site(client, lease, timeout) for key, client in clients.items()}
        self._sites = list(sites.values())
        self._places: list[tuple[Site, str]] = []  # of each customer: its site and its queue
        for customer in customers:
            site = sites[_identity(customer.waiter.redis_clt)]
            site.add(customer.table_dish, customer.policy)
            self._places.append((site, customer.table_dish))
        setproctitle("woodenwaiter: housekeeper")

    def serve(self) -> None:
        """Care for the queues until told to leave and nothing is left to recover.

        Raises RedisUnusable if this supervisor has not had a usable server within `redis_wait`.
        """
        if not self._scoreboard.redis_was_usable:
            self._wait_for_servers()
        deadline = math.inf
        while True:
            self._look()
            if self._leaving:
                deadline = min(deadline, time.monotonic() + LAST_PASS)
                if time.monotonic() >= deadline or not self._has_dead():
                    break
            self._sleep(LOOK)
        if self._orphaned and self._stops_server:
            self._stop_server()

    def _stop_server(self) -> None:
        """End the embedded server, which is the first customer's: the others are not ours."""
        with suppress(*ServerTrouble):  # it goes without an answer
            self._sites[0].link.call("SHUTDOWN")

    def _has_dead(self) -> bool:
        return any(row.state == DEAD for row in self._scoreboard)

    def _wait_for_servers(self) -> None:
        deadline = time.monotonic() + self._redis_wait
        missing = self._sites
        while not self._leaving and (missing := [s for s in missing if not s.try_out(deadline)]):
            self._look(missing)
            self._sleep(min(LOOK, deadline - time.monotonic()))
        self._scoreboard.note_redis_usable()

    def _look(self, missing: Sequence[Site] = ()) -> None:
        rows: dict[Site, dict[str, list[Row]]] = {}
        for row in self._scoreboard:
            if row.state != FREE:
                site, name = self._places[row.queue]
                rows.setdefault(site, {}).setdefault(name, []).append(row)
        # Those in trouble come last: they may be silent.
        for site in sorted(self._sites, key=lambda site: site.retry_at):
            if site not in missing:
                site.attend(rows.get(site, {}))

    def _sleep(self, seconds: float) -> None:
        watched = () if self._orphaned else (self._lifeline,)
        self._inbox.wait(watched, seconds)
        if self._inbox.take():
            self._leaving = True
        if os.getppid() != self._parent:
            self._outlive_supervisor()

    def _outlive_supervisor(self) -> None:
        """Do at its end what the supervisor would have done: see to it that the workers, which
        drain now, are gone in time."""
        if not self._orphaned:
            log.warning("the supervisor is gone: the workers leave after their running tasks")
            self._orphaned = True
            self._drain_deadline = time.monotonic() + self._drain_seconds
            self._workers = {row: find(row.pid) for row in self._scoreboard if row.pid}
        late = time.monotonic() >= self._drain_deadline
        for row in self._scoreboard:
            process = self._workers.get(row)
            if row.alive and not is_alive(process):
                row.close(UNKNOWN_STATUS, CHARGED)
            elif row.alive and process and late:
                log.warning("worker (pid %d) is killed, as its time is up", process.pid)
                kill_tree(process.pid)
                row.close(UNKNOWN_STATUS, BLAMELESS)
        self._leaving = not any(row.alive for row in self._scoreboard)
