"""What an exception from a handler means."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from woodenwaiter.worker.failures import (
    LONGEST_ERROR,
    LONGEST_TRACEBACK,
    failure_of,
    shortened,
)


class Mute(Exception):
    def __str__(self) -> str:
        raise KeyError("no text")


def test_exception_without_a_text_is_a_failure_like_any_other() -> None:
    failure = failure_of(Mute())
    assert failure.error == "Mute: (no message: its __str__ raised KeyError)"
    assert "Mute" in failure.traceback


def test_of_long_texts_both_ends_are_kept() -> None:
    failure = failure_of(ValueError("first" + "é" * 1_000_000 + "last"))
    for text, most in ((failure.error, LONGEST_ERROR), (failure.traceback, LONGEST_TRACEBACK)):
        assert most < len(text.encode()) < most + 100
        assert "bytes are left out" in text
        assert "first" in text
        assert text.rstrip().endswith("last")


@given(st.text(), st.integers(2, 20))
def test_what_is_short_enough_stays_as_it_is(text: str, most: int) -> None:
    assert (shortened(text, most) == text) == (len(text.encode(errors="backslashreplace")) <= most)
