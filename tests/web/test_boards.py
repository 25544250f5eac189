"""What viewers are told: whoever has taken all news knows what is so, and nothing else."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from woodenwaiter.web.boards import Board

NAMES = st.sampled_from("abc")
VALUES = st.integers(0, 2)
STEPS = st.one_of(
    st.dictionaries(NAMES, VALUES),
    st.tuples(NAMES, st.none() | VALUES),
    st.sampled_from(["take", "complain"]),
)


class Viewer:
    """Knows what it was told."""

    def __init__(self) -> None:
        self.version = 0
        self.parts: dict[str, Any] = {}

    def take(self, board: Board) -> None:
        news = board.since(self.version)
        if news.is_full:
            self.parts.clear()
        for name in news.gone:
            self.parts.pop(name, None)
        self.parts.update({name: json.loads(text) for name, text in news.parts.items()})
        self.version = news.version


@given(st.lists(STEPS, max_size=30), st.integers(0, 3))
def test_viewers_know_what_is_up(steps: list[Any], most_gone: int) -> None:
    board, truth = Board(), dict[str, Any]()
    board.MOST_GONE = most_gone
    quick, slow = Viewer(), Viewer()
    for step in steps:
        if step == "take":
            slow.take(board)
        elif step == "complain":
            board.complain("no answer")
        elif isinstance(step, dict):
            truth = step
            board.put_up(step, 1.0)
        else:
            name, value = step
            truth = {n: v for n, v in {**truth, name: value}.items() if v is not None}
            board.put(name, value)
        quick.take(board)
        assert quick.parts == truth
    slow.take(board)
    assert slow.parts == truth


def test_what_is_as_it_was_is_not_told_again() -> None:
    board = Board()
    board.put_up({"a": 1, "b": 1}, 1.0)
    version = board.since(0).version
    board.put_up({"a": 1, "b": 2}, 2.0)
    assert board.since(version).parts == {"b": "2"}
    assert not board.since(version).is_full


def test_trouble_leaves_all_as_it_was() -> None:
    board = Board()
    board.put_up({"a": 1}, 1.0)
    board.complain("no answer")
    assert (board.trouble, dict(board.since(0).parts)) == ("no answer", {"a": "1"})
    board.put_up({"a": 1}, 1.0)
    assert not board.trouble


def test_who_watches_is_woken_until_they_leave() -> None:
    board, woken = Board(), []
    board.watch("me", lambda: woken.append(1))
    board.put("a", 1)
    board.leave("me")
    board.put("a", 2)
    assert (len(woken), board.viewers) == (1, 0)
