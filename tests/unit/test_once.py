"""Whether all is done, for who serves until then."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from woodenwaiter import pace
from woodenwaiter.housekeeper.once import Questions, is_nothing_left
from woodenwaiter.protocol.remains import Remains


class Worker(NamedTuple):
    running: int = 0
    owner: str = "a"


NOTHING = Remains(0, 0, is_delayed=False, is_paused=False)


@pytest.mark.parametrize(
    ("remains", "expected"),
    [
        ([], True),
        ([NOTHING], True),
        ([NOTHING, NOTHING._replace(waiting=1)], False),
        ([NOTHING._replace(claimed=1)], False),
        ([NOTHING._replace(is_delayed=True)], False),
        ([NOTHING._replace(waiting=1, is_delayed=True, is_paused=True)], True),
        ([NOTHING._replace(claimed=1, is_paused=True)], False),
    ],
)
def test_what_is_left(remains: list[Remains], expected: bool) -> None:
    assert is_nothing_left(remains) is expected


QUEUES = st.builds(Remains, st.integers(0, 2), st.integers(0, 2), st.booleans(), st.booleans())


@given(st.lists(QUEUES), QUEUES)
def test_another_queue_never_makes_an_end(queues: list[Remains], another: Remains) -> None:
    assert is_nothing_left([*queues, another]) <= is_nothing_left(queues)
    assert is_nothing_left([*queues, NOTHING]) == is_nothing_left(queues)


def test_nothing_is_asked_while_a_task_runs() -> None:
    questions = Questions()
    assert not questions.is_due([Worker(), Worker(7, "b")], 0.0)
    assert questions.is_due([Worker(), Worker(0, "b")], 0.0)


def test_it_is_asked_no_more_often_than_it_must_be_and_soon() -> None:
    questions = Questions()
    asked = [n for n in range(1000) if questions.is_due([Worker()], n / 100)]
    gaps = [later - earlier for earlier, later in pairwise(asked)]
    assert asked[0] == 0
    assert all(pace.ONCE * 100 - 1 <= gap <= pace.ONCE * 100 + 1 for gap in gaps)
    assert pace.ONCE + 2 * pace.LOOK < 1  # after the last task


def test_answer_stands_for_those_it_was_asked_about_alone() -> None:
    """Who came meanwhile may have claimed all that was left, before the server was asked."""
    questions = Questions()
    questions.is_due([Worker(), Worker(0, "b")], 0.0)
    assert questions.stand([Worker(0, "b"), Worker()])
    assert not questions.stand([Worker(), Worker(0, "b"), Worker(0, "c")])
    assert not questions.stand([Worker(), Worker(0, "b+1")])
