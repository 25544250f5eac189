"""What an exception from a handler means."""

from __future__ import annotations

from woodenwaiter.worker.failures import (
    LONGEST_ERROR,
    LONGEST_TRACEBACK,
    failure_of,
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
        assert "characters in all" in text
        assert "first" in text
        assert text.rstrip().endswith("last")
