"""What a queue's history tells is true, whatever happens: a server whose clock the test sets, one
host that tends the queue, one worker, and a diary of when each task was pushed."""

from __future__ import annotations

import copy
import hashlib
import math
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from woodenwaiter import pace
from woodenwaiter.protocol import beats, history, scripts
from woodenwaiter.protocol.beats import RECENT, accounts, minutes, noting
from woodenwaiter.protocol.entry import load
from woodenwaiter.protocol.history import Account, Range, by_minute, oldest_of, summary
from woodenwaiter.protocol.keys import Keys
from woodenwaiter.protocol.link import Link
from woodenwaiter.protocol.pulse import Pulse
from woodenwaiter.protocol.tending import Tended, tend_together
from woodenwaiter.protocol.verdict import Failure, Policy, judge

from ..clock import Clock, can_be_set
from ..counting import CountingQueue
from ..mutants import changed
from ..support import Server

KEYS = Keys("t:d")
LEASE = 1e6  # none runs out
POLICY = Policy(max_deliveries=1000)
A_MOMENT = 1.0
"""Seconds that what is done between two of a test's own may take on a busy machine."""


class Shop:
    """``is_watched``: whether its host has looked every second so far."""

    def __init__(self, server: Server, clock: Clock) -> None:
        self.client, self.clock = server.client, clock
        self.client.flushall()
        self.link = Link(self.client, 10)
        self.queue = CountingQueue(self.link, "t:d", LEASE)
        self.pulse = Pulse(lambda: 0.5)
        self.pushed: dict[bytes, float] = {}
        self.owner, self.owners, self.completed = "a", 1, 0
        self.buffer: list[bytes] = []
        self.beats = 0
        self.is_watched = True
        self.queue.enroll("a", 0)
        self.look()

    def now(self) -> float:
        seconds, microseconds = self.client.time()
        return float(seconds + microseconds / 1e6)

    # What happens.

    def push(self, number: int) -> None:
        for _ in range(number):
            task = b"%d" % (len(self.pushed) + 1)
            self.pushed[task] = self.now()
            self.client.lpush("t:d", task)

    def claim(self, want: int) -> None:
        self.buffer = self.queue.claim(self.owner, self.completed, want)

    def run(self, number: int) -> None:
        self.completed += len(self.buffer[:number])
        del self.buffer[:number]

    def fail(self, after: int) -> None:
        """For good, if not after so many seconds."""
        if self.buffer:
            raw = self.buffer.pop(0)
            failure = Failure("failed", after=after, final=not after)
            self.completed += 1
            verdict = judge(raw, load(raw).payload.decode(), failure, POLICY, "worker")
            self.queue.fail(self.owner, self.completed, verdict)

    def give_back(self) -> None:
        if self.buffer:
            self.buffer = self.buffer[:1]
            self.queue.give_back(self.owner, self.completed + 1)

    def leave(self) -> None:
        self.queue.release(self.owner, self.completed)
        self.owners += 1
        self.owner, self.buffer = f"owner{self.owners}", []
        self.queue.enroll(self.owner, self.completed)

    def requeue(self) -> None:
        for letter, fields in list(self.queue.dead_letters()):
            self.pushed[fields["payload"]] = self.now()
            self.queue.requeue(letter)

    def wait(self, seconds: int, *, looks: bool = True) -> None:
        self.is_watched &= looks
        for _ in range(seconds):
            self.clock.set_ahead(self.clock.ahead + 1)
            if looks:
                self.look()

    def sleep(self, seconds: int) -> None:
        self.wait(seconds, looks=False)

    def look(self) -> None:
        """As a housekeeper does."""
        now = self.now()
        visit = self.queue.visit([self.owner], 1000, now)
        if self.pulse.is_due(now, self.completed):
            visit = visit._replace(seen=self.pulse.seen)
            self.beats += 1
        [tended] = tend_together(self.link, [visit])
        assert isinstance(tended, Tended)
        assert self.pulse.visited(tended, now, self.now(), 1, self.completed) == ""

    # What is told of it.

    def account(self) -> Account:
        [account] = accounts(self.link, ["t:d"])
        assert isinstance(account, Account)
        return account

    def oldest(self) -> float | None:
        waiting = self.client.lrange("t:d", 0, -1)
        pushed = [self.pushed[load(raw).payload] for raw in waiting]
        return min(pushed) if pushed else None

    def check(self, oldest_of: Callable[[Account], Range | None] = oldest_of) -> None:
        account, pushed_at = self.account(), self.oldest()
        told = oldest_of(account)
        assert account.pushed == len(self.pushed)
        assert (told is None) == (pushed_at is None)
        if told and pushed_at:
            age = account.now.time - pushed_at
            assert told.least <= age
            if told.most is not None:
                assert age - A_MOMENT <= told.most
                is_noted = self.is_watched and account.first_with
                # A look after it came, and a look after another beat may be noted.
                assert not is_noted or told.most - told.least <= pace.BEAT + 2 + A_MOMENT


@pytest.fixture(scope="module")
def timed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Clock]]:
    """A server, and its clock."""
    if not can_be_set():
        pytest.skip("needs a C compiler")
    folder: Path = tmp_path_factory.mktemp("timed")
    clock = Clock(folder)
    with closing(Server(folder / "server", **clock.environment)) as server:
        yield server, clock


@pytest.fixture
def shop(timed: tuple[Server, Clock]) -> Iterator[Shop]:
    shop = Shop(*timed)
    yield shop
    shop.link.close()


NUMBERS = st.integers(1, 5)
DEEDS = {
    "push": NUMBERS,
    "claim": NUMBERS,
    "run": NUMBERS,
    "fail": st.sampled_from([0, 1, 7]),
    "wait": st.integers(1, 20),
}
RARE_DEEDS = ("give_back", "leave", "requeue")
COMMON = st.one_of(*(st.tuples(st.just(deed), given) for deed, given in DEEDS.items()))
RARE = st.sampled_from([(deed,) for deed in RARE_DEEDS])
SLEEP = st.tuples(st.just("sleep"), st.integers(1, 100))
History = list[tuple[Any, ...]]
LONG_IDLE: History = [("wait", 60), ("push", 2), ("wait", 8), ("claim", 1), ("wait", 9)]
SLOW: History = [("push", 3), ("wait", 60), ("push", 1), ("wait", 9), ("claim", 3), ("wait", 2)]
BACK: History = [
    *(("push", 1), ("wait", 30), ("claim", 1), ("fail", 7), ("push", 2), ("wait", 3)),
    *(("claim", 2), ("run", 2), ("claim", 1), ("wait", 20)),
]
LETTER: History = [
    *(("push", 1), ("wait", 30), ("claim", 1), ("fail", 0), ("push", 2), ("wait", 30)),
    *(("requeue",), ("wait", 7), ("claim", 2)),
]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.one_of(COMMON, COMMON, COMMON, RARE, SLEEP), max_size=25))
@example(LONG_IDLE)
@example(SLOW)
@example(BACK)
@example(LETTER)
def test_age_is_true(timed: tuple[Server, Clock], happens: History) -> None:
    live(timed, happens)


def live(
    timed: tuple[Server, Clock],
    happens: History,
    oldest_of: Callable[[Account], Range | None] = oldest_of,
) -> None:
    shop = Shop(*timed)
    with closing(shop.link):
        for deed, *arguments in happens:
            getattr(shop, deed)(*arguments)
            shop.check(oldest_of)


MUTANTS = [
    ("earlier is None or earlier.returned != now.returned", "earlier is None", BACK),
    ("max(earlier.time, later.empty_at if later else 0)", "earlier.time", LONG_IDLE),
    ("least = now.time - later.time if later else 0", "least = now.time - earlier.time", SLOW),
    ("least = now.time - later.time if later else 0", "least = 0", SLOW),
]


@pytest.mark.parametrize(("text", "instead", "happens"), MUTANTS)
def test_wrong_conclusion_is_seen(
    timed: tuple[Server, Clock], text: str, instead: str, happens: History
) -> None:
    with pytest.raises(AssertionError):
        live(timed, happens, changed(history, text, instead)["oldest_of"])


SCRIPTS = [
    ("BEAT", "if last[7] and same_at > last[1] then", "if false then", SLOW),
    ("HISTORY", "[2] or 0) <= left then", "[2] or 0) < left then", SLOW),
    ("HISTORY", "sums.came - sums.waiting", "sums.came - sums.requeued - sums.waiting", LETTER),
    ("TEND", "count('returned', #due)", "", BACK),
]


@pytest.mark.parametrize(("name", "text", "instead", "happens"), SCRIPTS)
def test_wrong_script_is_seen(
    timed: tuple[Server, Clock],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    text: str,
    instead: str,
    happens: History,
) -> None:
    mutant = copy.copy(getattr(scripts, name))
    assert mutant.source.count(text) == 1
    mutant.source = mutant.source.replace(text, instead)
    mutant.sha = hashlib.sha1(mutant.source.encode()).hexdigest()
    monkeypatch.setattr(scripts, name, mutant)
    with pytest.raises(AssertionError):
        live(timed, happens)
