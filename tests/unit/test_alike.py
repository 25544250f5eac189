"""Which errors are alike."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from woodenwaiter.protocol.alike import NAME, group_of, pattern_of

ALIKE = [
    ("ValueError: no such colour: 'octarine'", "ValueError: no such colour: '…'"),
    ('ValueError: no such colour: "it\'s"', 'ValueError: no such colour: "…"'),
    ("KeyError: 'file'", "KeyError: '…'"),
    ("HTTPError: 503 after 1.25 s", "HTTPError: # after # s"),
    ("E: at 12:30:01, 1,204 rows", "E: at #, # rows"),
    ("E: user 5f1c8a2e-1b2c-4d3e-8f90-0123456789ab", "E: user #"),
    ("E: object at 0x7f3165ae6010", "E: object at #"),
    ("E: commit 516aa0f3", "E: commit #"),
    ("OSError: can't open 'x' or 'y'", "OSError: can't open '…' or '…'"),
    (
        "its worker (pid 4711) died of signal 9 (SIGKILL)",
        "its worker (pid #) died of signal # (SIGKILL)",
    ),
    ("app.v2.Error7: 7", "app.v2.Error7: #"),
    ("Error7", "Error7"),
    ("E: deceased facade", "E: deceased facade"),
    ("", ""),
]


@pytest.mark.parametrize(("text", "pattern"), ALIKE)
def test_what_errors_have_in_common(text: str, pattern: str) -> None:
    assert pattern_of(text) == pattern


def test_group_is_named_after_what_its_errors_have_in_common() -> None:
    reason = "the handler failed"
    assert group_of(reason, "E: no 'a' in 1") == group_of(reason, "E: no 'b' in 22")
    others = [("it died", "E: no 'a' in 1"), (reason, "F: no 'a' in 1"), (reason, "E: no 'a' of 1")]
    assert group_of(reason, "E: no 'a' in 1") not in [group_of(*other) for other in others]
    assert group_of(reason, "E: no 'a' in 1") == "ce10a2", "it stays in later releases"


@given(st.text(), st.text(st.characters(codec=None)))
def test_every_text_has_a_group(reason: str, error: str) -> None:
    escaped = error.encode(errors="backslashreplace").decode()
    assert NAME.fullmatch(group_of(reason.encode(errors="ignore").decode(), escaped))


@pytest.mark.parametrize("part", ["'", "a-", "0-", "1.", "'a", "\"'`", "f" * 9 + "-"])
def test_hostile_errors_take_no_time(part: str) -> None:
    began = time.monotonic()
    pattern_of("E: " + part * 1000)
    assert time.monotonic() - began < 0.5
