"""How often hosts tend a queue: simulated, as they decide it, by as many as share one."""

from __future__ import annotations

import heapq
import math
import random
from bisect import bisect, bisect_left
from collections.abc import Callable

import pytest

from woodenwaiter import pace
from woodenwaiter.protocol import rounds as rounds_module
from woodenwaiter.protocol.rounds import FOLLOWERS, Rounds

from ..mutants import changed

LEASE = 30.0


class Fleet:
    """Hosts that start at about the same time, each looking every LOOK whether a visit is due."""

    def __init__(self, hosts: int, lease: float = LEASE, dead: int = 0) -> None:
        self.random = random.Random(hosts)
        self.hosts = hosts  # as the owners say, those of the dead one included
        draw = self.random.random
        self.rounds = [Rounds(lease, draw(), draw) for _ in range(hosts - dead)]
        self.visits: list[float] = []
        self.gaps: list[float] = []  # of each, between two visits
        self.lapse_at = math.inf  # when a lease ends that nobody renews

    def run(self, seconds: float) -> Fleet:
        looks = [(self.random.random(), number) for number in range(len(self.rounds))]
        last: dict[int, float] = {}
        heapq.heapify(looks)
        while looks and looks[0][0] < seconds:
            now, number = looks[0]
            heapq.heapreplace(looks, (now + pace.LOOK, number))
            if self.rounds[number].is_due(now):
                self.visits.append(now)
                left = self.lapse_at - now
                self.rounds[number].made(now, self.hosts, 0, None, left if left > 0 else None)
                self.gaps.append(now - last.get(number, now))
                last[number] = now
        return self

    def waits(self, start: float, end: float) -> list[float]:
        """Of what happens at any time, until somebody comes by; the shortest first."""
        moments = (self.random.uniform(start, end) for _ in range(5000))
        return sorted(self.visits[bisect(self.visits, at)] - at for at in moments)


WARM, END = 60.0, 200.0


def steady(hosts: int, **given: float) -> Fleet:
    return Fleet(hosts, dead=int(hosts > 1), **given).run(END)


def all_is_tended_soon(hosts: int) -> bool:
    """By one host fewer than there are owners of, as one has died."""
    waits = steady(hosts).waits(WARM, END - 10)
    return waits[2500] <= 1.2 and waits[4950] <= 5


HOSTS = [2, 3, 4, 6, 8, 12, 16, 100]


@pytest.mark.parametrize("hosts", HOSTS)
def test_somebody_comes_soon(hosts: int) -> None:
    assert all_is_tended_soon(hosts)


@pytest.mark.parametrize("hosts", HOSTS)
def test_somebody_is_there_when_a_lease_ends(hosts: int) -> None:
    for number in range(5):
        fleet = Fleet(hosts, dead=1)
        fleet.lapse_at = LEASE + 2.3 * number
        fleet.run(LEASE + 20)
        came = fleet.visits[bisect(fleet.visits, fleet.lapse_at)]
        assert came - fleet.lapse_at <= pace.ROUND + pace.LOOK


def test_who_is_alone_just_renews_once_all_is_calm() -> None:
    visits = steady(1).visits
    assert len([at for at in visits if at < pace.CALM]) >= 50
    assert len([at for at in visits if at > WARM + 2]) <= 15


@pytest.mark.parametrize("news", [{"hosts": 2}, {"promoted": 1}, {"following": 60.0}])
def test_who_is_alone_comes_as_often_as_ever_when_something_happens(news: dict[str, float]) -> None:
    rounds, seen = one(), {"hosts": 1, "promoted": 0, "following": None}
    rounds.made(100 + pace.CALM, **seen)  # type: ignore[arg-type]
    rounds.made(170, **{**seen, **news})  # type: ignore[arg-type]
    assert rounds.is_due(170 + 2 * pace.ROUND)
    rounds.made(180, **seen)  # type: ignore[arg-type]
    assert rounds.is_due(180 + pace.ROUND)
    rounds.made(171 + pace.CALM, **seen)  # type: ignore[arg-type]
    assert not rounds.is_due(171 + pace.CALM + 2 * pace.ROUND)
    assert rounds.is_due(171 + pace.CALM + pace.renew_every(LEASE))


@pytest.mark.parametrize("hosts", HOSTS)
def test_hosts_do_not_multiply_what_they_do(hosts: int) -> None:
    """No more than what renewals ask for, or one each ROUND."""
    least = max(1 / pace.ROUND, hosts / pace.renew_every(LEASE))
    assert len([at for at in steady(hosts).visits if at > WARM]) / (END - WARM) <= 1.25 * least


@pytest.mark.parametrize("lease", [1.0, LEASE])
@pytest.mark.parametrize("hosts", HOSTS)
def test_nobody_waits_too_long_to_renew(hosts: int, lease: float) -> None:
    late = pace.LOOK + 1e-6
    assert max(steady(hosts, lease=lease).gaps) <= pace.renew_every(lease) + late


@pytest.mark.parametrize("hosts", [1, 16])
def test_somebody_looks_closely_now_and_then(hosts: int) -> None:
    """Each first, and all of a queue's together as often as one would."""
    draw, looks = random.Random(hosts).random, 0
    for rounds in [Rounds(LEASE, draw(), draw) for _ in range(hosts)]:
        assert rounds.is_close(100)
        for now in range(100, 3100, 10):
            is_close = rounds.is_close(now)
            rounds.made(now, hosts if is_close else None, 0, None)
            looks += is_close
        rounds.hurry()
        assert rounds.is_close(3100)
    assert 0.7 <= (looks - hosts) * pace.THOROUGH / 3000 <= 1.1


def test_who_glances_knows_how_many_hosts_there_were() -> None:
    rounds = one(hosts=7)
    rounds.made(110, None, 0, None)
    assert rounds.hosts == 7


def one(hosts: float = 1, draws: float = 0.5) -> Rounds:
    """That was made at 100 and has nothing else to come for."""
    rounds = Rounds(LEASE, 1.0, lambda: draws)
    assert rounds.is_due(0)
    rounds.made(100, hosts, 0, None)
    return rounds


def test_what_was_in_trouble_is_due() -> None:
    rounds = one()
    assert not rounds.is_due(100 + 0.9 * pace.ROUND)
    assert rounds.is_due(100 + pace.ROUND)
    rounds.made(101, 1, 0, None)
    rounds.hurry()
    assert rounds.is_due(101)


def test_may_be_made_a_little_early() -> None:
    rounds = one(hosts=5)
    every = pace.round_every(LEASE, 5)
    assert rounds.is_nearly_due(100 + 0.85 * every)
    assert not rounds.is_due(100 + 0.85 * every)
    assert not rounds.is_nearly_due(100 + 0.75 * every)


class Crowd:
    """Hosts that serve several queues, each some of them, and make together what may be."""

    def __init__(self, hosts: int, each: int) -> None:
        self.random = random.Random(hosts)
        self.visits: list[list[float]] = [[] for _ in range(hosts)]  # of each queue
        self.requests: list[float] = []
        self._sharing = each
        draw = self.random.random
        self._rounds = [
            {(host + other) % hosts: Rounds(LEASE, phase, draw) for other in range(each)}
            for host, phase in enumerate(draw() for _ in range(hosts))
        ]

    def run(self, seconds: float) -> Crowd:
        looks = [(self.random.random(), number) for number in range(len(self._rounds))]
        heapq.heapify(looks)
        while looks[0][0] < seconds:
            now, number = looks[0]
            heapq.heapreplace(looks, (now + pace.LOOK, number))
            self._look(self._rounds[number], now)
        return self

    def _look(self, queues: dict[int, Rounds], now: float) -> None:
        if not any(rounds.is_due(now) for rounds in queues.values()):
            return
        due = {q: r for q, r in queues.items() if r.is_due(now) or r.is_nearly_due(now)}
        for queue, rounds in due.items():
            rounds.made(now, self._sharing, 0, None)
            self.visits[queue].append(now)
        self.requests.append(now)


def test_hosts_with_many_queues_spread_together() -> None:
    """A request each renewal, whatever the number of queues, and each queue is tended soon."""
    crowd, end = Crowd(hosts=32, each=16).run(END), END - WARM
    requests = len([at for at in crowd.requests if at > WARM]) / end / 32
    assert requests <= 1.5 / pace.renew_every(LEASE)
    waits = sorted(
        times[bisect(times, at)] - at
        for times in crowd.visits
        for at in (crowd.random.uniform(WARM, END - 12) for _ in range(100))
    )
    assert waits[int(0.99 * len(waits))] <= 5


# Leases that run out.


@pytest.mark.parametrize("hosts", [1, 2, 17, 1000])
def test_who_sees_a_lease_end_before_it_comes_again_is_there_soon(hosts: int) -> None:
    draws = random.Random(hosts).random
    for _ in range(20):
        rounds = Rounds(LEASE, 1.0, draws)
        rounds.made(100, hosts, 0, None, lapse=0.4)
        assert 0.4 <= when_due(rounds) <= 0.4 + pace.ROUND


def test_lease_that_is_still_to_be_renewed_is_nothing_to_come_for() -> None:
    rounds = Rounds(LEASE, 1.0, lambda: 0.5)
    rounds.made(100, 17, 0, None, lapse=LEASE * 2 / 3)
    assert when_due(rounds) == pytest.approx(pace.renew_every(LEASE), abs=0.002)


# Retries.


def when_due(rounds: Rounds, *retries: float) -> float:
    """Seconds after 100."""
    moments = range(10_000)
    return bisect_left(moments, True, key=lambda n: rounds.is_due(100 + n / 1000, retries)) / 1000


def test_one_host_comes_for_each_retry_as_it_is_due() -> None:
    rounds = one()
    assert when_due(rounds, 100.3) == pytest.approx(0.3, abs=0.002)
    rounds.made(100, 1, 0, 0.4)
    assert when_due(rounds) == pytest.approx(0.4, abs=0.002)
    assert when_due(rounds, 99.9, 100.0) == pytest.approx(0.4, abs=0.002), "it came for these"
    rounds.made(100, 1, 0, 0)
    assert when_due(rounds) == 0, "some are due that did not come"


def test_who_put_a_retry_off_comes_within_a_second() -> None:
    rounds = one(hosts=1000)
    assert when_due(rounds, 105.0) == pytest.approx(5.0, abs=0.002)
    assert when_due(rounds, 100.1) == pytest.approx(pace.ROUND, abs=0.002), "it was just there"


@pytest.mark.parametrize("hosts", [2, 16, 100, 1000])
def test_few_of_many_come_for_a_retry_of_anothers(hosts: int) -> None:
    draws = random.Random(hosts).random
    fleet = [Rounds(LEASE, 1.0, draws) for _ in range(hosts)]
    for rounds in fleet:
        rounds.made(100, hosts, 0, 0.2)
    came = [rounds for rounds in fleet if when_due(rounds) <= 0.2 + pace.ROUND]
    assert len(came) <= 4 * FOLLOWERS
    assert len(came) >= min(hosts, 1)


def test_crowd_that_moves_is_followed_by_who_moves_it() -> None:
    rounds = one(hosts=1000, draws=0.9)
    rounds.made(100, 1000, promoted=10, following=0)
    assert rounds.is_due(100)
    rounds.made(100, 1000, promoted=0, following=0)
    assert when_due(rounds) > 1, "no host asks again and again for what has to wait"


# Mutants.


def visits_are_decided_rightly() -> None:
    test_who_is_alone_just_renews_once_all_is_calm()
    for news in ({"hosts": 2.0}, {"promoted": 1.0}, {"following": 60.0}):
        test_who_is_alone_comes_as_often_as_ever_when_something_happens(news)
    for hosts in (4, 8, 16):
        test_somebody_comes_soon(hosts)
        test_hosts_do_not_multiply_what_they_do(hosts)
        test_nobody_waits_too_long_to_renew(hosts, LEASE)
        test_somebody_looks_closely_now_and_then(hosts)
    test_somebody_is_there_when_a_lease_ends(8)
    test_one_host_comes_for_each_retry_as_it_is_due()
    test_who_put_a_retry_off_comes_within_a_second()
    test_few_of_many_come_for_a_retry_of_anothers(100)
    test_hosts_with_many_queues_spread_together()
    test_crowd_that_moves_is_followed_by_who_moves_it()


MUTANTS: list[tuple[str, str]] = [
    ("math.inf if is_calm else self.hosts", "self.hosts"),
    ("self._made >= self._calm_at", "True"),
    ("self.hosts > 1 or promoted or following", "promoted or following"),
    ("self.hosts > 1 or promoted or following", "self.hosts > 1 or following"),
    ("promoted or following is not None or ", "promoted or "),
    ("self._phase if self.is_urgent else 1", "1"),
    ("self._phase if self.is_urgent else 1", "self._phase"),
    ("self._phase if self.is_urgent else 1", "1 + self._phase"),
    ("self._made < due and ", ""),
    ("max(due, self._made + self._breath)", "due"),
    ("if self.hosts == 1 or (promoted and not following)", "if self.hosts == 1"),
    ("if self.hosts == 1 or (promoted and not following)", "if True"),
    ("if self._chance() * self.hosts >= FOLLOWERS", "if False"),
    ("if self._chance() * self.hosts >= FOLLOWERS", "if True"),
    ("if lapse is not None:", "if False:"),
    ("now + lapse +", "now +"),
    ("self.hosts = max(1.0, hosts)", "self.hosts = 1.0"),
    ("return self.is_urgent or now >=", "return now >="),
    ("closely_every(self.hosts) * part", "closely_every(1.0) * part"),
    ("closely_every(self.hosts) * part", "closely_every(self.hosts) * 10"),
]


@pytest.mark.parametrize(("text", "instead"), MUTANTS)
def test_change_of_a_decision_is_noticed(
    monkeypatch: pytest.MonkeyPatch, text: str, instead: str
) -> None:
    mutant = changed(rounds_module, text, instead)
    monkeypatch.setitem(globals(), "Rounds", mutant["Rounds"])
    check: Callable[[], None] = visits_are_decided_rightly
    with pytest.raises((AssertionError, IndexError)):
        check()
