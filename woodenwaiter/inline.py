"""Tasks run in the calling process, for programs without a supervisor: safe, one at a time."""

from __future__ import annotations

import itertools
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from . import handling
from .entry import foods
from .housekeeper import Upkeep
from .link import Link, ServerTrouble
from .logs import log
from .queue import Queue
from .verdict import Verdict, judge
from .worker import describe, failure_of, tell

if TYPE_CHECKING:
    from .woodenwaiter import WoodenCustomer

LEASE = 30.0
"""Seconds until another process takes over the task of one that died."""


class InlineWorker:
    """Claims and runs single tasks. Each is claimed by an owner of its own, so that nothing is held
    between two calls; the queue's upkeep is done along the way: nobody else may be there for it."""

    def __init__(self, customer: WoodenCustomer) -> None:
        self.pid = os.getpid()
        self._customer = customer
        self._client = customer.waiter.redis_clt
        self._queue = self._connect()
        self.address = self._queue.link.address
        self._upkeep = Upkeep(self._queue, customer.policy, LEASE)
        self._since = time.monotonic()
        token = secrets.token_hex(2)
        prefix = f"{socket.gethostname()}.{self.pid}.{token}"
        self._owners = (f"{prefix}/inline{number}" for number in itertools.count(1))

    def claim(self) -> tuple[str, bytes] | None:
        """Claim one task: its owner and its entry. Raises what is in ServerTrouble."""
        now = time.monotonic()
        try:
            self._upkeep.attend((), now, may_expire=now - self._since >= LEASE)
            owner = next(self._owners)
            self._queue.enroll(owner, 0)
            claimed = self._queue.claim(owner, 0, 1)
            if not claimed:
                self._queue.release(owner, 0)
        except ServerTrouble:
            self._since = time.monotonic()  # others may not have been able to renew their leases
            raise
        return (owner, claimed[0]) if claimed else None

    def run(self, owner: str, raw: bytes) -> Any:
        """Run a claimed task; returns what its handler returned, and raises what it raised."""
        name, policy = f"{owner}/1", self._customer.policy
        handling.describe_with(lambda: describe(raw, name, policy))
        try:
            with self._renewing(owner):
                result = self._customer.process(foods(raw))
        except KeyboardInterrupt:  # of the person at the keyboard: not the task's fault
            self._release(owner, 0)
            raise
        except BaseException as error:
            failure = failure_of(error)
            verdict = judge(raw, name, failure, policy, owner)
            tell(failure, verdict, error)
            self._release(owner, 0, verdict)
            raise
        finally:
            handling.describe_with(None)
        self._release(owner, 1)
        return result

    def _release(self, owner: str, completed: int, verdict: Verdict | None = None) -> None:
        try:
            self._queue.release(owner, completed, verdict)
        except ServerTrouble as error:
            log.warning("task %s/1 could not be settled and will run again: %s", owner, error)

    @contextmanager
    def _renewing(self, owner: str) -> Iterator[None]:
        """Keep the lease while the handler runs, from a thread: the handler has this one."""
        over = threading.Event()

        def renew() -> None:
            queue = self._connect()
            while not over.wait(LEASE / 3):
                with suppress(*ServerTrouble):  # the next one may succeed
                    queue.renew([owner])
            queue.link.close()

        thread = threading.Thread(target=renew, name="woodenwaiter lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _connect(self) -> Queue:
        return Queue(Link(self._client, timeout=LEASE / 3), self._customer.table_dish, LEASE)
