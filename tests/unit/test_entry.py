"""The bytes in a queue: whatever a producer pushes is a task or a BadEntry, and nothing else."""

from __future__ import annotations

import json
import math
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from woodenwaiter.errors import BadEntry
from woodenwaiter.protocol.entry import (
    LONGEST_HEADER,
    MOST_DELIVERIES,
    RECORD_SEPARATOR,
    Entry,
    Suspicion,
    excerpt,
    foods,
    load,
    mark_of,
)

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
IDS = st.text(min_size=1).filter(str.isprintable)
FOODS = st.dictionaries(st.text(), JSON_VALUES)
HEADER = {"id": "host.1/1", "deliveries": 1, "first_failed": 1.5, "reason": "because"}


def framed(header: object, payload: bytes = b"{}") -> bytes:
    return RECORD_SEPARATOR + json.dumps(header).encode() + b"\n" + payload


@given(st.binary().filter(lambda raw: not raw.startswith(RECORD_SEPARATOR)))
def test_plain_bytes_are_an_entry_as_they_are(raw: bytes) -> None:
    assert load(raw) == Entry(raw)
    assert Entry(raw).dump() == raw


@given(
    st.builds(
        Entry,
        payload=st.binary(),
        id=IDS,
        deliveries=st.integers(1, MOST_DELIVERIES - 1),
        first_failed=st.floats(0, 1e11),
        reason=st.text(),
        suspicion=st.sampled_from(Suspicion),
    )
)
def test_redelivered_entry_keeps_header_and_payload(entry: Entry) -> None:
    assert load(entry.dump()) == entry


@given(st.text(), st.integers(1, 10**9), st.binary())
def test_suspect_stays_what_it_is_and_was_not_delivered(
    owner: str, number: int, payload: bytes
) -> None:
    before, after = mark_of(owner)
    entry = load(before + str(number).encode() + after + payload)
    assert (entry.payload, entry.deliveries) == (payload, 0)
    assert entry.id.endswith(f"/{number}")
    assert entry.suspicion == Suspicion.HELD
    assert load(entry.dump()) == entry


def test_version_1_0_0_takes_a_suspect_for_one_that_was_delivered_once() -> None:
    """It knows no header without deliveries."""
    header = json.loads(b"1".join(mark_of("host.1/1"))[1:])
    assert header["deliveries"] == 1


@given(FOODS)
def test_handler_gets_what_was_pushed_before_and_after_redelivery(pushed: dict[str, Any]) -> None:
    payload = json.dumps(pushed).encode()
    assert foods(payload) == pushed
    assert foods(Entry(payload, "host.1/1", 2, 1.0, "because").dump()) == pushed


@given(
    st.binary()
    | st.binary().map(lambda raw: RECORD_SEPARATOR + raw)
    | JSON_VALUES.map(framed)
    | st.fixed_dictionaries(dict.fromkeys(HEADER, JSON_VALUES)).map(framed)
)
def test_any_bytes_are_foods_or_a_bad_entry(raw: bytes) -> None:
    with suppress(BadEntry):
        assert type(foods(raw)) is dict


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b'{"n": 1} {}', "not JSON"),
        (b"\xff\xfe{}", "UTF-8"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b'{"n": ' + b"1" * 5000 + b"}", "not JSON"),
        (b"[" * 200_000, "nested too deeply"),
        (b"[1]", "a JSON list"),
        (b'"text"', "a JSON str"),
        (b"null", "a JSON NoneType"),
        (framed(HEADER, b"[]"), "a JSON list"),
        (RECORD_SEPARATOR + b"{}", "unreadable header"),
        (RECORD_SEPARATOR + json.dumps(HEADER).encode(), "unreadable header"),
        (RECORD_SEPARATOR + b"[" * 200_000 + b"\n{}", "unreadable header"),
        (framed([]), "unreadable header"),
        (framed(HEADER | {"more": "x" * LONGEST_HEADER}), "unreadable header"),
    ],
)
def test_says_what_is_wrong(raw: bytes, why: str) -> None:
    with pytest.raises(BadEntry, match=why):
        foods(raw)


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": ""},
        {"id": 7},
        {"id": "\ud800"},
        {"id": "two\nlines"},
        {"id": "x" * 10_000},
        {"deliveries": 0},
        {"deliveries": -1},
        {"deliveries": True},
        {"deliveries": 1.0},
        {"deliveries": MOST_DELIVERIES + 1},
        {"first_failed": "yesterday"},
        {"first_failed": True},
        {"first_failed": 10**400},
        {"first_failed": -1},
        {"first_failed": math.nan},
        {"first_failed": math.inf},
        {"reason": None},
    ],
)
def test_refuses_a_forged_header(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadEntry, match="unreadable header"):
        load(framed(HEADER | wrong))


@given(st.binary(max_size=300), st.integers(0, 200))
def test_excerpt_is_one_short_printable_line(payload: bytes, length: int) -> None:
    shown = excerpt(payload, length)
    assert shown.isprintable()
    assert shown.endswith("…") or len(payload) <= length


def test_excerpt_shows_readable_text_as_it_is() -> None:
    assert excerpt('{"dish": "Käse 🧀"}'.encode()) == '{"dish": "Käse 🧀"}'
    assert excerpt(b"a\nb\x00\xff") == r"a\nb\x00\xff"
    assert excerpt(b"abcdef", 3) == "abc…"
