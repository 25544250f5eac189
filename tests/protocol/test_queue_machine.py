"""The delivery protocol in long, random histories: whatever workers, housekeepers and operators do
in whatever order, every task is in Redis once, or was handled, or was dropped by an operator."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from woodenwaiter.errors import LeaseLost
from woodenwaiter.protocol import moves
from woodenwaiter.protocol.entry import load
from woodenwaiter.protocol.history import Account
from woodenwaiter.protocol.keys import key_prefix
from woodenwaiter.protocol.link import Link
from woodenwaiter.protocol.pausing import Pause, pause, resume
from woodenwaiter.protocol.trash import Kind, Trash, discard, purge, restore, trashes_of
from woodenwaiter.protocol.verdict import Failure, Policy, Verdict, judge

from ..counting import CountingQueue, accounts

NAMES = ("t:d", "{u}:e")
QUEUES = st.integers(0, len(NAMES) - 1)
NUMBERS = st.integers(0, 11)
POLICY = Policy(max_deliveries=3)
LEASE = 100


@dataclass
class Worker:
    """A worker as the scoreboard shows it, and the claims in its hands."""

    queue: CountingQueue
    owner: str
    completed: int = 0
    buffer: list[bytes] = field(default_factory=list)

    @property
    def running(self) -> int:
        return self.completed + 1


def verdict_on(raw: bytes, *, final: bool = False) -> Verdict:
    failure = Failure("failed", after=0, final=final)
    return judge(raw, load(raw).payload.decode(), failure, POLICY, "worker")


class Machine(RuleBasedStateMachine):
    """``client`` is set by the test."""

    client: Any
    workers: list[Worker]

    @initialize()
    def begin(self) -> None:
        self.client.flushdb()
        self.link = Link(self.client, timeout=10)
        self.queues = [CountingQueue(self.link, name, lease=LEASE) for name in NAMES]
        self.pushed = self.names = 0
        self.pushed_to: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()
        self.waiting: set[bytes] = set()
        self.handled: set[bytes] = set()
        self.workers = []
        self.replica: dict[bytes, bytes] = {}
        self.went_back = False
        self.paused: set[str] = set()
        for queue in self.queues[:1] * 2 + self.queues:
            self.push(queue, 4)
            self.hire(queue)

    def teardown(self) -> None:
        if hasattr(self, "workers"):
            self.end()
            self.link.close()

    def chosen(self, number: int) -> Worker:
        return self.workers[number % len(self.workers)]

    def any_busy(self) -> bool:
        return any(worker.buffer for worker in self.workers)

    def busy(self, number: int) -> Worker:
        """One that has claims in its hands, if any has."""
        busy = [worker for worker in self.workers if worker.buffer] or self.workers
        return busy[number % len(busy)]

    def hire(self, queue: CountingQueue) -> None:
        """Another worker, with the first claims in its hands."""
        worker = Worker(queue, self.new_name())
        queue.enroll(worker.owner, 0)
        worker.buffer = queue.claim(worker.owner, 0, 3)
        self.workers.append(worker)

    def replace(self, worker: Worker) -> None:
        self.workers.remove(worker)
        self.hire(worker.queue)

    def new_name(self) -> str:
        self.names += 1
        return f"worker{self.names}"

    # Producers.

    @rule(queue=QUEUES, tasks=st.integers(1, 5))
    def produce(self, queue: int, tasks: int) -> None:
        self.push(self.queues[queue], tasks)

    def push(self, queue: CountingQueue, tasks: int) -> None:
        for _ in range(tasks):
            self.pushed += 1
            task = b"%d" % self.pushed
            self.waiting.add(task)
            self.client.lpush(queue.name, task)
        self.pushed_to[queue.name] += tasks

    # Workers.

    @rule(number=NUMBERS, want=st.integers(1, 4), lost=st.booleans())
    def claim(self, number: int, want: int, lost: bool) -> None:
        """Whether the rest of the buffer was run or forfeited; the reply may be lost."""
        worker = self.chosen(number)
        try:
            claims = worker.queue.claim(worker.owner, worker.completed, want)
        except LeaseLost:
            self.become_another(worker)
            return
        assert len(claims) <= want
        assert not (claims and worker.queue.name in self.paused)
        worker.buffer = [] if lost else claims
        if lost:
            again = worker.queue.claim(worker.owner, worker.completed, want)
            assert again[: len(claims)] == claims, "the same again"

    def become_another(self, worker: Worker) -> None:
        former, worker.owner, worker.buffer = worker.owner, self.new_name(), []
        worker.queue.release(former, worker.completed)
        worker.queue.enroll(worker.owner, worker.completed)

    @precondition(lambda self: self.any_busy())
    @rule(number=NUMBERS, tasks=st.integers(1, 4))
    def handle(self, number: int, tasks: int) -> None:
        worker = self.busy(number)
        for raw in worker.buffer[:tasks]:
            self.handled.add(load(raw).payload)
            worker.completed += 1
        del worker.buffer[:tasks]

    @precondition(lambda self: self.any_busy())
    @rule(number=NUMBERS, final=st.booleans(), times=st.integers(1, 2))
    def fail(self, number: int, final: bool, times: int) -> None:
        worker = self.busy(number)
        verdict = verdict_on(worker.buffer.pop(0), final=final)
        try:
            for _ in range(times):
                worker.queue.fail(worker.owner, worker.running, verdict)
        except LeaseLost:
            worker.buffer.clear()
        worker.completed += 1

    @rule(number=NUMBERS)
    def leave(self, number: int) -> None:
        worker = self.chosen(number)
        worker.queue.release(worker.owner, worker.completed)
        self.replace(worker)

    @rule(number=NUMBERS, charged=st.booleans())
    def crash(self, number: int, charged: bool) -> None:
        """And its housekeeper's recovery."""
        worker = self.busy(number)
        verdict = None
        if charged and worker.buffer:
            settled, raw, _ = worker.queue.oldest_claim(worker.owner, worker.completed)
            if raw is not None and settled == worker.completed:
                verdict = verdict_on(raw)
        worker.queue.release(worker.owner, worker.completed, verdict)
        self.replace(worker)

    # Redis.

    @rule(queue=QUEUES, most=st.integers(1, 10), ring=st.booleans())
    def promote(self, queue: int, most: int, ring: bool) -> None:
        """Perhaps after the first half of a wait, whose worker dies of it."""
        if ring:
            arrivals = key_prefix(NAMES[queue]) + "arrivals"
            self.client.lmove(NAMES[queue], arrivals, "RIGHT", "LEFT")
        else:
            self.queues[queue].promote(most)

    @rule(number=NUMBERS, ago=st.integers(1, 6))
    def claim_late(self, number: int, ago: int) -> None:
        """A claim from before, which comes twice, or when its sender has long asked again."""
        worker = self.chosen(number)
        for late in worker.queue.asked[worker.owner][-ago:][:1]:
            came_twice = late[-1].fresh == worker.queue.tokens[worker.owner]
            with suppress(LeaseLost):  # the server came back with older data
                claims = worker.queue.claim(worker.owner, *late)
                assert claims == [] or came_twice or self.went_back

    @rule(number=NUMBERS, ago=st.integers(0, 5))
    def give_back(self, number: int, ago: int) -> None:
        """The running task is slow, or was when the housekeeper looked."""
        worker = self.busy(number)
        running = worker.running - ago
        if ago == 0 and worker.buffer:
            worker.buffer = worker.buffer[:1]
            worker.queue.give_back(worker.owner, running)
        elif worker.queue.oldest_claim(worker.owner, 0)[0] >= running > 0:
            assert worker.queue.give_back(worker.owner, running) == 0

    @rule()
    def fall_behind(self) -> None:
        """A replica has what the server has now, and nothing that comes later."""
        self.replica = {key: self.client.dump(key) for key in self.client.scan_iter()}
        self.counted = self.pushed_to.copy(), self.dropped.copy()

    @precondition(lambda self: self.replica)
    @rule()
    def fail_over(self) -> None:
        """The replica is the server: what it has is to be run, the rest is lost by the failover."""
        self.went_back = True
        self.client.flushdb()
        for key, dumped in self.replica.items():
            self.client.restore(key, 0, dumped)
        self.pushed_to, self.dropped = (counts.copy() for counts in self.counted)
        there = {task for queue in self.queues for task in self.entries(queue)}
        there.update(*map(self.thrown_away, range(len(NAMES))))
        self.waiting &= there
        self.paused = {name for name in NAMES if self.client.exists(key_prefix(name) + "paused")}

    @rule(queue=QUEUES, seconds=st.sampled_from([-1000, -30, 30, 1000]))
    def step(self, queue: int, seconds: int) -> None:
        """The server's clock, between two rounds: what is stored is early or late by as much."""
        self.queues[queue].promote(1)
        prefix, later = key_prefix(NAMES[queue]), -seconds * 1000
        for key in ("leases", "delayed"):
            for member, score in self.client.zrange(prefix + key, 0, -1, withscores=True):
                self.client.zadd(prefix + key, {member: score + later})
        if mark := self.client.get(prefix + "clock"):
            highest, *others = mark.split()
            mark = b" ".join([b"%d" % (int(highest) + later), *others])
            self.client.set(prefix + "clock", mark)
        self.queues[queue].promote(1)
        if mark and seconds < 0:
            latest = self.client.zrange(prefix + "leases", -1, -1, withscores=True)
            limit = (self.client.time()[0] + LEASE + 10) * 1000
            assert not latest or latest[0][1] <= limit, "a lease that is not put right"

    # Housekeepers.

    @rule(number=NUMBERS, sign_of_life=st.booleans())
    def expire(self, number: int, sign_of_life: bool) -> None:
        worker = self.busy(number)
        self.client.zadd(key_prefix(worker.queue.name) + "leases", {worker.owner: 1}, xx=True)
        for owner in worker.queue.expired():
            if sign_of_life:
                worker.queue.renew([owner])
            self.recover(worker.queue, owner, refused=sign_of_life)

    def recover(self, queue: CountingQueue, owner: str, *, refused: bool = False) -> None:
        settled, raw, _ = queue.oldest_claim(owner, 0)
        verdict = None if raw is None else verdict_on(raw)
        put_back = queue.release(owner, settled if verdict else 0, verdict, lapsed=True)
        assert (put_back is None) == refused

    def recover_all(self, queue: CountingQueue) -> None:
        """Also owners that only an older server knows."""
        leases = key_prefix(queue.name) + "leases"
        queue.expired()
        for owner in self.client.zrange(leases, 0, -1):
            self.client.zadd(leases, {owner: 1})
            self.recover(queue, owner.decode())

    # Operators.

    @rule(queue=QUEUES, all_of_them=st.booleans())
    def requeue(self, queue: int, all_of_them: bool) -> None:
        letters = list(self.queues[queue].dead_letters())
        for letter, _ in letters if all_of_them else letters[:1]:
            assert self.queues[queue].requeue(letter)
            assert not self.queues[queue].requeue(letter)

    @rule(queue=QUEUES)
    def drop(self, queue: int) -> None:
        for letter, fields in list(self.queues[queue].dead_letters())[:1]:
            self.waiting.discard(fields["payload"])
            assert self.queues[queue].drop(letter)
            self.dropped[NAMES[queue]] += 1

    @rule(queue=QUEUES)
    def pause_or_resume(self, queue: int) -> None:
        name = NAMES[queue]
        if name in self.paused:
            assert resume(self.link, name)
        else:
            assert pause(self.link, name, Pause(None)) is None
        self.paused ^= {name}

    @rule(queue=QUEUES)
    def purge(self, queue: int) -> None:
        waiting = self.queues[queue].sizes()["waiting"]
        assert purge(self.link, NAMES[queue], self.new_name(), Kind.TASKS, "me") == waiting

    @rule(queue=QUEUES, name=NUMBERS)
    def discard(self, queue: int, name: int) -> None:
        letters = [letter for letter, _ in self.queues[queue].dead_letters()][:2]
        moved = discard(self.link, NAMES[queue], f"letters{name}", letters)
        assert moved == len(letters)
        self.dropped[NAMES[queue]] += moved

    @rule(queue=QUEUES, number=NUMBERS)
    def restore(self, queue: int, number: int) -> None:
        there = self.trashes(queue)
        for thrown in there[number % max(1, len(there)) :][:1]:
            restored = restore(self.link, NAMES[queue], thrown.name)
            assert restored == (thrown.number, 0, thrown.kind)
            if thrown.kind is Kind.LETTERS:
                self.dropped[NAMES[queue]] -= thrown.number

    @rule(queue=QUEUES, scripts_too=st.booleans())
    def delete_leases(self, queue: int, scripts_too: bool) -> None:
        if scripts_too:
            self.client.script_flush()
        self.client.delete(key_prefix(NAMES[queue]) + "leases")
        assert self.queues[queue].expired() == {}, "everybody gets a lease anew"

    # The account.

    def entries(self, queue: CountingQueue) -> list[bytes]:
        """All that is in Redis for this queue, wherever it is."""
        prefix, pipe = key_prefix(queue.name), self.client.pipeline(transaction=False)
        pipe.lrange(queue.name, 0, -1)
        pipe.lrange(prefix + "arrivals", 0, -1)
        pipe.zrange(prefix + "delayed", 0, -1)
        for claims in self.client.scan_iter(f"{prefix}claims:*"):
            pipe.lrange(claims, 0, -1)
        living = [entry for part in pipe.execute() for entry in part]
        return [load(raw).payload for raw in living] + [
            fields["payload"] for _, fields in queue.dead_letters()
        ]

    def trashes(self, queue: int) -> list[Trash]:
        [found] = trashes_of(self.link, NAMES[queue : queue + 1])
        assert not isinstance(found, Exception)
        return found

    def thrown_away(self, queue: int) -> list[bytes]:
        """All that is in the queue's trashes."""
        thrown: list[bytes] = []
        for each in self.trashes(queue):
            key = f"{key_prefix(NAMES[queue])}trash:{each.name}"
            if each.kind is Kind.LETTERS:
                thrown += [fields[b"payload"] for _, fields in self.client.xrange(key)]
            else:
                thrown += [load(raw).payload for raw in self.client.lrange(key, 0, -1)]
        return thrown

    @invariant()
    def every_task_is_accounted_for(self) -> None:
        found: Counter[bytes] = Counter()
        for number, queue in enumerate(self.queues):
            there = self.entries(queue)
            found.update(there + self.thrown_away(number))
            sizes = queue.sizes()
            assert sum(n for state, n in sizes.items() if state != "workers") == len(there)
        assert not [task for task, times in found.items() if times > 1], "in two places"
        assert self.waiting - self.handled <= found.keys(), "lost"

    @invariant()
    def every_entry_is_counted_once(self) -> None:
        for queue, account in zip(self.queues, accounts(self.link, NAMES), strict=True):
            assert isinstance(account, Account)
            assert account.pushed == self.pushed_to[queue.name]
            assert account.now.failed >= account.now.buried
            dead = account.now.buried - account.requeued - self.dropped[queue.name]
            assert dead == queue.sizes()["dead"]

    def end(self) -> None:
        """Everybody leaves, and one last worker for each queue handles all that is left."""
        for name in self.paused:
            resume(self.link, name)
        for bell in self.client.keys("*:resumed:*"):
            self.client.delete(bell)  # it would be gone in a minute
        for worker in self.workers:
            worker.queue.release(worker.owner, worker.completed)
        self.workers.clear()
        for number, queue in enumerate(self.queues):
            for _ in self.trashes(number):
                self.restore(number, 0)
            self.recover_all(queue)
            self.wait_for_retries(queue)
            worker = Worker(queue, self.new_name())
            queue.enroll(worker.owner, 0)
            while claims := self.promote_and_claim(worker):
                self.handled.update(load(raw).payload for raw in claims)
                worker.completed += len(claims)
            queue.release(worker.owner, worker.completed)
            self.handled.update(fields["payload"] for _, fields in queue.dead_letters())
        assert self.waiting <= self.handled
        left = {
            key_prefix(name) + kept
            for name in NAMES
            for kept in ("dead", "clock", "tally", "beats", "minutes")
        }
        assert {key.decode() for key in self.client.scan_iter()} <= left, "something stays behind"

    def wait_for_retries(self, queue: CountingQueue) -> None:
        """Where the clock went back, those that were due may be so a second later."""
        queue.promote(1)
        delayed, soon = key_prefix(queue.name) + "delayed", (self.client.time()[0] + 3) * 1000
        for entry, due in self.client.zrange(delayed, 0, -1, withscores=True):
            assert due < soon, "a due time that is not put right"
            self.client.zadd(delayed, {entry: 1})

    def promote_and_claim(self, worker: Worker) -> list[bytes]:
        """Retries come when no others are in front."""
        claims = worker.queue.claim(worker.owner, worker.completed, 100)
        if not claims and worker.queue.promote(1000)[0]:
            claims = worker.queue.claim(worker.owner, worker.completed, 100)
        return claims


@pytest.mark.parametrize(
    "histories",
    [40, pytest.param(1000, marks=[pytest.mark.exhaustive, pytest.mark.timeout(1800)])],
)
@pytest.mark.parametrize("large", [moves.LARGE, 1], ids=["small", "large"])
def test_every_history(
    client: Any, monkeypatch: pytest.MonkeyPatch, large: int, histories: int
) -> None:
    monkeypatch.setattr(moves, "LARGE", large)
    Machine.client = client
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=histories,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
