"""Finding single tasks by their names."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from woodenwaiter.protocol import single
from woodenwaiter.protocol.entry import Entry
from woodenwaiter.protocol.history import Account
from woodenwaiter.protocol.link import Link
from woodenwaiter.protocol.looks import Place
from woodenwaiter.protocol.single import Found, find_task, settle

from ..counting import accounts

ARRIVALS, DELAYED, DEAD = "{t:d}:arrivals", "{t:d}:delayed", "{t:d}:dead"


def entry(name: str, payload: bytes = b"{}") -> bytes:
    return Entry(payload, name, 1, 1.0, "failed").dump()


def digest(payload: bytes) -> str:
    return "#" + hashlib.sha1(payload).hexdigest()[:12]


@pytest.mark.parametrize("name", ["h.1.ab/c/2", 'é"\\/1', "x" * 999])
def test_task_is_found_by_its_id(link: Link, client: Any, name: str) -> None:
    raw = entry(name)
    client.lpush("t:d", entry("other"), raw, json.dumps({"id": name}))
    assert find_task(link, "t:d", name) == Found(Place.WAITING, name, raw, name)
    client.delete("t:d")
    assert find_task(link, "t:d", name) is None
    client.lpush(ARRIVALS, raw)
    assert find_task(link, "t:d", name) == Found(Place.WAITING, name, raw, name)
    client.delete(ARRIVALS)
    client.zadd(DELAYED, {raw: 5, entry("other"): 9})
    assert find_task(link, "t:d", name) == Found(Place.DELAYED, name, raw, name)


def test_task_is_found_by_its_payload(link: Link, client: Any) -> None:
    payloads = [b"{}", b"\xff", b"", b'{"large": "' + b"x" * 100_000 + b'"}']
    client.lpush("t:d", *payloads[:2], b"[]")
    client.zadd(DELAYED, {entry("h/1", payloads[2]): 1, entry("h/2", payloads[3]): 2})
    for payload, place in zip(payloads, ["waiting"] * 2 + ["delayed"] * 2, strict=True):
        found = find_task(link, "t:d", digest(payload))
        assert found
        assert (found.place, found.raw and found.raw.endswith(payload)) == (Place(place), True)
    assert find_task(link, "t:d", digest(b"no")) is None


def test_dead_letter_is_found_by_its_name(link: Link, client: Any) -> None:
    client.xadd(DEAD, {"payload": "{}", "id": "h/1"}, id="5-1")
    client.xadd(DEAD, {"else": "{}"}, id="5-2")
    assert find_task(link, "t:d", "5-1") == Found(Place.DEAD, "5-1", b"{}", "h/1")
    assert find_task(link, "t:d", "5-2") == Found(Place.DEAD, "5-2", None, "5-2")
    assert find_task(link, "t:d", "5-3") is None
    assert find_task(link, "t:d", "h/1") is None


def test_headers_that_are_none_are_no_hindrance(link: Link, client: Any) -> None:
    forged = [b"\x1e", b"\x1e\n", b"\x1e[]\n{}", b"\x1e{\n", b'\x1e{"id": {}}\n', b"\x1e1\n", b""]
    client.lpush("t:d", entry("h/1"), *forged)
    found = find_task(link, "t:d", "h/1")
    assert found
    assert found.raw == entry("h/1")


def test_all_that_waits_is_looked_at(
    link: Link, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Portion by portion, also where that is one of many bytes."""
    client.lpush("t:d", entry("first"), *(b"%d" % n for n in range(3000)), entry("last"))
    for _ in range(2):
        for name in ("first", "last"):
            assert find_task(link, "t:d", name)
        assert find_task(link, "t:d", "none") is None
        monkeypatch.setattr(single, "ENOUGH_BYTES", 100)


def test_settled_task_is_counted_as_done(link: Link, client: Any) -> None:
    client.lpush("t:d", "a", "b", "a")
    client.lpush(ARRIVALS, "c")
    client.zadd(DELAYED, {"d": 1})
    assert [settle(link, "t:d", raw) for raw in (b"a", b"c", b"d", b"e")] == [True] * 3 + [False]
    assert client.lrange("t:d", 0, -1) == [b"a", b"b"], "of several the oldest one"
    assert client.exists(ARRIVALS, DELAYED) == 0
    [account] = accounts(link, ["t:d"])
    assert isinstance(account, Account)
    assert (account.pushed, account.now.done, account.waiting) == (5, 3, 2)
