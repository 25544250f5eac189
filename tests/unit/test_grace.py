"""When leases may be held to have run out."""

from __future__ import annotations

import pytest

from woodenwaiter import pace
from woodenwaiter.protocol import grace as grace_module
from woodenwaiter.protocol.grace import Grace, Missed, ServerClock

from ..mutants import changed

LEASE = 30.0
EVERY = pace.renew_every(LEASE)
HERE, THERE = 5_000.0, 1_764_000_000.0
"""The clock of this process and the server's, when a test begins."""


# By looks that lie far apart.


def test_lease_that_is_as_it_was_a_lease_ago_is_nobodys() -> None:
    missed = Missed(LEASE)
    assert missed.still({"a": 1.0, "b": 2.0}, 100) == []
    assert missed.still({"a": 1.0, "b": 2.0}, 100 + LEASE - 1) == []
    assert missed.still({"a": 1.0, "b": 2.0}, 100 + LEASE) == ["a", "b"]


def test_lease_that_was_renewed_meanwhile_is_somebodys() -> None:
    """Though nobody could renew it before this look, either."""
    missed = Missed(LEASE)
    missed.still({"a": 1.0}, 100)
    assert missed.still({"a": 31.0}, 200) == []
    missed.still({}, 300)
    assert missed.still({"a": 31.0}, 400) == []
    assert missed.still({"a": 31.0}, 500) == ["a"]


# By renewals.


def renewed(*times: float) -> Grace:
    grace = Grace(LEASE)
    for time in times:
        grace.renewed(time, time + 0.01)
    return grace


def test_nothing_is_taken_before_the_first_renewal() -> None:
    assert not Grace(LEASE).is_over(1e9)


def test_everybody_has_a_lease_from_the_first_renewal_on() -> None:
    grace = renewed(100, 100 + EVERY)
    assert not grace.is_over(100 + LEASE)
    assert grace.is_over(100 + LEASE + 0.02)


def test_renewal_that_comes_late_begins_it_anew() -> None:
    grace = renewed(100, 200)
    assert not grace.is_over(200 + LEASE)
    assert grace.is_over(200 + LEASE + 0.02)


def test_renewal_that_is_answered_late_is_late() -> None:
    grace = renewed(100)
    grace.renewed(100 + EVERY, 100 + pace.outage_from(LEASE) + 0.1)
    assert not grace.is_over(100 + LEASE + 0.02)


# By the server's clock.


def clock_after(*answers: tuple[float, float, float]) -> tuple[ServerClock, list[float]]:
    """Each: seconds since the test began when it was asked, by how much the server was ahead, and
    how long the answer took; and what was made of it."""
    clock = ServerClock(LEASE)
    steps = [
        clock.note(HERE + at, THERE + at + ahead, HERE + at + took) for at, ahead, took in answers
    ]
    return clock, steps


def test_nothing_is_known_of_a_clock_at_first() -> None:
    clock, steps = clock_after((0, 0, 0))
    assert steps == [0]
    assert not clock.is_steady(HERE + LEASE - 0.1)
    assert clock.is_steady(HERE + LEASE)


@pytest.mark.parametrize("ahead", [3600.0, 11.0, -11.0, -3600.0])
def test_step_is_seen_and_all_have_time_to_renew(ahead: float) -> None:
    clock, steps = clock_after((0, 0, 0), (60, ahead, 0), (63, ahead, 0))
    assert steps == [0, ahead, 0]
    assert not clock.is_steady(HERE + 60 + LEASE - 0.1)
    assert clock.is_steady(HERE + 60 + LEASE)


@pytest.mark.parametrize("ahead", [8.9, -8.9])
def test_what_costs_no_lease_is_no_step(ahead: float) -> None:
    clock, steps = clock_after((0, 0, 0), (60, ahead, 0))
    assert steps == [0, 0]
    assert clock.is_steady(HERE + 60)


def test_clock_that_is_always_a_little_fast_makes_no_step() -> None:
    _, steps = clock_after(*((3 * n, 0.001 * n, 0.002) for n in range(1000)))
    assert not any(steps)


def test_slow_answers_are_no_step() -> None:
    _, steps = clock_after((0, 2, 4), (10, 0.1, 4), (20, 4, 5))
    assert not any(steps)


def test_step_does_not_hide_behind_a_slow_answer() -> None:
    """The server may have said its time at the beginning of the wait, and stepped by all of it."""
    _, steps = clock_after((0, 0, 0), (10, 10.5, 10), (25, 10.5, 0))
    assert steps[1] == 10.5


def test_time_is_told_as_the_last_answer_leaves_it() -> None:
    """At most: leases that are given by it end no sooner than they should."""
    clock, _ = clock_after((0, 0, 0.1))
    assert clock.reads(HERE + 20) == THERE + 20
    clock, _ = clock_after((0, 0, 0), (10, 0.2, 0.3))
    assert clock.reads(HERE + 20) == pytest.approx(THERE + 20.2)


def test_time_is_not_told_after_a_slow_answer() -> None:
    clock, _ = clock_after((0, 0, 0), (10, 0.1, pace.CLOCK_WIDTH + 0.1))
    assert clock.reads(HERE + 20) is None
    assert ServerClock(LEASE).reads(HERE) is None


def steps_are_judged_rightly() -> None:
    test_time_is_told_as_the_last_answer_leaves_it()
    test_time_is_not_told_after_a_slow_answer()
    test_nothing_is_known_of_a_clock_at_first()
    for ahead in (11.0, -11.0):
        test_step_is_seen_and_all_have_time_to_renew(ahead)
    test_step_does_not_hide_behind_a_slow_answer()


MUTANTS = [
    ("max(forward, backward)", "backward"),
    ("max(forward, backward)", "forward"),
    ("server - received, server - sent", "server - received, server - received"),
    ("self._steady_since = received", "pass"),
    ("0.0 if is_first else forward", "forward"),
    ("now + most if", "now + least if"),
    ("if most - least <= pace.CLOCK_WIDTH else None", ""),
]


@pytest.mark.parametrize(("text", "instead"), MUTANTS)
def test_change_of_a_decision_is_noticed(
    monkeypatch: pytest.MonkeyPatch, text: str, instead: str
) -> None:
    mutant = changed(grace_module, text, instead)
    monkeypatch.setitem(globals(), "ServerClock", mutant["ServerClock"])
    with pytest.raises(AssertionError):
        steps_are_judged_rightly()
