"""Tables no wider than the terminal."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from woodenwaiter.commands.columns import GAP, NARROWEST, cut, lined_up, span

ROWS = [["host", "pid", "told"], ["web-1", "7", "a long story"], ["a-long-name", "12345", "x"]]


def test_what_has_room_is_whole() -> None:
    assert [*lined_up(ROWS, {"host", "told"}, math.inf)] == [
        "host           pid  told",
        "web-1            7  a long story",
        "a-long-name  12345  x",
    ]


def test_texts_are_cut_the_widest_first() -> None:
    assert [*lined_up(ROWS, {"host", "told"}, 25)] == [
        "host        pid  told",
        "web-1         7  a long …",
        "a-long-…  12345  x",
    ]


cells = st.text(max_size=30)


@given(st.lists(st.tuples(cells, cells, cells), max_size=5), st.integers(0, 200))
def test_is_no_wider_than_it_may_be(rows: list[tuple[str, str, str]], width: int) -> None:
    table = [("host", "n", "told"), *((a, b[:2], c) for a, b, c in rows)]
    lines = [*lined_up(table, {"host", "told"}, width)]
    least = 2 * NARROWEST + 2 * len(GAP) + max(len(ascii(row[1])) for row in table) * 5
    assert all(len(line) <= max(width, least) for line in lines)
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "0.0 s"),
        (9.94, "9.9 s"),
        (10, "10 s"),
        (599, "599 s"),
        (600, "10 min"),
        (35999, "600 min"),
        (36000, "10 h"),
        (863999, "240 h"),
        (864000, "10 d"),
    ],
)
def test_span(seconds: float, told: str) -> None:
    assert span(seconds) == told


def test_cut() -> None:
    assert [cut("abc", 3), cut("abcd", 3)] == ["abc", "ab…"]
