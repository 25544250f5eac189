"""Tables no wider than the terminal."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from woodenwaiter.commands.fitting import columns_of
from woodenwaiter.commands.table import Cell, Column, Look, drawn, name_column, text_column

TEXTS = [["web-1", "7", "a long story"], ["a-long-name", "12345", "x"]]
COLUMNS = (name_column("host"), Column("pid"), text_column("told"))


def table(
    columns: Sequence[Column],
    rows: Sequence[Sequence[str]],
    width: int = 0,
    *,
    colour: bool = False,
) -> list[str]:
    cells = [[*map(Cell, row)] for row in rows]
    return drawn(columns, cells, Look(width, is_coloured=colour))


def test_what_has_room_is_whole() -> None:
    whole = [
        "host           pid  told",
        "web-1            7  a long story",
        "a-long-name  12345  x",
    ]
    assert table(COLUMNS, TEXTS) == table(COLUMNS, TEXTS, 32) == whole


def test_gaps_are_narrow_before_anything_is_cut() -> None:
    assert table(COLUMNS, TEXTS, 30) == [
        "host          pid told",
        "web-1           7 a long story",
        "a-long-name 12345 x",
    ]


def test_texts_are_cut_the_widest_first() -> None:
    assert table(COLUMNS, TEXTS, 23) == [
        "host       pid told",
        "web-1        7 a long …",
        "a-lo…ame 12345 x",
    ]


SPARE = (
    name_column("queue"),
    Column("first", spare=1),
    Column("third", spare=3),
    Column("kept"),
    Column("second", spare=2),
)


@pytest.mark.parametrize(
    ("width", "titles"),
    [
        (80, "queue first third kept second"),
        (29, "queue first third kept second"),
        (28, "queue first kept second"),
        (23, "queue first kept second"),
        (22, "queue first kept"),
        (16, "queue first kept"),
        (15, "queue kept"),
        (1, "queue kept"),
    ],
)
def test_columns_are_left_out_the_most_spare_first(width: int, titles: str) -> None:
    title, _ = table(SPARE, [["t:d", "1", "2", "3", "4"]], width)
    assert " ".join(title.split()) == titles


def test_texts_have_some_room_before_columns_that_can_be_spared() -> None:
    columns = (name_column("queue", least=4), Column("spare", spare=1), Column("n"))
    assert table(columns, [["abcdefghij", "1", "2"]], 16) == [
        "queue    spare n",
        "abcd…hij     1 2",
    ]
    assert table(columns, [["abcdefghij", "1", "2"]], 15) == ["queue       n", "abcdefghij  2"]


def test_styles_take_no_room() -> None:
    columns = (name_column("queue"), Column("dead"))
    cells = [[Cell("t:d"), Cell("3", "red")], [Cell("t:e"), Cell("", "red")]]
    assert drawn(columns, cells, Look(80, is_coloured=True)) == [
        "\x1b[1mqueue\x1b[0m  \x1b[1mdead\x1b[0m",
        "t:d       \x1b[31m3\x1b[0m",
        "t:e",
    ]
    assert drawn(columns, cells, Look(80))[1] == "t:d       3"


cells = st.text(max_size=30)


@given(st.lists(st.tuples(cells, cells, cells, cells), max_size=5), st.integers(1, 200))
def test_is_no_wider_than_it_may_be(rows: list[tuple[str, str, str, str]], width: int) -> None:
    columns = (*COLUMNS, Column("spare", spare=1))
    numbers = [(a, b[:2], c, d) for a, b, c, d in rows]
    lines = table(columns, numbers, width)
    least = len("host") + 1 + 2 * len(r"\U00000000") + 1 + 2 * 6
    assert all(columns_of(line) <= max(width, least) for line in lines)
    assert all(line.isprintable() for line in lines)
    assert len(lines) == 1 + len(rows)
