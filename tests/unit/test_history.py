"""What minutes tell of a day."""

from __future__ import annotations

from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from woodenwaiter.protocol.history import Beat, Rates, Step, by_minute, by_step

STEP, MOST = 300, 12


def beat(time: float, came: int = 0, done: int = 0, waiting: int | None = None) -> Beat:
    return Beat(time, came, done, 0, 0, 0, waiting)


def told(steps: list[Step]) -> list[tuple[int | None, int | None]]:
    """What came, and what waited."""
    return [(step.sums and step.sums[0], step.waiting) for step in steps]


def test_nothing_was_noted() -> None:
    steps = by_step([], beat(10_000, 7, waiting=3), STEP, 3)
    assert steps == [Step(9300, None, None), Step(9600, None, None), Step(9900, None, 3)]


def test_sums_and_what_waited() -> None:
    minutes = [beat(1790, 9, waiting=5), beat(1210, 8, waiting=4), beat(890, 7), beat(350, 2)]
    steps = by_step(minutes, beat(2110, 11, waiting=6), STEP, 8)
    assert [step.start for step in steps] == [*range(0, 2400, 300)]
    none, unknown = (None, None), (0, None)
    assert told(steps) == [none, none, (5, None), unknown, (1, 4), (1, 5), (0, 5), (2, 6)]


def test_what_came_before_the_first_step_is_known() -> None:
    steps = by_step([beat(1000, 5, waiting=2)], beat(90_000, 9, waiting=1), STEP, 3)
    assert told(steps) == [(0, 2), (0, 2), (4, 1)]


def test_clock_or_sums_that_went_back_begin_anew() -> None:
    minutes = [beat(900, 3, waiting=3), beat(600, 2, waiting=2), beat(500, 9), beat(5000, 8)]
    assert told(by_step(minutes, beat(1000, 4, waiting=4), STEP, 4)) == [
        (None, None),
        (None, None),
        (None, 2),
        (2, 4),
    ]
    assert told(by_step(minutes, beat(1000, 1, waiting=4), STEP, 2)) == [(None, None), (None, 4)]


def test_notes_from_any_time_take_no_longer() -> None:
    minutes = [beat(1e15, 1), beat(0), beat(-1e15)]
    assert len(by_step(minutes, beat(1e9, 1), STEP, 288)) == 288


histories = st.lists(
    st.tuples(
        st.integers(1, 500), st.integers(0, 9), st.integers(0, 9), st.none() | st.integers(0, 9)
    ),
    max_size=30,
)


@given(histories, st.integers(0, 100_000))
def test_nothing_is_lost_or_told_twice(history: list[tuple[int, ...]], start: int) -> None:
    times = accumulate((gap for gap, *_ in history), initial=start)
    sums = accumulate(((came, done) for _, came, done, _ in history), _plus, initial=(0, 0))
    waiting = [None, *(last for *_, last in history)]
    beats = [beat(t, *s, w) for t, s, w in zip(times, sums, waiting, strict=True)]
    now = beats[-1]
    steps = by_step(beats[-2::-1], now, STEP, MOST)
    assert [step.start for step in steps][-1] == now.time // STEP * STEP
    assert len(steps) == MOST
    for number, step in enumerate(steps):
        seen = [each for each in beats if each.time < step.start + STEP]
        before = [each for each in beats if each.time < step.start]
        assert step.waiting == (seen[-1].waiting if seen else None)
        assert (step.sums is None) == (not before)
        if step.sums is not None:
            assert (
                step.sums[:2]
                == tuple(b - a for a, b in zip(before[-1].sums, seen[-1].sums, strict=True))[:2]
            ), number


def _plus(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    return one[0] + other[0], one[1] + other[1]


def test_minutes_are_steps_of_a_minute() -> None:
    minutes = [beat(150, 5, 3), beat(61, 2, 2)]
    assert by_minute(minutes, beat(200, 6, 3), 3) == [None, Rates(3, 1, 0, 0), Rates(1, 0, 0, 0)]
