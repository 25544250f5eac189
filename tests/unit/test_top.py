"""What ``woodenwaiter top`` decides: order, pages, lines; and how often it looks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import count

import pytest

from woodenwaiter.commands.fitting import columns_of
from woodenwaiter.commands.table import Cell
from woodenwaiter.commands.top.grid import Column, apart, between, cropped, grid, short, spark
from woodenwaiter.commands.top.keys import KEYS
from woodenwaiter.commands.top.panes import shared_out
from woodenwaiter.commands.top.picture import picture
from woodenwaiter.commands.top.reader import Reader
from woodenwaiter.commands.top.rows import ORDERS, rows_of, total_of
from woodenwaiter.commands.top.sight import Sight, Wanted
from woodenwaiter.commands.top.view import View
from woodenwaiter.protocol.history import Range, Rates, Summary
from woodenwaiter.protocol.overview import Overview
from woodenwaiter.protocol.sizes import Sizes

from ..support import eventually


def overview(queue: str, waiting: int = 0, dead: int = 0, least: float = 0) -> Overview:
    oldest = Range(least, least + 5) if waiting else None
    rates = Rates(3, 2, 1, 0)
    sizes = Sizes(queue, waiting, 0, 0, None, dead, 2)
    return Overview(sizes, Summary(oldest, rates, None, 0, 0, 0, 0, 0, 0))


def sight(*overviews: Overview, **parts: object) -> Sight:
    seen = {each.sizes.queue: each for each in overviews}
    return Sight("redis://there", seen, at=100.0, **parts)  # type: ignore[arg-type]


SEEN = sight(
    overview("b:d", waiting=5, least=1),
    overview("a:d", waiting=5, least=60, dead=1),
    overview("C:d", waiting=9, least=2),
)

MANY = sight(*(overview(f"t:{n:03}") for n in range(100)))


def text_of(lines: object) -> list[str]:
    return ["".join(cell.text for cell in line) for line in lines]  # type: ignore[attr-defined]


def drawn(view: View, seen: Sight = SEEN, width: int = 80, height: int = 24) -> list[str]:
    return text_of(picture(view, seen, width, height, now=100.0).lines)


# Which, in which order.


@pytest.mark.parametrize(
    ("order", "names"),
    [
        ("waiting", ["C:d", "a:d", "b:d"]),
        ("oldest", ["a:d", "C:d", "b:d"]),
        ("dead", ["a:d", "C:d", "b:d"]),
        ("name", ["C:d", "a:d", "b:d"]),
    ],
)
def test_the_largest_comes_first_and_of_equals_the_first_name(order: str, names: list[str]) -> None:
    assert [row.queue for row in rows_of(SEEN, order)] == names


def test_rows_have_a_text_in_whatever_case() -> None:
    assert [row.queue for row in rows_of(SEEN, "name", "c:")] == ["C:d"]


def test_orders_go_round() -> None:
    view = View()
    seen = [view.order]
    for _ in ORDERS:
        view.sort(1)
        seen.append(view.order)
    assert seen[0] == seen[-1]
    assert {*seen} == {*ORDERS}
    view.sort(-1)
    assert view.order == seen[-2]


def test_total_has_the_oldest_of_all() -> None:
    total = total_of(rows_of(SEEN, "name"), "all")
    assert (total.waiting, total.dead, total.workers) == (19, 1, 6)
    assert total.oldest == Range(60, 65)
    assert total.rates == Rates(9, 6, 3, 0)
    assert total_of([], "none").oldest is None


# What is selected.


def test_selected_queue_stays_selected_where_others_overtake_it() -> None:
    view = View()
    view.move(rows_of(SEEN, "waiting"), 1)
    assert view.selected == "a:d"
    assert view.place(rows_of(SEEN, "oldest")) == 0


def test_selected_queue_is_visible_wherever_it_is() -> None:
    view, rows = View(), rows_of(MANY, "name")
    for by in (1, 30, -5, 1000, -1, -1000, 7, 0):
        view.move(rows, by)
        shown = view.visible(rows, 10)
        assert len(shown) == 10
        assert view.selected in [row.queue for row in shown]
    assert len(view.visible(rows[:3], 10)) == 3
    assert view.visible([], 10) == []
    view.move([], 1)


def test_keys_are_those_of_the_screen() -> None:
    pytest.importorskip("textual", reason="textual is not installed")
    from woodenwaiter.commands.top.screen import Top

    for key in KEYS:
        assert hasattr(Top, f"action_{key.action.partition('(')[0]}"), key
    pressed = [name for key in KEYS for name in key.keys.split(",")]
    assert len(pressed) == len({*pressed})


# Lines.


@pytest.mark.parametrize("pane", ["", "queue", "hosts", "running", "help"])
@pytest.mark.parametrize("size", [(80, 24), (200, 60), (40, 10), (1, 1)])
def test_no_line_is_wider_than_the_screen(pane: str, size: tuple[int, int]) -> None:
    names = ["長い" * 30 + ":d", "\x1b[31m:d", "[red]t[/]:d", "t:" + "x" * 200]
    seen = sight(*(overview(name, 12345678) for name in names), troubles=["長い trouble " * 50])
    lines = drawn(View(selected=names[0], pane=pane), seen, *size)
    assert max(map(columns_of, lines)) <= size[0]
    assert "".join(lines).isprintable()
    if size[1] >= 24:
        assert len(lines) == size[1]


def test_essential_columns_fit_80() -> None:
    lines = drawn(View(), sight(overview("images:resize", 123456, 3, least=100)))
    titles = "queue waits oldest run delay dead in/m done/m fail/m last hour"
    assert " ".join(lines[1].split()) == titles
    assert "images:resize" in lines[3]
    assert " 123k " in lines[3]
    assert f"100{RANGE}105 s" in lines[3]


RANGE = "\N{EN DASH}"


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (None, "-"),
        (Range(0, None), "?"),
        (Range(0, 3), "≤ 3 s"),
        (Range(41, 46), f"41{RANGE}46 s"),
        (Range(200, None), "≥ 3 min"),
        (Range(600, 610), f"10{RANGE}11 min"),
        (Range(110, 180), f"1{RANGE}3 min"),
    ],
)
def test_ranges_are_short(found: Range | None, told: str) -> None:
    assert between(found) == told
    assert len(told) <= 9


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (0, "0"),
        (0.4, "0.4"),
        (12.3, "12"),
        (99_999, "99999"),
        (123_456, "123k"),
        (999_000, "999k"),
        (1_234_567, "1.2M"),
        (123_456_789, "123M"),
        (5e9, "5G"),
    ],
)
def test_numbers_are_short(number: float, told: str) -> None:
    assert short(number) == told


def test_bars_tell_little_from_nothing_and_nothing_from_unknown() -> None:
    assert spark([None, 0, 1, 500, 1000], 5) == " ▁▂▅█"
    assert spark([0, 0], 2) == "▁▁"
    assert spark([1, 3, None, None, 4, 4], 3) == "▅ █"
    assert spark([7], 10) == "█"
    assert spark([], 3) == "   "


def test_tables_cut_the_widest_text_first() -> None:
    columns = [Column("queue", is_text=True), Column("host", is_text=True), Column("n", least=3)]
    lines = text_of(grid(columns, [[Cell("q" * 50), Cell("h" * 12), Cell("7")]], 40))
    assert [len(line) for line in lines] == [40, 40]
    assert "h" * 12 in lines[1]
    assert "…" in lines[1]


def test_what_stands_apart_and_what_is_cropped() -> None:
    assert text_of([apart([Cell("a")], [Cell("b")], 5)]) == ["a   b"]
    assert text_of([cropped([Cell("abc"), Cell("def"), Cell("g")], 5)]) == ["abcd…"]


@pytest.mark.parametrize(
    ("counts", "room", "shares"),
    [
        ([10, 0, 10], 6, [3, 0, 3]),
        ([1, 10, 1], 6, [1, 4, 1]),
        ([1, 1, 1], 6, [1, 1, 1]),
        ([5, 5, 5], 0, [0, 0, 0]),
        ([5, 5, 5], 2, [1, 1, 0]),
    ],
)
def test_room_that_one_does_not_need_others_get(
    counts: list[int], room: int, shares: list[int]
) -> None:
    assert shared_out(counts, room) == shares


def test_old_sight_says_so() -> None:
    view = View(seconds=2)
    assert "ago" not in drawn(view)[0]
    late = text_of(picture(view, SEEN, 80, 24, now=112.0).lines)
    assert late[0].endswith("as of 12 s ago")


def test_long_pane_is_scrolled_to_its_end_and_no_further() -> None:
    view = View(pane="help", scrolled=1000)
    last = drawn(view, height=14)[-2]
    assert last.startswith("q ")
    assert view.scrolled < len(KEYS)


# How often it looks.


@pytest.fixture
def readers() -> Iterator[list[Reader]]:
    made: list[Reader] = []
    yield made
    for reader in made:
        reader.stop()


def test_keys_bring_no_more_than_every_other_look_forward(readers: list[Reader]) -> None:
    looks: list[float] = []
    reader = Reader(lambda _: Sight("there"), 0.2)
    readers.append(reader)
    began = time.monotonic()
    reader.start(lambda _: looks.append(time.monotonic() - began))
    for _ in count():
        reader.hurry()
        if len(looks) >= 7:
            break
        time.sleep(0.001)
    assert looks[6] > 3 * 0.2


def test_a_key_brings_a_look_forward(readers: list[Reader]) -> None:
    looks: list[Wanted] = []

    def look(wanted: Wanted) -> Sight:
        looks.append(wanted)
        return Sight("there")

    reader = Reader(look, 1000)
    readers.append(reader)
    reader.start(lambda _: None)
    reader.wanted = Wanted(opened="t:d")
    reader.hurry()
    eventually(lambda: looks == [Wanted(opened="t:d")])
