"""What came from outside is shown as text and as nothing else."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from woodenwaiter.text import (
    escaped,
    escaped_json,
    escaped_lines,
    listed,
    shortened,
    span,
    span_between,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb\r\tc\0", r"a\nb\r\tc\x00"),
        ("\x1b[31mred\x07", r"\x1b[31mred\x07"),
        ("\x9b31m\x85\x7f", r"\x9b31m\x85\x7f"),
        ("a\u2028b\u2029c", r"a\u2028b\u2029c"),
        ("\u202egpj.exe\u2066\u200f", r"\u202egpj.exe\u2066\u200f"),
        ("\ud800 \udcff", r"\ud800 \udcff"),
        ("\U000e0041", r"\U000e0041"),
    ],
)
def test_what_is_no_text_is_escaped(text: str, shown: str) -> None:
    assert escaped(text) == shown


@pytest.mark.parametrize(
    "text",
    ["plain, \\ and \"'", "Käse, 桌子盘子", "🍽👩🏽🚀", "می رود", "e\u0301"],
)
def test_readable_text_stays_as_it_is(text: str) -> None:
    assert escaped(text) == text


def test_no_character_is_forgotten() -> None:
    everything = "".join(map(chr, range(0x110000)))
    assert escaped(everything).isprintable()
    assert escaped_json(json.dumps(everything, ensure_ascii=False)).isprintable()


@given(st.text())
def test_json_says_the_same(text: str) -> None:
    shown = escaped_json(json.dumps(text, ensure_ascii=False))
    assert json.loads(shown) == text
    assert shown.isprintable()


@given(st.text())
def test_all_lines_but_the_first_stand_behind_a_margin(text: str) -> None:
    first, *others = escaped_lines(text).splitlines() or [""]
    assert first == escaped(text.partition("\n")[0])
    assert all(line.startswith("    ") for line in others)
    assert len(others) == text.count("\n")


@given(st.text(), st.integers(2, 40))
def test_long_text_has_its_beginning_and_its_end(text: str, most: int) -> None:
    size = len(text.encode(errors="backslashreplace"))
    shown = shortened(text, most)
    if size <= most:
        assert shown == text
    else:
        head, _, tail = shown.partition(f" [… {len(text):,} characters in all …] ")
        assert len((head + tail).encode()) <= most


def test_long_text_is_cut_in_bytes() -> None:
    assert shortened("abcdefghij", 4) == "ab [… 10 characters in all …] ij"
    assert shortened("é" * 9, 6) == "é [… 9 characters in all …] é"


def test_many_names_are_some_and_a_number() -> None:
    assert listed(["b", "a"]) == "a, b"
    assert listed(list("87654321")) == "1, 2, 3, 4, 5, 6, 7, 8"
    assert listed(list("987654321")) == "1, 2, 3, 4, 5, 6, 7, 8, … (9 in all)"


@pytest.mark.parametrize("part", ["x", "é", "桌", "\x1b", "桌\x1b", "桌\u2028"])
def test_it_takes_no_time(part: str) -> None:
    text = part * 100_000
    began = time.process_time()
    escaped(text)
    shortened(text, 1000)
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0.0 s"),
        (1.26, "1.3 s"),
        (59.6, "60 s"),
        (119, "119 s"),
        (120, "2.0 min"),
        (596, "9.9 min"),
        (597, "10 min"),
        (7200, "2.0 h"),
        (86400 * 12.3, "12 d"),
    ],
)
def test_spans(seconds: float, said: str) -> None:
    assert span(seconds) == said


@pytest.mark.parametrize(
    ("least", "most", "said"),
    [
        (41.7, 45.2, "41-46 s"),
        (0, 4.3, "≤ 5 s"),
        (0.9, 4.3, "≤ 5 s"),
        (50, 240, "≤ 4 min"),
        (61, 240, "1-4 min"),
        (120, 120, "2 min"),
        (3.2, None, "≥ 3 s"),
        (190, None, "≥ 3 min"),
        (0, None, "≥ 0 s"),
        (86400 * 2, 86400 * 3.5, "2-4 d"),
    ],
)
def test_spans_that_nobody_knows_exactly(least: float, most: float | None, said: str) -> None:
    assert span_between(least, most) == said.replace("-", "\N{EN DASH}")
