"""Text on a terminal takes as much room as it has."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from woodenwaiter.commands.fitting import columns_of, fitted, fitted_name


@pytest.mark.parametrize(
    ("text", "columns"),
    [("", 0), ("abc", 3), ("é", 1), ("e\u0301", 1), ("桌子", 4), ("…", 1), ("ﾃ", 1)],
)
def test_columns_of_a_terminal(text: str, columns: int) -> None:
    assert columns_of(text) == columns


@given(st.text(alphabet="aé桌\u0301", max_size=30), st.integers(1, 20))
def test_fitted_text_has_room(text: str, columns: int) -> None:
    for fit in (fitted, fitted_name):
        shown = fit(text, columns)
        assert columns_of(shown) <= columns
        assert shown == text or "…" in shown
    if columns_of(text) <= columns:
        assert fitted(text, columns) == fitted_name(text, columns) == text


def test_names_are_cut_in_the_middle() -> None:
    assert fitted("abcdefghij", 5) == "abcd…"
    assert fitted_name("abcdefghij", 6) == "abc…ij"
    assert fitted_name("桌子桌子:桌子", 8) == "桌子…子"
