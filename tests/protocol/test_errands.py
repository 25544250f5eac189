"""What people ask of supervisors: taken once, in time, in bounds; whatever stands there."""

from __future__ import annotations

import json
import os
import threading
import time
from contextlib import closing
from typing import Any

import pytest

from woodenwaiter import pace
from woodenwaiter.protocol.errands import (
    AT_ONCE,
    MOST_ANSWERED,
    MOST_BYTES,
    MOST_WAITING,
    NO_ANSWER,
    Answer,
    Errand,
    answering,
    ask,
    asking,
    encoded,
    errands_in,
    glance,
    taking,
)
from woodenwaiter.protocol.keys import answer_key, errands_key
from woodenwaiter.protocol.link import Link
from woodenwaiter.protocol.urls import client_at

from ..support import Server, eventually

ID = "0" * 32
ERRAND = Errand(ID, "trace", {"queue": "t:\udcff\x1b"}, "me")


def taken(link: Link) -> list[Errand]:
    return [*errands_in(link.call(*taking("a/0")))]


def test_comes_as_it_was_asked_and_once(link: Link) -> None:
    assert link.call(*glance("a/0")) == 0
    for number in range(AT_ONCE + 1):
        link.call(*asking("a/0", ERRAND._replace(who=f"{number}")))
    assert link.call(*glance("a/0")) == AT_ONCE + 1
    assert [errand.who for errand in taken(link)] == [f"{number}" for number in range(AT_ONCE)]
    assert taken(link) == [ERRAND._replace(who=f"{AT_ONCE}")]
    assert taken(link) == []


def test_none_is_taken_after_its_time(link: Link, client: Any) -> None:
    link.call(*asking("a/0", ERRAND))
    key = errands_key("a/0")
    assert 0 < client.pttl(key) <= 1000 * pace.ERRAND_WAIT
    expiry, _, text = client.lindex(key, 0).partition(b" ")
    seconds, _ = client.time()
    assert 0 < int(expiry) - 1000 * seconds <= 1000 * (pace.ERRAND_WAIT + 1)
    client.lset(key, 0, b"%d %s" % (1000 * (seconds - 1), text))
    client.persist(key)
    assert taken(link) == []
    assert not client.exists(key)


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"version": None},
        {"id": "../x"},
        {"id": ID + "\n"},
        {"id": 1},
        {"verb": None},
        {"arguments": []},
        {"who": {}},
        {"who": "x" * MOST_BYTES},
    ],
    ids=lambda change: str(change)[:40],
)
def test_what_is_no_errand_is_passed_over(link: Link, client: Any, change: dict[str, Any]) -> None:
    text = json.dumps({"version": 1, **ERRAND._asdict()})
    others = json.dumps({"version": 1, **ERRAND._asdict(), **change})
    client.rpush(errands_key("a/0"), f"{10**15} {others}", f"{10**15} {text}")
    assert taken(link) == [ERRAND]


@pytest.mark.parametrize(
    "raw",
    ["", "[]", "1", "{", "[" * 4000, '"' + "x" * MOST_BYTES, b"\xff", '{"a":' * 800],
    ids=repr,
)
def test_what_is_no_json_is_passed_over(link: Link, client: Any, raw: str | bytes) -> None:
    text = raw if isinstance(raw, bytes) else raw.encode()
    client.rpush(errands_key("a/0"), text, b"%d %s" % (10**15, text), b"1e999 {}", b" {}")
    assert taken(link) == []
    assert not client.exists(errands_key("a/0"))


def test_too_much_is_not_left(link: Link, client: Any) -> None:
    client.rpush(errands_key("a/0"), *["x"] * MOST_WAITING)
    answers = ask(link, ["a/0"], "trace", {}, within=0)
    assert answers == {"a/0": Answer({}, "too much is asked of it already")}
    assert client.llen(errands_key("a/0")) == MOST_WAITING


def test_answers_come_and_others_do_not(server: Server, link: Link) -> None:
    told = Answer({"text": "x\udcff"}, "")

    def answer() -> None:
        with closing(Link(client_at(server.url), 10)) as own:
            [errand] = eventually(lambda: taken(own))
            assert (errand.verb, errand.arguments) == ("do", {"n": 1})
            assert errand.who.startswith(f"pid {os.getpid()} on ")
            own.call(*answering(errand, told))

    other = threading.Thread(target=answer)
    other.start()
    began = time.monotonic()
    answers = ask(link, ["a/0", "b/0"], "do", {"n": 1}, within=2)
    assert 2 <= time.monotonic() - began < 5
    assert answers == {"a/0": told, "b/0": Answer({}, NO_ANSWER)}
    other.join()


@pytest.mark.parametrize(
    "raw",
    [
        b"\xff",
        b"[]",
        b'{"version":2}',
        b'{"version":1,"told":[],"trouble":""}',
        b"{" + b" " * MOST_ANSWERED + b'"version":1,"told":{},"trouble":""}',
    ],
)
def test_answer_that_cannot_be_read(
    link: Link, client: Any, raw: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("secrets.token_hex", lambda _: ID)
    client.set(answer_key(ID), raw)
    answers = ask(link, ["a/0"], "do", {})
    assert answers == {"a/0": Answer({}, "its answer cannot be read")}


def test_answers_are_forgotten(link: Link, client: Any) -> None:
    link.call(*answering(ERRAND, Answer({})))
    assert 0 < client.pttl(answer_key(ID)) <= 1000 * pace.ANSWER_KEPT


def test_long_answers_are_cut_in_the_middle() -> None:
    short, long = "short", "begin" + "é\x00" * 300_000 + "end"
    raw = encoded(Answer({"traces": {"a": short, "b": long, "c": [long]}}))
    assert MOST_ANSWERED / 8 < len(raw) <= MOST_ANSWERED
    traces = json.loads(raw)["told"]["traces"]
    assert traces["a"] == short
    for text in (traces["b"], *traces["c"]):
        assert text.startswith("begin")
        assert text.endswith("end")
        assert f"{len(long):,} characters in all" in text


def test_answer_that_cannot_be_cut() -> None:
    raw = encoded(Answer({"numbers": [1] * MOST_ANSWERED}))
    assert json.loads(raw) == {"version": 1, "told": {}, "trouble": "its answer is too long"}
