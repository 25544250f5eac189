"""What a queue's history tells is true, whatever happens: a server whose clock the test sets, one
host that tends the queue, one worker, and a diary of when each task was pushed."""

from __future__ import annotations

import copy
import hashlib
import random
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from woodenwaiter import pace
from woodenwaiter.protocol import beats, history, scripts
from woodenwaiter.protocol.beats import Noted, beat_of, minutes_of
from woodenwaiter.protocol.entry import load
from woodenwaiter.protocol.history import (
    Account,
    Beat,
    Range,
    by_minute,
    by_step,
    oldest_of,
    summary,
)
from woodenwaiter.protocol.keys import Keys
from woodenwaiter.protocol.link import Link
from woodenwaiter.protocol.pulse import Pulse
from woodenwaiter.protocol.tending import Tended, tend_together
from woodenwaiter.protocol.verdict import Failure, Policy, judge

from ..clock import Clock, can_be_set
from ..counting import CountingQueue, accounts
from ..mutants import changed
from ..support import Server, eventually

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
        self.taken: set[bytes] = set()
        self.owner, self.owners, self.completed = "a", 1, 0
        self.buffer: list[bytes] = []
        self.seconds = self.asked = 0
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
        self.taken.update(load(raw).payload for raw in self.buffer)

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
            self.taken.discard(fields["payload"])
            self.queue.requeue(letter)

    def wait(self, seconds: int, *, looks: bool = True) -> None:
        self.is_watched &= looks
        for _ in range(seconds):
            self.tick()
            if looks:
                self.look()

    def tick(self) -> None:
        self.seconds += 1
        self.step(1)

    def step(self, seconds: int) -> None:
        """Of the server's clock; it may know the time from a moment ago."""
        before = self.now()
        self.clock.set_ahead(self.clock.ahead + seconds)
        eventually(lambda: seconds <= self.now() - before < seconds + 60)

    def sleep(self, seconds: int) -> None:
        self.wait(seconds, looks=False)

    def look(self) -> None:
        """As a housekeeper does."""
        now = float(self.seconds)
        visit = self.queue.visit([self.owner], 1000, self.now())
        if self.pulse.is_due(now, self.completed):
            visit = visit._replace(seen=self.pulse.seen)
            self.asked += 1
        [tended] = tend_together(self.link, [visit])
        assert isinstance(tended, Tended)
        assert self.pulse.visited(tended, now, now, 1, self.completed) == ""

    # What is told of it.

    def account(self) -> Account:
        [account] = accounts(self.link, ["t:d"])
        assert isinstance(account, Account)
        return account

    def beats(self) -> list[Beat]:
        """The newest first."""
        return [*map(beat_of, self.client.lrange(KEYS.beats, 0, -1))]

    def waiting(self) -> list[bytes]:
        return [load(raw).payload for raw in self.client.lrange("t:d", 0, -1)]

    def check(self, oldest_of: Callable[[Account], Range | None] = oldest_of) -> None:
        account, waiting = self.account(), self.waiting()
        told, now = oldest_of(account), account.now.time
        assert account.pushed == len(self.pushed)
        assert (told is None) == (not waiting)
        if told is None:
            return
        assert told.least <= max(now - self.pushed[task] for task in waiting)
        stayed = [now - self.pushed[task] for task in waiting if task not in self.taken]
        assert told.most is not None
        assert max(stayed, default=0) - A_MOMENT <= told.most
        if self.is_watched and account.first_with:
            # A look after it came, and a look after another beat may be noted.
            assert told.most - told.least <= pace.BEAT + 2 + A_MOMENT


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


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
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
    (", later.empty_at if later else 0)", ", 0)", LONG_IDLE),
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
    ("BEAT", "if last[6] and same_at > last[1] then", "if false then", SLOW),
    ("HISTORY", "or 0) <= most then", "or 0) < most then", SLOW),
    ("HISTORY", "sums.came - sums.waiting", "sums.came - sums.requeued - sums.waiting", LETTER),
    ("HISTORY", "sums.came - sums.waiting", "sums.came - sums.waiting - sums.delayed", BACK),
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


# Rates, and what follows.


def approx(least: float, most: float | None) -> Any:
    """A range that is about so."""
    return tuple(None if end is None else pytest.approx(end, rel=0.12) for end in (least, most))


def be_steady(shop: Shop, seconds: int, come: int, done: int) -> None:
    """So many come and are done in each second."""
    for _ in range(seconds):
        shop.push(come)
        shop.claim(done)
        shop.run(done)
        shop.claim(0)
        shop.wait(1)


def test_rates_are_of_the_last_minute(shop: Shop) -> None:
    be_steady(shop, 40, 5, 5)
    be_steady(shop, 70, 3, 1)
    told = summary(shop.account())
    assert told.rates
    assert told.rates.came == pytest.approx(180, rel=0.05)
    assert told.rates.done == pytest.approx(60, rel=0.05)
    assert (told.pushed, told.done) == (410, 270)
    assert told.drained == approx(140, None), "more comes than is done"
    be_steady(shop, 70, 1, 2)
    told = summary(shop.account())
    assert told.drained == approx(70 / 2, 70 / 1)


def test_rates_after_a_rest_are_of_the_last_minute_too(shop: Shop) -> None:
    be_steady(shop, 30, 2, 2)
    shop.wait(600)
    told = summary(shop.account())
    assert told.rates == (0, 0, 0, 0)
    be_steady(shop, 10, 2, 2)
    told = summary(shop.account())
    assert told.rates
    assert told.rates.came == told.rates.done == 20


def test_rates_of_failures(shop: Shop) -> None:
    shop.wait(30)
    shop.push(3)
    shop.claim(3)
    shop.run(1)
    shop.fail(after=100)
    shop.fail(after=0)
    shop.wait(50)
    told = summary(shop.account())
    assert told.rates
    assert (told.rates.done, told.rates.failed, told.rates.buried) == (1, 2, 1)
    assert (told.done, told.failed, told.buried, told.requeued) == (1, 2, 1, 0)
    shop.requeue()
    told = summary(shop.account())
    assert (told.pushed, told.requeued, told.buried) == (3, 1, 1)


def test_too_little_is_known_at_first(shop: Shop) -> None:
    shop.push(3)
    told = summary(shop.account())
    assert (told.rates, told.drained) == (None, None)


def test_minutes_tell_when(shop: Shop) -> None:
    shop.wait(int(60 - shop.now() % 60) + 1)
    for seconds, number in ((180, 1), (20, 4), (40, 5), (240, 0), (1, 7)):
        shop.push(number)
        shop.wait(seconds)
    [noted] = minutes_of(shop.link, ["t:d"])
    assert not isinstance(noted, Exception)
    told = by_minute(noted, shop.account().now, 12)
    came = [rates and rates.came for rates in told]
    assert came[-9:] == [1, 0, 0, 9, 0, 0, 0, 0, 7]
    assert came[0] is None, "nothing was noted yet"
    assert len(noted) < 6, "none where nothing changes"


def noted_minutes(shop: Shop) -> list[Beat]:
    [noted] = minutes_of(shop.link, ["t:d"])
    assert not isinstance(noted, Exception)
    return noted


def test_minutes_tell_what_waited(shop: Shop) -> None:
    shop.wait(int(300 - shop.now() % 300) + 1)
    shop.push(5)
    shop.wait(280)
    shop.claim(2)
    shop.wait(120)
    shop.run(2)
    shop.claim(0)
    shop.wait(200)
    shop.push(4)
    shop.wait(600)
    shop.push(1)
    steps = by_step(noted_minutes(shop), shop.account().now, 300, 12)
    assert [step.waiting for step in steps][-5:] == [3, 3, 7, 7, 8]
    assert [step.sums and step.sums[:2] for step in steps][-4:] == [(0, 2), (4, 0), (0, 0), (1, 0)]
    assert steps[0].sums is None
    assert steps[0].waiting is None


def test_what_workers_claim_is_noted_of_the_minute_alone(shop: Shop) -> None:
    shop.push(3)
    shop.wait(70)
    beats, minutes = shop.client.llen(KEYS.beats), shop.client.llen(KEYS.minutes)
    shop.claim(2)
    shop.wait(10)
    assert noted_minutes(shop)[0].waiting == 1
    assert shop.client.llen(KEYS.beats) == beats
    assert shop.client.llen(KEYS.minutes) == minutes + 1
    shop.wait(600)
    assert shop.client.llen(KEYS.minutes) == minutes + 1, "nothing changes any more"
    assert all(beat.waiting is None for beat in shop.beats()), "which earlier releases read"


def test_notes_of_an_earlier_release_tell_nothing_of_what_waited(shop: Shop) -> None:
    shop.push(3)
    shop.wait(10)
    for key in (KEYS.beats, KEYS.minutes):
        first = shop.client.lpop(key).split()[:6]
        shop.client.lpush(key, b" ".join(first))
    assert noted_minutes(shop)[0].waiting is None
    shop.wait(100)
    noted = noted_minutes(shop)
    assert noted[0].waiting == 3
    shop.wait(100)
    assert noted_minutes(shop) == noted


# What is kept.


def test_nothing_is_noted_or_asked_while_nothing_happens(shop: Shop) -> None:
    shop.push(1)
    shop.claim(1)
    shop.wait(30)
    shop.run(1)
    shop.claim(1)
    shop.wait(30)
    notes, beats = shop.client.llen(KEYS.beats), shop.asked
    shop.wait(300)
    assert (shop.client.llen(KEYS.beats), shop.asked) == (notes, beats)


def test_what_stands_still_is_looked_at_but_not_noted(shop: Shop) -> None:
    shop.push(1)
    shop.wait(30)
    notes, beats = shop.client.llen(KEYS.beats), shop.asked
    shop.wait(60)
    assert shop.client.llen(KEYS.beats) == notes
    assert 8 <= shop.asked - beats <= 12


def test_history_is_bounded_and_goes_away(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beats, "MOST_BEATS", 20)
    monkeypatch.setattr(beats, "MOST_MINUTES", 3)
    be_steady(shop, 300, 1, 1)
    assert shop.client.llen(KEYS.beats) == 20
    assert shop.client.llen(KEYS.minutes) == 3
    for key in (KEYS.beats, KEYS.minutes):
        assert 0 < shop.client.ttl(key) <= pace.HISTORY_KEPT


@pytest.mark.parametrize("key", ["t:d", KEYS.tally])
def test_what_somebody_deletes_begins_a_new_history(shop: Shop, key: str) -> None:
    shop.push(9)
    shop.claim(4)
    shop.run(4)
    shop.claim(1)
    shop.wait(30)
    shop.client.delete(key)
    told = summary(shop.account())
    assert told.rates is None
    assert told.oldest in (None, (0, None))
    shop.push(1)
    shop.wait(30)
    noted = [beat.came for beat in shop.beats()]
    assert noted == sorted(noted, reverse=True)
    assert max(noted) <= 6


def test_clock_that_goes_back_begins_a_new_history(shop: Shop) -> None:
    shop.push(1)
    shop.wait(30)
    shop.step(-3600)
    assert summary(shop.account()).oldest == (0, None)
    shop.look()
    assert shop.pulse.seen == (0, 0)
    shop.push(1)
    shop.wait(60)
    account = shop.account()
    assert summary(account).oldest == approx(60, None)
    assert 0 < len(shop.beats()) < 4
    assert all(beat.empty_at < beat.time <= account.now.time for beat in shop.beats())


# Nothing depends on it.


def test_tally_of_a_wrong_type_stops_nothing(shop: Shop) -> None:
    shop.client.set(KEYS.tally, "somebody's")
    shop.push(4)
    shop.claim(3)
    shop.run(1)
    shop.fail(after=0)
    shop.fail(after=1)
    assert len(shop.buffer) == 0
    shop.claim(1)
    shop.leave()
    assert [load(raw).payload for raw in shop.client.lrange("t:d", 0, -1)] == [b"4"]
    for letter, _ in list(shop.queue.dead_letters()):
        assert shop.queue.requeue(letter)
    assert shop.client.llen("t:d") == 2


@pytest.mark.parametrize("key", [KEYS.tally, KEYS.beats, KEYS.minutes])
def test_what_cannot_be_noted_is_told_once_and_costs_no_visit(shop: Shop, key: str) -> None:
    shop.client.delete(key)
    shop.client.set(key, "somebody's")
    shop.push(1)
    told, leases = [], []
    for _ in range(20):
        shop.tick()
        now = shop.now()
        visit = shop.queue.visit(["a"], 1000, now)._replace(
            seen=shop.pulse.seen if shop.pulse.is_due(now, 0) else None
        )
        [tended] = tend_together(shop.link, [visit])
        assert isinstance(tended, Tended)
        told.append(shop.pulse.visited(tended, now, now, 1, 0))
        leases.append(shop.client.zscore(KEYS.leases, "a"))
    assert leases == sorted(set(leases)), "each extends them"
    assert [bool(trouble) for trouble in told].count(True) == 1
    assert "WRONGTYPE" in "".join(told)
    [account] = accounts(shop.link, ["t:d"])
    assert isinstance(account, Exception) == (key != KEYS.minutes)


def test_full_server_is_noted(make_server: Callable[..., Server]) -> None:
    with closing(make_server()) as server, closing(Link(server.client, 10)) as link:
        queue = CountingQueue(link, "t:d", LEASE)
        queue.enroll("a", 0)
        server.client.config_set("maxmemory", 1)
        visit = queue.visit(["a"], 10, server.client.time()[0])._replace(seen=Pulse(float).seen)
        [tended] = tend_together(link, [visit])
        assert isinstance(tended, Tended)
        assert not isinstance(tended.beat, Exception)
        assert server.client.llen(KEYS.beats) == 1


def test_many_queues_are_read_in_one_round_trip(shop: Shop) -> None:
    shop.client.set("{other}:tally", "somebody's")
    shop.push(2)
    shop.client.script_flush()
    for _ in range(2):
        first, other, empty = accounts(shop.link, ["t:d", "other", "empty"])
        assert isinstance(first, Account)
        assert first.waiting == 2
        assert isinstance(other, Exception)
        assert isinstance(empty, Account)
        assert summary(empty).oldest is None


# Whose beat it is.


@pytest.mark.parametrize("hosts", [1, 4, 16, 100])
def test_hosts_take_turns(hosts: int) -> None:
    """As many together as one would: each asks the more rarely."""
    chance = random.Random(hosts)
    pulses = [Pulse(chance.random) for _ in range(hosts)]
    noted, asked = [-100.0], 0
    for now in (tick / 10 for tick in range(6000)):
        for pulse in pulses:
            if pulse.is_due(now, int(now)):
                asked += 1
                ago = now - noted[-1]
                left = pace.BEAT if ago >= pace.BEAT else pace.BEAT - ago
                if ago >= pace.BEAT:
                    noted.append(now)
                tended = Tended(0, None, now, None, {}, None, 1, Noted(left, now, False))
                pulse.visited(tended, now, now, hosts, int(now))
    gaps = sorted(b - a for a, b in pairwise(noted[2:]))
    assert gaps[len(gaps) // 2] < 1.5 * pace.BEAT
    assert gaps[int(len(gaps) * 0.99)] < 3.5 * pace.BEAT
    assert asked < 600 / pace.BEAT * 4 + 2 * hosts
