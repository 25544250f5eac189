"""Producers that push all the time, workers that run it, and a ledger of every task: for tests in
which servers fail meanwhile."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import redis

from woodenwaiter import WoodenWaiter
from woodenwaiter.protocol.link import Link
from woodenwaiter.protocol.queue import Queue

from .application import Application, Code, Supervisor, customer
from .soak.ledger import Ledger, check
from .support import eventually, path_with
from .topologies.clients import repeats_nothing
from .topologies.node import Node

ROOT = Path(__file__).parents[1]

LEASE = 3.0

PAUSE = 0.02
"""Seconds between two tasks of a queue."""

MOMENT = 1.5
"""Seconds for what stood still to go on, on a busy machine."""

TEXT = """
from pathlib import Path
from tests.soak.ledger import Ledger

ledger, host = Ledger(Path(os.environ["LOAD_LEDGER"])), os.environ["LOAD_HOST"]

def born():
    ledger.note("born", pid=os.getpid(), host=host)
"""

HANDLER = """
ledger.note("start", foods["id"], pid=os.getpid(), host=host, number=delivery().number)
deadline = time.monotonic() + foods["seconds"]
while time.monotonic() < deadline:
    time.sleep(0.01)
if foods["fails"] and delivery().number == 1:
    ledger.note("failing", foods["id"], pid=os.getpid())
    raise Retry(after=0.3)
ledger.note("end", foods["id"], pid=os.getpid())
"""

NUMBER = rb'"n": (\d+)'

_first_numbers = count(1_000_000, 1_000_000)


class Load:
    """Of these queues. ``url``: where producers find the server, if elsewhere than workers do;
    ``policy``: keywords of the customers."""

    def __init__(
        self, app: Application, queues: Sequence[str], url: str | None = None, **policy: Any
    ) -> None:
        self.app = app
        self.queues = queues
        self.ledger = Ledger(app.folder / "ledger")
        self.first = next(_first_numbers)
        self.pushed: set[int] = set()
        self._queues: dict[int, str] = {}
        self.supervisors: list[Supervisor] = []
        self.waiter = WoodenWaiter.from_url(url or app.url, socket_timeout=2)
        repeats_nothing(self.waiter.redis_clt)
        self._numbers = count(self.first)
        self._stopped = threading.Event()
        self._producers = [threading.Thread(target=self._produce, args=(q,)) for q in queues]
        customers = [customer(q, processes=1, setup=Code("born"), **policy) for q in queues]
        app.write(*customers, text=TEXT, handler=HANDLER)

    def serve(self, host: str = "host", *options: str, **others: Any) -> Supervisor:
        """Another host's supervisor."""
        supervisor = self.app.serve(
            *("--lease-seconds", f"{LEASE:g}", *options),
            PYTHONPATH=path_with(ROOT),
            LOAD_LEDGER=str(self.ledger.path),
            LOAD_HOST=host,
            **others,
        )
        self.supervisors.append(supervisor)
        return supervisor.ready(len(self.queues))

    # Its producer.

    @contextmanager
    def produced(self) -> Iterator[None]:
        """Push all the time; then wait until all is run."""
        for producer in self._producers:
            producer.start()
        try:
            self.await_progress()
            yield
        finally:
            self._stopped.set()
            for producer in self._producers:
                producer.join()
        self.await_end()

    def _produce(self, queue: str) -> None:
        while not self._stopped.wait(PAUSE):
            self.push(queue)

    def push(self, queue: str, seconds: float = 0.0, fails: bool = False) -> int:
        """Until the server says that it has it, or nobody wants any more; each attempt is a task of
        its own to the ledger, as all that failed may have come through."""
        n = next(self._numbers)
        self._queues[n] = queue
        for attempt in count():
            task = f"{n}-{attempt}"
            foods = {"n": n, "id": task, "seconds": seconds, "fails": fails}
            self.ledger.note("pushing", task)
            try:
                self.waiter.take_dish(queue, foods)
            except (redis.RedisError, OSError):
                if self._stopped.wait(0.1):
                    break
            else:
                self.ledger.note("pushed", task)
                self.pushed.add(n)
                break
        return n

    # Its workers.

    @property
    def done(self) -> set[int]:
        return set(self._noted("end"))

    def runs(self, n: int) -> int:
        return self._noted("end").count(n)

    def hosts_of(self, n: int) -> list[str]:
        """Those on which the task has begun, the first one first."""
        records = [record for record in self.ledger if record.what == "start"]
        return [record.host for record in records if record.task.startswith(f"{n}-")]

    def await_start(self, n: int) -> None:
        eventually(lambda: n in self._noted("start"), "a task that has begun")

    def _noted(self, what: str) -> list[int]:
        if not self.ledger.path.exists():
            return []
        pattern = b'"%b", "(\\d+)' % what.encode()
        return list(map(int, re.findall(pattern, self.ledger.path.read_bytes())))

    def await_pushes(self) -> None:
        """Wait until each queue has been told of something new."""
        self._await_new(lambda: self.pushed, self.queues, "new tasks in all queues", 20)

    def await_progress(self, seconds: float = 20.0, *queues: str) -> None:
        """Wait until of each queue something has run that is pushed from now on."""
        self._await_new(lambda: self.done, queues or self.queues, "tasks that have run", seconds)

    def _await_new(
        self, numbers: Callable[[], set[int]], queues: Sequence[str], what: str, seconds: float
    ) -> None:
        begun = next(self._numbers)

        def has_new() -> bool:
            return {self._queues[n] for n in {*numbers()} if n > begun} >= {*queues}

        eventually(has_new, what, seconds)

    def await_end(self) -> None:
        link = Link(self.waiter.client, 5)
        queues = [Queue(link, name, LEASE) for name in self.queues]

        def holdings() -> list[list[int]]:
            sizes = [queue.sizes() for queue in queues]
            return [[of[state] for of in sizes] for state in ("waiting", "claimed", "delayed")]

        def is_idle() -> bool:
            # What moves while sizes are read may be nowhere: not twice in a row.
            return not any(map(sum, holdings() + holdings()))

        try:
            eventually(is_idle, "queues that are empty", 30)
        finally:
            link.close()

    def assert_serves(self, queue: str, seconds: float) -> None:
        """One task, of which nobody else makes them think."""
        n = self.push(queue)
        eventually(lambda: n in self.done, f"a task of {queue} that has run", seconds)

    # Its ledger.

    @contextmanager
    def forgetting(self, primaries: Iterable[Node], replicas: int) -> Iterator[None]:
        """What these have now, so many of their replicas have, too; what comes from now on may get
        lost."""
        self.ledger.note("kept")
        for primary in primaries:
            assert primary.client.wait(replicas, 10_000) >= replicas
        yield
        self.ledger.note("rollback", until=time.monotonic() + MOMENT)

    def note_lapse(self, host: str, seconds: float) -> None:
        """From now on its leases may run out, or it is dead."""
        self.ledger.note("lapse", host=host, until=time.monotonic() + seconds)

    def account(self, survivors: Iterable[Node] = ()) -> set[int]:
        """All that a server has been told of, and its successors with it, has run; and all has run
        that was not pushed while something might be forgotten, once, or has an excuse. Returns what
        was acknowledged and is lost."""
        findings = check(self.ledger, (), fatal=(), max_deliveries=5)
        assert not findings.problems, findings.problems
        told = {int(number) for node in survivors for number in node.told(NUMBER)}
        assert not {n for n in told if n >= self.first} - self.done, "what servers had has run"
        assert self.pushed & self.done
        lost = self.pushed - self.done
        print(f"{len(self.pushed)} tasks, {len(lost)} lost; {findings.reruns or 'no'} reruns")
        return lost
