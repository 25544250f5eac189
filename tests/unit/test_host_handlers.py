"""What handlers are up to, on all hosts together, as far as their documents tell."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from woodenwaiter.protocol.handlers import Handlers, handlers_of
from woodenwaiter.protocol.hosts import MOST_NUMBER, VERSION, Crew, Host, encoded


def document(*crews: Crew, more: int = 0) -> bytes:
    return encoded(Host("h", 1, "1.0.0", 1.0, 1, 1, queues=crews, more_queues=more))


def forged(crews: Any, version: Any = VERSION) -> bytes:
    return json.dumps({"version": version, "queues": crews}).encode()


GOOD = document(Crew("t:d", 1, 1, running=1, times=(0, 2)), Crew("u:d", 1, 1))


def test_hosts_are_added() -> None:
    other = document(Crew("t:d", 1, 3, running=2, times=(1, 1, 0, 5)), Crew("x:x", 1, 1, running=9))
    assert handlers_of(["t:d", "u:d", "v:d"], [GOOD, other]) == {
        "t:d": Handlers(3, [1, 3, 0, 5]),
        "u:d": Handlers(0, []),
        "v:d": Handlers(0, []),
    }


def test_who_leaves_out_queues_leaves_open_how_many_run() -> None:
    assert handlers_of(["t:d", "v:d"], [document(more=1), GOOD]) == {
        "t:d": Handlers(None, [0, 2]),
        "v:d": Handlers(None, []),
    }


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff",
        b"[" * 50_000,
        b"[]",
        forged([{"queue": "t:d", "running": 1}], version=2),
        forged({}),
        forged([[]]),
        forged([{}]),
        forged([{"queue": []}]),
        forged([{"queue": "t:d", "running": -1}]),
        forged([{"queue": "t:d", "running": 1.5}]),
        forged([{"queue": "t:d", "running": True}]),
        forged([{"queue": "t:d", "running": MOST_NUMBER + 1}]),
        forged([{"queue": "t:d", "times": {}}]),
        forged([{"queue": "t:d", "times": [1, None]}]),
        forged([{"queue": "t:d", "times": [1, -1]}]),
    ],
    ids=lambda raw: raw[:60].decode(errors="replace"),
)
def test_what_cannot_be_read_tells_nothing(raw: bytes) -> None:
    assert handlers_of(["t:d"], [raw, GOOD]) == {"t:d": Handlers(1, [0, 2])}


@given(st.recursive(st.none() | st.text() | st.integers(), st.lists))
def test_nothing_that_is_there_does_harm(crews: Any) -> None:
    assert handlers_of(["t:d"], [forged(crews)])["t:d"].running == 0
