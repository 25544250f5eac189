"""What is told of what was read."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from woodenwaiter.findings import trouble, warning
from woodenwaiter.protocol.ailments import Ailment
from woodenwaiter.protocol.history import Beat, Range, Rates, Summary
from woodenwaiter.protocol.hosts import Host
from woodenwaiter.protocol.overview import Overview
from woodenwaiter.protocol.pausing import Pause
from woodenwaiter.protocol.sizes import Sizes
from woodenwaiter.web.names import key_of, name_of
from woodenwaiter.web.redaction import Redaction
from woodenwaiter.web.views import letters
from woodenwaiter.web.views.troubles import Known, troubles

NONE = Redaction()


# Names.


@given(st.binary(max_size=30))
def test_every_name_of_a_queue_can_be_an_address(raw: bytes) -> None:
    name = raw.decode(errors="surrogateescape")
    assert key_of(name).isascii()
    assert not set("/?#& ") & set(key_of(name))
    assert name_of(key_of(name)) == name


# Troubles.


def overview(
    queue: str = "t:d", *, oldest: float = 0, rates: Rates | None = None, **sizes: Any
) -> Overview:
    usual = {"waiting": 0, "claimed": 0, "delayed": 0, "next_due": None, "dead": 0, "workers": 1}
    summary = Summary(Range(oldest, None) if oldest else None, rates, None, 0, 0, 0, 0, 0, 0)
    return Overview(Sizes(queue, **{**usual, **sizes}), summary, Beat(0, 0, 0, 0, 0, 0))


def known(*queues: Overview, **others: Any) -> Known:
    usual: dict[str, Any] = {
        "ailments": (),
        "findings": (),
        "served": (),
        "restarts": Counter(),
        "gone": (),
        "unreadable": (),
        "late": 300.0,
    }
    return Known({each.sizes.queue: each for each in queues}, **{**usual, **others})


def told(*queues: Overview, **others: Any) -> dict[str, Any]:
    [found] = troubles(known(*queues, **others))
    return found


def test_nothing_is_wrong() -> None:
    assert troubles(known(overview(waiting=3, claimed=1))) == []


def test_nobody_takes_tasks() -> None:
    found = told(overview("a:b", waiting=1, workers=0))
    assert found["grade"] == "trouble"
    assert found["text"] == "nobody takes tasks of"
    assert found["queues"] == [{"key": "a%3Ab", "name": "a:b"}]
    assert "supervisor" in found["remedy"]


def test_workers_that_do_not_stay_are_told_of_as_such() -> None:
    queues = [overview(name, waiting=1, workers=0) for name in ("a:b", "c:d")]
    found = troubles(known(*queues, served={"a:b"}))
    told = [(each["text"], each["queues"][0]["name"], each["verb"]) for each in found]
    assert told == [("no worker is up of", "a:b", "hosts"), ("nobody takes tasks of", "c:d", "")]


def test_paused_queue_can_be_resumed_there() -> None:
    assert told(overview(waiting=1, paused=Pause(None)))["verb"] == "resume"


def test_old_letters_are_a_link_away() -> None:
    assert told(overview(dead=1), ailments=[Ailment("t:d", 0, 0, 1e6)])["verb"] == "dead"


def test_tasks_that_wait_for_long_are_told_of_where_somebody_could_take_them() -> None:
    assert told(overview(waiting=1, oldest=301))["text"].startswith("tasks have waited for more")
    assert troubles(known(overview(waiting=1, oldest=299))) == []
    others = {"workers": 0}, {"paused": Pause(None)}
    for sizes in others:
        [found] = troubles(known(overview(waiting=1, oldest=301, **sizes)))
        assert "waited" not in found["text"]


@pytest.mark.parametrize(
    ("done", "failed", "is_told"), [(8, 2, True), (98, 2, False), (0, 0.5, False)]
)
def test_queue_that_fails(done: float, failed: float, is_told: bool) -> None:
    found = troubles(known(overview(rates=Rates(0, done, failed, 0))))
    assert [each["text"] for each in found] == [
        "of all deliveries, more than 10% fail in"
    ] * is_told


def test_workers_that_were_replaced() -> None:
    restarts = Counter({("t:d", "signalled"): 3, ("t:d", "max tasks"): 9, ("a:b", "exited"): 4})
    found = told(overview(), overview("a:b"), restarts=restarts)
    assert "signalled: 3" in found["text"]
    assert "max tasks" not in found["text"]
    assert [queue["name"] for queue in found["queues"]] == ["a:b", "t:d"]
    assert troubles(known(restarts=Counter({("t:d", "max tasks"): 9}))) == []


def test_host_that_is_gone() -> None:
    found = told(gone=[Host("h\x1b", 7, "1", 0, 0, 0)])
    assert (found["grade"], found["text"]) == (
        "trouble",
        "nothing is heard any more of h\\x1b, pid 7",
    )


def test_server_that_evicts_and_the_worst_comes_first() -> None:
    findings = [
        warning("memory", "full", "Add some"),
        trouble("eviction", "allkeys", "Set another"),
    ]
    grades = [each["grade"] for each in troubles(known(findings=findings))]
    assert grades == ["trouble", "warning"]


def test_many_queues_are_not_all_named() -> None:
    found = told(*(overview(f"q:{n}", waiting=1, workers=0) for n in range(100)))
    assert (len(found["queues"]), found["more"]) == (8, 92)


# Letters.


@given(st.text(st.characters(codec="utf-8")), st.integers(1, 20))
def test_parts_of_a_payload_are_the_payload(text: str, most: int) -> None:
    payload, shown, start = text.encode(), "", 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(letters, "PART", max(4, most))
        patch.setattr(letters, "escaped_lines", lambda text, margin: text)
        while start < len(payload):
            part = letters.part(payload, start)
            assert start < part["to"] <= start + max(4, most)
            shown, start = shown + part["text"], part["to"]
    assert shown == text


@given(st.binary(), st.integers(0, 30))
def test_parts_of_any_bytes_end(payload: bytes, start: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(letters, "PART", 4)
        part = letters.part(payload, start)
    assert part["to"] > start or start >= len(payload)


def whole(payload: bytes, **fields: bytes) -> dict[str, Any]:
    return letters.whole("t:d", "1-0", {"payload": payload, **fields}, "abc123", NONE)


def test_letter_is_told_whole() -> None:
    told = whole(b'{"a": [1, "\xc3\xa4"]}', error=b"E: 1", traceback=b"a\n  b\x1b[31m")
    assert (told["payload"], told["isJson"]) == ('{\n  "a": [\n    1,\n    "ä"\n  ]\n}', True)
    assert told["fields"] == [["error", "E: 1"], ["traceback", "a\n  b\\x1b[31m"]]
    assert json.loads(told["raw"]) == {"a": [1, "ä"]}


@pytest.mark.parametrize("payload", [b"\xff\x00", b"[" * 5000, b'"\\ud800', b"\xe2\x80\xae txt"])
def test_whatever_a_payload_is_it_is_fit_to_be_shown(payload: bytes) -> None:
    shown = whole(payload)["payload"]
    assert all(line.isprintable() for line in shown.split("\n"))


def test_large_payload_is_told_in_parts_and_is_not_edited() -> None:
    told = whole(b'{"a": "' + b"x" * 100_000 + b'"}')
    assert (told["whole"], told["to"], told["mayEdit"], told["raw"]) == (
        False,
        letters.PART,
        False,
        "",
    )
    assert len(told["payload"]) == letters.PART


def test_letter_with_hidden_values_is_not_edited() -> None:
    fields = {"payload": b'{"password": "hunter2secret"}', "error": b"no hunter2secret"}
    told = letters.whole("t:d", "1-0", fields, "abc123", Redaction(["password"]))
    assert (told["hidden"], told["mayEdit"]) == (True, False)
    assert "hunter" not in json.dumps(told)
