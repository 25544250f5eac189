"""What an exception from a handler means."""

from __future__ import annotations

from woodenwaiter.worker.failures import failure_of


class Mute(Exception):
    def __str__(self) -> str:
        raise KeyError("no text")


def test_exception_without_a_text_is_a_failure_like_any_other() -> None:
    failure = failure_of(Mute())
    assert failure.error == "Mute: (no message: its __str__ raised KeyError)"
    assert "Mute" in failure.traceback
