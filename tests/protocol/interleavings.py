"""Every order in which workers, housekeepers and faults can meet in a small scope.

What workers and housekeepers do between two requests is modelled here, as `worker` and
`housekeeper` do it. The requests are not: each runs on a real server, through `Queue`. Scripts are
functions of what is in Redis, so that a request which met the same contents before need not run
again; that makes millions of paths affordable.

Workers live on hosts of their own: each has a housekeeper that knows its scoreboard, and every
housekeeper looks after expired leases.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple

import redis

from woodenwaiter.errors import LeaseLost
from woodenwaiter.protocol.entry import RECORD_SEPARATOR, load
from woodenwaiter.protocol.keys import key_prefix
from woodenwaiter.protocol.queue import Queue
from woodenwaiter.protocol.verdict import Failure, Policy, Verdict, judge

Entries = tuple[bytes, ...]
Request = tuple[Any, ...]
"""The name of a method of Queue and its arguments; for some what `Server.requests` says."""

LOST = "LOST"
"""The reply to an owner whose lease ran out."""


class Violation(AssertionError):
    """The protocol broke a promise."""


class Failed(NamedTuple):
    """A delivery to pass judgement on; ``final``: no other follows."""

    raw: bytes
    final: bool


@cache
def verdict_on(failed: Failed) -> Verdict:
    """Always the same bytes: times and the names of claims are no part of a state."""
    failure = Failure("failed", after=0, final=failed.final)
    return judge(failed.raw, task_of(failed.raw).decode(), failure, Policy(), "worker")


@cache
def task_of(raw: bytes) -> bytes:
    return load(raw).payload


@cache
def deliveries_of(raw: bytes) -> int:
    return load(raw).deliveries


class Contents(NamedTuple):
    """What is in Redis; lists oldest first, leases as whether they hold."""

    queue: Entries = ()
    arrivals: Entries = ()
    claims: tuple[tuple[str, Entries], ...] = ()
    settled: tuple[tuple[str, int], ...] = ()
    leases: tuple[tuple[str, bool], ...] = ()
    delayed: Entries = ()
    dead: tuple[tuple[bytes, int], ...] = ()

    def claimed_by(self, owner: str) -> Entries:
        return dict(self.claims).get(owner, ())

    def settled_of(self, owner: str) -> int | None:
        return dict(self.settled).get(owner)

    def entries(self) -> Iterator[bytes]:
        yield from self.queue + self.arrivals + self.delayed
        for _, claims in self.claims:
            yield from claims

    def deliveries(self) -> list[tuple[bytes, int]]:
        """Each task that is there, and how many deliveries were charged to it."""
        return [(task_of(raw), deliveries_of(raw)) for raw in self.entries()] + list(self.dead)

    def owes_nothing(self) -> bool:
        return not (self.arrivals or self.claims or self.settled or self.leases)


class Server:
    """The scripts as a function: contents and a request in, the reply and contents out."""

    HELD, LAPSED = 1e15, 1

    def __init__(self, queue: Queue, client: redis.Redis) -> None:
        self._queue = queue
        self._client = client
        self._prefix = key_prefix(queue.name)
        self._known: dict[tuple[Contents, Request], tuple[Any, Contents]] = {}
        self._interned: dict[Contents, Contents] = {}
        self._present: Contents | None = None
        self.requests: dict[str, Callable[..., Any]] = {
            "ring": self._ring,
            "lapsed": self._release_lapsed,
        }

    @property
    def calls(self) -> int:
        return len(self._known)

    def perform(self, contents: Contents, request: Request) -> tuple[Any, Contents]:
        key = contents, request
        outcome = self._known.get(key)
        if outcome is None:
            if self._present is not contents:
                self._restore(contents)
            reply = self._send(*request)
            self._present = self._snapshot()
            outcome = self._known[key] = reply, self._present
        return outcome

    def intern(self, contents: Contents) -> Contents:
        return self._interned.setdefault(contents, contents)

    def _send(self, method: str, *arguments: Any) -> Any:
        send = self.requests.get(method) or getattr(self._queue, method)
        try:
            reply = send(*(verdict_on(a) if isinstance(a, Failed) else a for a in arguments))
        except LeaseLost:
            return LOST
        return tuple(reply) if isinstance(reply, list) else reply

    def _ring(self) -> None:
        """The first half of `Queue.wait_and_claim`."""
        arrivals = self._prefix + "arrivals"
        self._queue.link.call("BLMOVE", self._queue.name, arrivals, "RIGHT", "LEFT", 10)

    def _release_lapsed(self, owner: str, completed: int, verdict: Verdict | None) -> Any:
        return self._queue.release(owner, completed, verdict, lapsed=True)

    def _restore(self, contents: Contents) -> None:
        prefix, pipe = self._prefix, self._client.pipeline(transaction=False)
        pipe.flushdb()
        lists = {self._queue.name: contents.queue, prefix + "arrivals": contents.arrivals}
        lists.update((f"{prefix}claims:{owner}", claims) for owner, claims in contents.claims)
        for key, entries in lists.items():
            if entries:
                pipe.lpush(key, *entries)
        if contents.settled:
            pipe.hset(prefix + "settled", mapping=dict(contents.settled))
        if contents.leases:
            scores = {o: self.HELD if holds else self.LAPSED for o, holds in contents.leases}
            pipe.zadd(prefix + "leases", scores)
        if contents.delayed:
            pipe.zadd(prefix + "delayed", {raw: i for i, raw in enumerate(contents.delayed)})
        for payload, deliveries in contents.dead:
            pipe.xadd(prefix + "dead", {"payload": payload, "deliveries": deliveries})
        pipe.execute()

    def _snapshot(self) -> Contents:
        prefix, pipe = self._prefix, self._client.pipeline(transaction=False)
        pipe.lrange(self._queue.name, 0, -1)
        pipe.lrange(prefix + "arrivals", 0, -1)
        pipe.hgetall(prefix + "settled")
        pipe.zrange(prefix + "leases", 0, -1, withscores=True)
        pipe.zrange(prefix + "delayed", 0, -1)
        pipe.xrange(prefix + "dead")
        pipe.keys(prefix + "claims:*")
        queue, arrivals, settled, leases, delayed, dead, claims = pipe.execute()
        return self.intern(
            Contents(
                queue=_oldest_first(queue),
                arrivals=_oldest_first(arrivals),
                claims=tuple((self._owner(key), self._claims(key)) for key in sorted(claims)),
                settled=tuple(sorted((owner.decode(), int(n)) for owner, n in settled.items())),
                leases=tuple(sorted((o.decode(), score > self.LAPSED) for o, score in leases)),
                delayed=tuple(delayed),
                dead=tuple((f[b"payload"], int(f[b"deliveries"])) for _, f in dead),
            )
        )

    def _owner(self, key: bytes) -> str:
        return key.decode().removeprefix(self._prefix + "claims:")

    def _claims(self, key: bytes) -> Entries:
        return _oldest_first(self._client.lrange(key, 0, -1))


def _oldest_first(entries: Any) -> Entries:
    return tuple(reversed(entries))


# What a worker is about to do. The last five are those of one that is no more.
ENROLL, CLAIM, RUNG, READY, RUNNING, FAILING = "enroll", "claim", "rung", "ready", "run", "fail"
FORMER, REST, RELEASE = "former", "rest", "release"
DEAD, JUDGED, GONE, PERISHED = "dead", "judged", "gone", "perished"

ASLEEP = 2
"""From so many claims in vain on, a worker waits for the queue to have something, and only then
claims; and once per lease."""

ALIVE = {ENROLL, CLAIM, RUNG, READY, RUNNING, FAILING, FORMER, REST, RELEASE}


class Worker(NamedTuple):
    """One worker and its row of the scoreboard.

    ``first`` and ``held``: the numbers of the first and last claim it was given at once;
    ``buffer``: those it has in hand, the running one first;
    ``done``: it ran some since its last claim; ``vain``: how many claims came back empty;
    ``slow``: its task was seen running for long; ``lapsed``: its claims were given to others;
    ``failed``: the verdict on its running task that is on its way to Redis;
    ``acknowledged``: what it had completed when it last had a reply, if it counts from there.
    """

    letter: str
    generation: int = 0
    phase: str = ENROLL
    completed: int = 0
    started: int = 0
    first: int = 0
    held: int = 0
    buffer: Entries = ()
    want: int = 2
    vain: int = 0
    done: bool = False
    slow: bool = False
    lapsed: bool = False
    failed: Failed | None = None
    acknowledged: int = 0

    @property
    def owner(self) -> str:
        return self.letter + "'" * self.generation

    @property
    def former(self) -> str:
        return self.letter + "'" * (self.generation - 1)

    def ended(self, phase: str) -> Worker:
        """What is left of it: the row."""
        return Worker(
            self.letter, self.generation, phase, self.completed, self.started, lapsed=self.lapsed
        )


class Faults(NamedTuple):
    """How often each may happen on one path.

    ``crashes``: a worker is killed; ``hosts``: with its housekeeper;
    ``lost``: a script ran, but its caller saw an error, and asks again;
    ``late``: its caller saw an error, and the script runs at any time after;
    ``expiries``: of a lease whose worker lives; ``slow``: a task that two looks see running;
    ``failures``: of a handler; ``rests``: a worker is told to be quiet, and to go on;
    ``pushes``: tasks that come while others run already; ``drains``: workers told to leave.
    """

    crashes: int = 0
    hosts: int = 0
    lost: int = 0
    late: int = 0
    expiries: int = 0
    slow: int = 0
    failures: int = 0
    rests: int = 0
    pushes: int = 0
    drains: int = 2


class Task(NamedTuple):
    """What happened to a task, and what may. ``startable``: a first start, or an excused other one;
    ``charges``: failures that justify a delivery in its header."""

    begun: bool = False
    handled: bool = False
    startable: bool = True
    charges: int = 0


class Expiry(NamedTuple):
    """An owner whose lease ran out, as a housekeeper saw it a moment ago."""

    owner: str
    settled: int
    failed: Failed | None


class World(NamedTuple):
    contents: Contents
    workers: tuple[Worker, ...]
    tasks: tuple[Task, ...]
    faults: Faults
    late: tuple[Request, ...] = ()
    expiry: Expiry | None = None

    def spend(self, fault: str) -> World:
        return self._replace(
            faults=self.faults._replace(**{fault: getattr(self.faults, fault) - 1})
        )

    def with_late(self, *requests: Request) -> World:
        return self._replace(late=tuple(sorted((*self.late, *requests), key=repr)))

    def with_worker(self, index: int, **changes: Any) -> World:
        workers = list(self.workers)
        workers[index] = workers[index]._replace(**changes)
        return self._replace(workers=tuple(workers))

    def ending(self, index: int, phase: str) -> World:
        workers = list(self.workers)
        workers[index] = workers[index].ended(phase)
        return self._replace(workers=tuple(workers))

    def with_task(self, raw: bytes, **changes: Any) -> World:
        number = int(task_of(raw)) - 1
        tasks = list(self.tasks)
        tasks[number] = tasks[number]._replace(**changes)
        return self._replace(tasks=tuple(tasks))

    def task(self, raw: bytes) -> Task:
        return self.tasks[int(task_of(raw)) - 1]

    def charge(self, raw: bytes) -> World:
        return self.with_task(raw, charges=self.task(raw).charges + 1)

    def excuse(self, entries: Entries) -> World:
        """These may start once more."""
        world = self
        for raw in entries:
            world = world.with_task(raw, startable=True)
        return world


Step = tuple[Any, World]
"""What happens, and the world after it."""


class Explorer:
    """Walks through all worlds that can be reached.

    ``forfeits``: whether workers let go of the rest of their buffer after a slow task;
    ``absolute``: whether they count their claims from the first, or from the last reply;
    ``ordered``: whether tasks must start in their order.
    """

    def __init__(
        self,
        server: Server,
        faults: Faults,
        *,
        workers: int = 2,
        tasks: int = 3,
        forfeits: bool = True,
        absolute: bool = True,
        ordered: bool = False,
    ) -> None:
        self._server = server
        self._forfeits = forfeits
        self._absolute = absolute
        self._ordered = ordered
        self._tasks = tasks
        present = tuple(b"%d" % n for n in range(1, tasks + 1 - faults.pushes))
        self._start = World(
            server.intern(Contents(queue=present)),
            tuple(Worker(letter) for letter in "ABCD"[:workers]),
            (Task(),) * tasks,
            faults,
        )
        self._before: dict[World, World | None] = {self._start: None}
        self._by_phase = {
            ENROLL: self._enroll,
            CLAIM: self._claim,
            RUNG: self._claim,
            READY: self._ready,
            RUNNING: self._running,
            FAILING: self._failing,
            FORMER: self._former,
            REST: self._rest,
            RELEASE: self._release,
            DEAD: self._recover,
            JUDGED: self._recover,
        }

    def explore(self) -> int:
        """Returns the number of worlds; raises Violation with the way to it."""
        waiting = deque([self._start])
        while waiting:
            world = waiting.popleft()
            with self._telling(world):
                self._check(world)
                following = [after for _, after in self._steps(world) if after != world]
                if not following:
                    self._check_end(world)
            for after in following:
                if after not in self._before:
                    self._before[after] = world
                    waiting.append(after)
        return len(self._before)

    @contextmanager
    def _telling(self, world: World) -> Iterator[None]:
        try:
            yield
        except Violation as violation:
            raise Violation(f"{violation}\n{self._tell(world)}") from None

    def _tell(self, world: World) -> str:
        told = [f"    {world.contents}"]
        while (before := self._before[world]) is not None:
            label = self._label(before, world)
            told.append("  " + " ".join(map(str, label)))
            world = before
        return "\n".join(reversed(told))

    def _label(self, before: World, after: World) -> tuple[Any, ...]:
        for label, world in self._steps(before):
            if world == after:
                return tuple(label)
        raise LookupError(after)

    # Promises.

    def _check(self, world: World) -> None:
        there = world.contents.deliveries()
        names = [name for name, _ in there]
        if len(set(names)) < len(names):
            raise Violation("a task is there twice")
        for number, task in enumerate(world.tasks, 1):
            pushed = number <= self._tasks - world.faults.pushes
            if pushed and not task.handled and b"%d" % number not in names:
                raise Violation(f"task {number} is lost")
        for name, deliveries in there:
            if deliveries > world.task(name).charges:
                raise Violation(f"task {name.decode()} is charged more than its failures")
        for owner, _ in world.contents.claims:
            if world.contents.settled_of(owner) is None:
                raise Violation(f"claims of {owner}, whom nobody knows")
        for worker in world.workers:
            if worker.phase in (RUNNING, FAILING) and not self._entitled(world, worker):
                raise Violation(f"{worker.owner} runs what was given to others")

    def _entitled(self, world: World, worker: Worker) -> bool:
        settled = world.contents.settled_of(worker.owner)
        return (
            worker.lapsed
            or worker.buffer[0] in world.contents.claimed_by(worker.owner)
            or (worker.phase == FAILING and settled is not None and settled >= worker.started)
        )

    @staticmethod
    def _check_charge(before: World, after: World, worker: Worker) -> None:
        """What kills its worker does not go uncharged."""
        if worker.failed and worker.failed.raw in before.contents.claimed_by(worker.owner):
            raw = worker.failed.raw
            if (task_of(raw), deliveries_of(raw) + 1) not in after.contents.deliveries():
                raise Violation(f"task {task_of(raw).decode()} killed {worker.owner} uncharged")

    def _check_end(self, world: World) -> None:
        all_left = all(worker.phase not in ALIVE for worker in world.workers)
        if all_left and not world.contents.owes_nothing():
            raise Violation("something stays behind")

    # One step of anybody.

    def _steps(self, world: World) -> Iterator[Step]:
        for index, worker in enumerate(world.workers):
            act = self._by_phase.get(worker.phase)
            if act:
                yield from act(world, index, worker)
            if worker.phase in (READY, RUNNING):
                yield from self._deaths(world, index)
        yield from self._late(world)
        yield from self._upkeep(world)
        if world.faults.pushes:
            task = b"%d" % (self._tasks + 1 - world.faults.pushes)
            contents = world.contents._replace(queue=(*world.contents.queue, task))
            yield (
                ("a producer pushes",),
                world.spend("pushes")._replace(contents=self._server.intern(contents)),
            )

    def _request(
        self,
        world: World,
        index: int,
        request: Request,
        then: Callable[[World, Any], World],
        failed: Callable[[World], World],
    ) -> Iterator[Step]:
        """Whatever may become of a worker's request."""
        reply, contents = self._server.perform(world.contents, request)
        ran = world._replace(contents=contents)
        label = (world.workers[index].letter, *request)
        yield (*label, "->", reply), then(ran, reply)
        faults, late = world.faults, world.with_late(request)
        if faults.lost:
            yield (*label, "-> reply lost"), failed(ran).spend("lost")
        if faults.late:
            yield (*label, "-> delayed"), failed(late).spend("late")
        for label_of_death, after in self._deaths(world, index):
            yield (*label_of_death, "before", *request), after
        for label_of_death, after in self._deaths(ran, index):
            yield (*label_of_death, "after", *request), after
        for label_of_death, after in self._deaths(late, index):
            yield (*label_of_death, "while under way", *request), after

    def _deaths(self, world: World, index: int) -> Iterator[Step]:
        worker = world.workers[index]
        if world.faults.crashes:
            after = world.spend("crashes")
            if worker.phase in (RUNNING, FAILING) and self._holds_running(world, worker):
                after = after.excuse(worker.buffer[:1])
                if worker.phase == RUNNING:
                    after = after.charge(worker.buffer[0])
            yield (worker.letter, "crashes"), after.ending(index, DEAD)
        if world.faults.hosts:
            after = world.spend("hosts").excuse(world.contents.claimed_by(worker.owner))
            yield (worker.letter, "dies with its host"), after.ending(index, PERISHED)

    @staticmethod
    def _holds_running(world: World, worker: Worker) -> bool:
        return worker.buffer[0] in world.contents.claimed_by(worker.owner)

    # A worker.

    def _enroll(self, world: World, index: int, worker: Worker) -> Iterator[Step]:
        request = ("enroll", worker.owner, worker.completed)
        yield from self._request(
            world,
            index,
            request,
            lambda ran, _: ran.with_worker(index, phase=CLAIM),
            lambda ran: ran.with_worker(index, generation=worker.generation + 1),
        )
        if world.faults.drains:
            yield (worker.letter, "leaves"), world.spend("drains").ending(index, DEAD)

    def _claim(self, world: World, index: int, worker: Worker) -> Iterator[Step]:
        request = ("claim", worker.owner, worker.completed - worker.acknowledged, worker.want)
        if worker.phase == CLAIM and worker.vain and world.contents.queue:
            _, contents = self._server.perform(world.contents, ("ring",))
            yield (
                (worker.letter, "is woken"),
                world._replace(contents=contents).with_worker(index, phase=RUNG),
            )
        else:
            yield from self._request(
                world,
                index,
                request,
                lambda ran, reply: self._claimed(ran, index, reply),
                lambda ran: ran.with_worker(index, phase=CLAIM, vain=0),
            )
            if worker.vain:
                yield from self._interrupts(world, index, request)
        if worker.phase == CLAIM or worker.vain == ASLEEP:
            yield from self._told_to_stop(world, index)

    def _interrupts(self, world: World, index: int, request: Request) -> Iterator[Step]:
        """It gives up its wait to leave; the server may see to the claim all the same."""
        _, contents = self._server.perform(world.contents, request)
        for ran in (world, world._replace(contents=contents)):
            for label, after in self._told_to_stop(ran, index):
                yield (*label, "giving up", *request), after

    def _claimed(self, world: World, index: int, reply: Any) -> World:
        worker = world.workers[index]
        if reply == LOST:
            return world.with_worker(
                index,
                phase=FORMER,
                generation=worker.generation + 1,
                vain=0,
                lapsed=False,
            )
        if len(reply) > worker.want:
            raise Violation("more was claimed than wanted")
        return world.with_worker(
            index,
            phase=READY if reply else CLAIM,
            buffer=reply,
            first=worker.completed + 1,
            held=worker.completed + len(reply),
            vain=0 if reply else min(worker.vain + 1, 2),
            done=False,
            slow=False,
            acknowledged=0 if self._absolute else worker.completed,
        )

    def _told_to_stop(self, world: World, index: int) -> Iterator[Step]:
        letter = world.workers[index].letter
        if world.faults.drains:
            yield (
                (letter, "is told to leave"),
                world.spend("drains").with_worker(index, phase=RELEASE, buffer=(), slow=False),
            )
        if world.faults.rests:
            yield (
                (letter, "is told to rest"),
                world.spend("rests").with_worker(
                    index, phase=REST, buffer=(), slow=False, failed=None
                ),
            )

    def _ready(self, world: World, index: int, worker: Worker) -> Iterator[Step]:
        careful = worker.buffer[0].startswith(RECORD_SEPARATOR)
        if careful and worker.done:
            yield (
                (worker.letter, "asks again for what was redelivered"),
                world.with_worker(index, phase=CLAIM, buffer=(), want=1),
            )
        else:
            yield (
                (worker.letter, "begins", task_of(worker.buffer[0]).decode()),
                self._begun(world, index, worker),
            )
        if worker.done:
            yield from self._told_to_stop(world, index)

    def _begun(self, world: World, index: int, worker: Worker) -> World:
        raw = worker.buffer[0]
        task = world.task(raw)
        if not worker.lapsed:
            if not task.startable:
                raise Violation(f"{worker.owner} runs task {task_of(raw).decode()} again")
            if not self._holds_running(world, worker):
                raise Violation(f"{worker.owner} begins what was given to others")
            world = world.with_task(raw, startable=False)
        if self._ordered and not task.begun and not deliveries_of(raw):
            number = int(task_of(raw)) - 1
            if not all(earlier.begun for earlier in world.tasks[:number]):
                raise Violation(f"task {number + 1} begins before its turn")
        world = world.with_task(raw, begun=True)
        return world.with_worker(index, phase=RUNNING, started=worker.completed + 1)

    def _running(self, world: World, index: int, worker: Worker) -> Iterator[Step]:
        raw = worker.buffer[0]
        yield (
            (worker.letter, "finishes", task_of(raw).decode()),
            self._finished(world.with_task(raw, handled=True), index),
        )
        yield from self._looks(world, index, worker)
        if world.faults.failures:
            for final in (False, True):
                after = world.spend("failures").charge(raw)
                if self._holds_running(world, worker):
                    after = after.excuse((raw,))
                yield (
                    (worker.letter, "fails in", task_of(raw).decode()),
                    after.with_worker(index, phase=FAILING, failed=Failed(raw, final)),
                )

    def _finished(self, world: World, index: int) -> World:
        worker = world.workers[index]
        careful = worker.buffer[0].startswith(RECORD_SEPARATOR)
        forfeits = careful or (worker.slow and self._forfeits)
        rest = () if forfeits else worker.buffer[1:]
        return world.with_worker(
            index,
            completed=worker.completed + 1,
            buffer=rest,
            phase=READY if rest else CLAIM,
            done=True,
            slow=False,
            want=1 if careful or worker.slow else 2,
            failed=None,
        )

    def _looks(self, world: World, index: int, worker: Worker) -> Iterator[Step]:
        """Its housekeeper saw this task at two moments, and calls `give_back` some day."""
        if world.faults.slow and not worker.slow and worker.held > worker.first:
            yield (
                (worker.letter, "is seen to be slow"),
                world.spend("slow")
                .with_worker(index, slow=True)
                .with_late(("give_back", worker.owner, worker.started)),
            )

    def _failing(self, world: World, index: int, worker: Worker) -> Iterator[Step]:
        request = ("fail", worker.owner, worker.started, worker.failed)
        yield from self._request(
            world, index, request, lambda ran, _: self._finished(ran, index), lambda ran: ran
        )
        yield from self._looks(world, index, worker)
        if world.faults.lost:
            _, contents = self._server.perform(world.contents, request)
            ran = world._replace(contents=contents).spend("lost")
            for label, after in self._told_to_stop(ran, index):
                yield (*label, "after", *request, "-> reply lost"), after

    def _former(self, world: World, index: int, worker: Worker) -> Iterator[Step]:
        request = ("release", worker.former, worker.completed, None)
        yield from self._request(
            world,
            index,
            request,
            lambda ran, _: ran.with_worker(index, phase=ENROLL),
            lambda ran: ran.with_worker(index, phase=ENROLL),
        )

    def _rest(self, world: World, index: int, worker: Worker) -> Iterator[Step]:
        request = ("release", worker.owner, worker.completed, None)
        yield from self._request(
            world,
            index,
            request,
            lambda ran, _: ran.with_worker(
                index, phase=ENROLL, generation=worker.generation + 1, vain=0, lapsed=False
            ),
            lambda ran: ran.with_worker(index, vain=0),
        )

    def _release(self, world: World, index: int, worker: Worker) -> Iterator[Step]:
        request = ("release", worker.owner, worker.completed, worker.failed)
        yield from self._request(
            world,
            index,
            request,
            lambda ran, _: ran.with_worker(index, generation=worker.generation + 1).ending(
                index, DEAD
            ),
            lambda ran: ran.ending(index, DEAD),
        )

    # A housekeeper.

    def _recover(self, world: World, index: int, worker: Worker) -> Iterator[Step]:
        """Its own worker is dead: look what it was running, then release."""
        label = (worker.letter.lower(), "recovers", worker.owner)
        if worker.phase == DEAD and worker.started > worker.completed:
            request: Request = ("running", worker.owner, worker.completed)
            (settled, raw), _ = self._server.perform(world.contents, request)
            due = raw is not None and settled == worker.completed
            yield (
                (*label, "and charges" if due else "", raw),
                world.with_worker(
                    index, phase=JUDGED, failed=Failed(raw, final=False) if due else None
                ),
            )
            return
        request = ("release", worker.owner, worker.completed, worker.failed)
        put_back, contents = self._server.perform(world.contents, request)
        ran = world._replace(contents=contents)
        self._check_charge(world, ran, worker)
        yield (*label, *request, "->", put_back), ran.ending(index, GONE)
        if world.faults.lost:
            yield (*label, "-> reply lost"), ran.ending(index, DEAD).spend("lost")

    def _upkeep(self, world: World) -> Iterator[Step]:
        contents = world.contents
        if contents.arrivals or contents.delayed:
            _, after = self._server.perform(contents, ("promote",))
            yield ("promote",), world._replace(contents=after)
        owners = {w.owner: w for w in world.workers if w.phase not in (GONE, PERISHED)}
        for owner, holds in contents.leases:
            if not holds and owner in owners:
                _, after = self._server.perform(contents, ("renew", (owner,)))
                yield ("renew", owner), world._replace(contents=after)
            elif holds and owner not in owners and self._matters(world, owner):
                yield self._lapse(world, owner)
            elif holds and world.faults.expiries:
                yield self._lapse(world.spend("expiries"), owner)
        yield from self._expired(world)

    @staticmethod
    def _matters(world: World, owner: str) -> bool:
        """Nobody will ever claim as an owner whose enrolling failed: when it ends changes nothing,
        so the end will do."""
        return any(w.owner == owner for w in world.workers) or all(
            w.phase not in ALIVE for w in world.workers
        )

    def _lapse(self, world: World, owner: str) -> Step:
        leases = tuple((o, holds and o != owner) for o, holds in world.contents.leases)
        contents = self._server.intern(world.contents._replace(leases=leases))
        return ("the lease of", owner, "runs out"), world._replace(contents=contents)

    def _expired(self, world: World) -> Iterator[Step]:
        """Any housekeeper sees an expired lease, looks what its owner was running, releases."""
        if world.expiry is not None:
            yield self._release_expired(world, world.expiry)
            return
        if all(holds for _, holds in world.contents.leases):
            return
        owners, contents = self._server.perform(world.contents, ("expired",))
        for owner in owners:
            (settled, raw), _ = self._server.perform(contents, ("running", owner, 0))
            failed = None if raw is None else Failed(raw, final=False)
            yield (
                ("a housekeeper sees that the lease of", owner, "ran out"),
                world._replace(contents=contents, expiry=Expiry(owner, settled, failed)),
            )

    def _release_expired(self, world: World, expiry: Expiry) -> Step:
        owner, failed = expiry.owner, expiry.failed
        request = ("lapsed", owner, expiry.settled if failed else 0, failed)
        put_back, contents = self._server.perform(world.contents, request)
        after = world._replace(contents=contents, expiry=None)
        if put_back is not None:
            if dict(world.contents.leases).get(owner):
                raise Violation(f"{owner} is ended, though its lease holds")
            after = after.excuse(world.contents.claimed_by(owner))
            if failed:
                after = after.charge(failed.raw)
            for index, worker in enumerate(world.workers):
                if worker.owner == owner and worker.phase in ALIVE:
                    after = after.with_worker(index, lapsed=True)
        return ("a housekeeper", *request, "->", put_back), after

    # The network.

    def _late(self, world: World) -> Iterator[Step]:
        """Requests whose senders wait no more are carried out at last."""
        for number, request in enumerate(world.late):
            rest = world._replace(late=world.late[:number] + world.late[number + 1 :])
            for variant in self._variants(world, request):
                reply, contents = self._server.perform(world.contents, variant)
                ran = rest._replace(contents=contents)
                yield ("late:", *variant, "->", reply), ran
                if world.faults.lost and variant[0] == "give_back":
                    again = ran.with_late(request).spend("lost")
                    yield ("late, and sent again:", *variant, "->", reply), again

    @staticmethod
    def _variants(world: World, request: Request) -> Iterator[Request]:
        """A housekeeper may read the number of the running claim, and later the owner's name."""
        yield request
        if request[0] == "give_back":
            for worker in world.workers:
                if worker.letter == request[1][0] and worker.owner != request[1]:
                    yield (request[0], worker.owner, request[2])
