"""Whatever bytes a producer pushes are a task, or are buried whole."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from woodenwaiter.errors import BadEntry
from woodenwaiter.protocol.entry import RECORD_SEPARATOR, Entry, foods, load
from woodenwaiter.protocol.verdict import DeadLetter, Failure, Policy, Redeliver, judge
from woodenwaiter.worker.failures import failure_of
from woodenwaiter.worker.handling import delivery_of

from ..hostile import BURIED, HEADER, LARGE, TASKS, framed, payload_of


def outcome(raw: bytes) -> dict[str, Any] | DeadLetter:
    """What a worker makes of an entry."""
    try:
        task = foods(raw)
    except BadEntry as error:
        verdict = judge(raw, "host.1/7", failure_of(error), Policy(), "host.1")
        assert isinstance(verdict, DeadLetter)
        return verdict
    assert delivery_of(raw, "host.1/7", Policy()).number >= 1
    return task


def check_outcome(raw: bytes) -> None:
    result = outcome(raw)
    if isinstance(result, DeadLetter):
        assert raw[result.skip :] == payload_of(raw)
        assert result.fields["reason"] == b"unreadable entry"
        assert all(isinstance(value, bytes) for value in result.fields.values())
        assert len(result.fields["error"]) < 1000
        assert len(result.summary) < 2000
        assert result.summary.isprintable()
    else:
        assert type(result) is dict


@pytest.mark.parametrize("name", TASKS)
def test_tasks_are_handed_out(name: str) -> None:
    result = outcome(TASKS[name])
    assert isinstance(result, dict)
    assert result["name"] == name


@pytest.mark.parametrize("name", BURIED)
def test_what_is_no_task_is_buried_whole(name: str) -> None:
    assert isinstance(outcome(BURIED[name]), DeadLetter)
    check_outcome(BURIED[name])


@pytest.mark.parametrize("end", [b'"}', b'"]', b""])
def test_large_entries(end: bytes) -> None:
    check_outcome(b'{"a": "' + b"x" * LARGE + end)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
FORGED = st.dictionaries(st.sampled_from(sorted(HEADER)), JSON).map(lambda fields: HEADER | fields)
ENTRIES = st.one_of(
    st.binary(),
    JSON.map(lambda value: json.dumps(value).encode()),
    st.text().map(lambda text: text.encode(errors="surrogatepass")),
    st.binary().map(lambda rest: RECORD_SEPARATOR + rest),
    st.binary().map(framed),
    st.tuples(FORGED, st.binary()).map(
        lambda parts: RECORD_SEPARATOR + json.dumps(parts[0]).encode() + b"\n" + parts[1]
    ),
    st.tuples(st.just(framed(b"{}")), st.integers(0, 90), st.binary(max_size=3)).map(
        lambda parts: parts[0][: parts[1]] + parts[2] + parts[0][parts[1] :]
    ),
)


@given(ENTRIES)
def test_any_entry_is_a_task_or_is_buried_whole(raw: bytes) -> None:
    check_outcome(raw)


@given(ENTRIES, st.text(), st.integers(1, 4))
def test_any_entry_that_fails_stays_whole(raw: bytes, error: str, deliveries: int) -> None:
    """Also where its worker died of it, before it could be read."""
    policy = Policy(max_deliveries=deliveries)
    pushed, failure = payload_of(raw), Failure("its worker died", error, error)
    for _ in range(deliveries):
        verdict = judge(raw, "host.1/7", failure, policy, "host.1")
        if isinstance(verdict, DeadLetter):
            break
        assert isinstance(verdict, Redeliver)
        raw = verdict.header + raw[verdict.skip :]
        assert load(raw).payload == pushed
    assert isinstance(verdict, DeadLetter)
    assert raw[verdict.skip :] == pushed


def test_header_is_only_what_a_header_says() -> None:
    assert load(framed(b"{}")) == Entry(b"{}", **HEADER)  # type: ignore[arg-type]
