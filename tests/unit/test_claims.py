"""What a worker decides about its claims."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from woodenwaiter.pace import AHEAD, LONG
from woodenwaiter.worker.claims import MOST_AHEAD, next_want


@pytest.mark.parametrize(
    ("seconds_a_task", "want"), [(0.0, 256), (0.0001, 256), (0.001, 100), (0.01, 10), (0.5, 1)]
)
def test_as_many_as_fit(seconds_a_task: float, want: int) -> None:
    assert next_want(MOST_AHEAD, 1000, 1000 * seconds_a_task) == pytest.approx(want, abs=1)


def test_grows_step_by_step() -> None:
    assert [next_want(want, want, 0.0) for want in (1, 2, 100, 200)] == [2, 4, 200, 256]


def test_a_long_task_is_claimed_alone_or_with_one_other() -> None:
    assert next_want(MOST_AHEAD, 1, LONG) <= 2


@given(
    st.integers(1, MOST_AHEAD),
    st.integers(1, MOST_AHEAD),
    st.floats(0, 1e6, allow_subnormal=True),
)
def test_is_never_too_many(want: int, tasks: int, seconds: float) -> None:
    following = next_want(want, tasks, seconds)
    assert 1 <= following <= min(2 * want, MOST_AHEAD)
    assert following == 1 or following * seconds / tasks <= AHEAD * (1 + 1e-9)
