"""How long to wait before the next attempt."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from woodenwaiter.backoff import Backoff
from woodenwaiter.pace import RESPAWN
from woodenwaiter.supervisor.slots import respawn_delay

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


def test_first_early_death_is_forgiven() -> None:
    assert respawn_delay(0) == respawn_delay(1) == 0
    assert [respawn_delay(n) for n in (2, 3, 4)] == [0.1, 0.2, 0.4]
    assert respawn_delay(1_000_000) == RESPAWN.longest
