"""What becomes of a delivery that failed."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from woodenwaiter.backoff import Backoff
from woodenwaiter.protocol.entry import RECORD_SEPARATOR, Entry, load
from woodenwaiter.protocol.verdict import DeadLetter, Failure, Policy, Redeliver, judge

FAILURE = Failure("the handler failed", "ValueError: no", "Traceback …")
ONCE_FAILED = Entry(b"{}", "first/1", 1, 12.5, "earlier").dump()


def redeliver(raw: bytes, failure: Failure = FAILURE, policy: Policy | None = None) -> Redeliver:
    verdict = judge(raw, "host.1/7", failure, policy or Policy(), "host.1")
    assert isinstance(verdict, Redeliver)
    return verdict


def bury(raw: bytes, failure: Failure = FAILURE, policy: Policy | None = None) -> DeadLetter:
    verdict = judge(raw, "host.1/7", failure, policy or Policy(), "host.1")
    assert isinstance(verdict, DeadLetter)
    return verdict


def again(raw: bytes, verdict: Redeliver) -> bytes:
    """What the script makes of it."""
    return verdict.header + raw[verdict.skip :]


def test_first_failure_gives_the_task_a_header() -> None:
    raw = b'{"n": 1}'
    entry = load(again(raw, redeliver(raw)))
    assert entry.payload == b'{"n": 1}'
    assert (entry.id, entry.deliveries, entry.reason) == ("host.1/7", 1, "the handler failed")
    assert abs(entry.first_failed - time.time()) < 60


def test_later_failures_keep_the_id_and_the_time_of_the_first() -> None:
    entry = load(again(ONCE_FAILED, redeliver(ONCE_FAILED)))
    assert (entry.id, entry.deliveries, entry.first_failed) == ("first/1", 2, 12.5)


def test_every_task_has_its_deliveries_and_is_buried_then() -> None:
    policy = Policy(max_deliveries=3)
    raw = b'{"n": 1}'
    for _ in range(2):
        raw = again(raw, redeliver(raw, policy=policy))
    letter = bury(raw, policy=policy)
    fields = letter.fields
    assert fields["deliveries"] == b"3"
    assert fields["id"] == b"host.1/7"
    assert raw[letter.skip :] == b'{"n": 1}'
    assert fields["error"] == b"ValueError: no"
    assert fields["traceback"] == "Traceback …".encode()
    assert fields["worker"] == b"host.1"


@pytest.mark.parametrize("raw", [b"{}", ONCE_FAILED])
def test_final_failure_is_buried_at_once(raw: bytes) -> None:
    letter = bury(raw, Failure("rejected", "too old", final=True))
    assert raw[letter.skip :] == b"{}"
    assert letter.fields["reason"] == b"rejected"


@pytest.mark.parametrize("raw", [RECORD_SEPARATOR + b"{}\n{}", RECORD_SEPARATOR, b"\x1e[]"])
def test_entry_that_cannot_be_read_is_buried_whole(raw: bytes) -> None:
    letter = bury(raw)
    assert letter.skip == 0
    assert letter.fields["reason"] == b"unreadable entry"


def test_waits_as_the_backoff_or_the_handler_says() -> None:
    policy = Policy(5, Backoff(8, 8))
    assert 0 <= redeliver(b"{}", policy=policy).after <= 8
    assert redeliver(b"{}", Failure("retry", after=123.0), policy).after == 123
    assert redeliver(b"{}", Failure("retry", after=0), policy).after == 0


def test_summary_is_one_line_that_tells_it_all() -> None:
    summary = redeliver(b'{"n":\n1}', Failure("it failed", "why", after=2)).summary
    assert summary == r'task host.1/7: it failed: why; delivery 2 of 5 in 2.0 s: {"n":\n1}'
    summary = redeliver(b"{}", Failure("it failed", "why\nnot\x1b[31m", after=2)).summary
    assert summary == r"task host.1/7: it failed: why\nnot\x1b[31m; delivery 2 of 5 in 2.0 s: {}"
    summary = redeliver(ONCE_FAILED, Failure("it failed", after=2)).summary
    assert summary == "task first/1, claim host.1/7: it failed; delivery 3 of 5 in 2.0 s: {}"
    summary = bury(b"{}", Failure("rejected", final=True)).summary
    assert summary == "task host.1/7: rejected; buried: {}"


@given(st.binary() | st.binary().map(lambda raw: RECORD_SEPARATOR + raw), st.booleans())
def test_no_payload_is_lost_or_changed(raw: bytes, final: bool) -> None:
    verdict = judge(raw, "host.1/7", Failure("it failed", final=final), Policy(), "host.1")
    assert verdict.skip == 0
    if isinstance(verdict, Redeliver):
        assert load(again(raw, verdict)).payload == raw


def test_what_another_version_put_into_the_header_is_buried_too() -> None:
    raw = (
        RECORD_SEPARATOR
        + b'{"id": "a", "deliveries": 1, "first_failed": 1, "reason": "", "x": [1]}\n'
    )
    assert bury(raw, Failure("rejected", final=True)).fields["more"] == b'{"x": [1]}'
