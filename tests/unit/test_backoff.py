"""How long to wait before the next attempt."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from woodenwaiter.backoff import LONGEST, Backoff
from woodenwaiter.errors import WrongType, WrongValue

SECONDS = st.floats(0, 1e6)
ATTEMPTS = st.integers(1, 10_000)
BACKOFFS = st.builds(lambda a, b: Backoff(min(a, b), max(a, b)), SECONDS, SECONDS)


def test_doubles_up_to_the_longest() -> None:
    assert [Backoff(2, 30).ceiling(n) for n in range(1, 8)] == [2, 4, 8, 16, 30, 30, 30]


@given(BACKOFFS, ATTEMPTS)
def test_never_shrinks_and_never_exceeds_the_longest(backoff: Backoff, attempt: int) -> None:
    assert backoff.first <= backoff.ceiling(attempt) <= backoff.ceiling(attempt + 1)
    assert backoff.ceiling(attempt) <= backoff.longest


@given(BACKOFFS, ATTEMPTS, st.floats(0, 1, exclude_max=True))
def test_jitter_takes_its_share_of_the_ceiling(
    backoff: Backoff, attempt: int, chance: float
) -> None:
    assert backoff.jittered(attempt, lambda: chance) == chance * backoff.ceiling(attempt)


def test_jitter_spreads_over_the_whole_range() -> None:
    waits = [Backoff(10, 10).jittered(1) for _ in range(1000)]
    assert min(waits) < 1
    assert max(waits) > 9
    assert all(0 <= wait <= 10 for wait in waits)


@pytest.mark.parametrize(("first", "longest"), [(-1, 5), (6, 5), (math.nan, 5), (1, math.nan)])
def test_refuses_what_is_no_backoff(first: float, longest: float) -> None:
    with pytest.raises(ValueError, match="first <= longest"):
        Backoff(first, longest)


@pytest.mark.parametrize("seconds", ["2", None, [2], 2j])
def test_refuses_what_is_no_number(seconds: Any) -> None:
    for arguments in ((seconds, 5), (1, seconds)):
        with pytest.raises(WrongType, match="numbers of seconds"):
            Backoff(*arguments)


@pytest.mark.parametrize("longest", [LONGEST, math.inf])
def test_refuses_to_wait_for_ever(longest: float) -> None:
    with pytest.raises(WrongValue, match="first <= longest"):
        Backoff(1, longest)


def test_may_be_constant_or_none_at_all() -> None:
    assert [Backoff(3, 3).ceiling(n) for n in (1, 2, 10**6)] == [3, 3, 3]
    assert [Backoff(0, 600).ceiling(n) for n in (1, 2, 10**6)] == [0, 0, 0]


@given(st.floats(1e-300, LONGEST, exclude_max=True), st.integers(1, 10**12))
def test_any_number_of_attempts_can_be_reckoned_with(longest: float, attempt: int) -> None:
    assert 0 < Backoff(min(1e-9, longest), longest).ceiling(attempt) <= longest
