"""What is thrown away, and what is had back."""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import redis

from woodenwaiter.protocol import trash
from woodenwaiter.protocol.history import Account
from woodenwaiter.protocol.keys import Keys
from woodenwaiter.protocol.link import Link
from woodenwaiter.protocol.putting import Input
from woodenwaiter.protocol.single import find_task, settle
from woodenwaiter.protocol.trash import Kind, Trash, discard, new_name, purge, restore, trashes_of

from ..counting import CountingQueue, accounts
from ..support import eventually
from ..topologies.cluster import Cluster

DELAYED, DEAD, ARRIVALS = "{t:d}:delayed", "{t:d}:dead", "{t:d}:arrivals"
TRASHES, TRASH = "{t:d}:trash", "{t:d}:trash:x"
TALLY = "{t:d}:tally"
A_DAY = 86400
ONE = "#" + hashlib.sha1(b'{"n": 1}').hexdigest()[:12]
"""The name of the task {"n": 1}."""


def entries(*numbers: int) -> list[bytes]:
    return [json.dumps({"n": n}).encode() for n in numbers]


def letters(client: Any, *numbers: int) -> list[str]:
    """Dead letters of these tasks: their names."""
    fields = [{b"id": f"a/{n}".encode(), b"payload": json.dumps({"n": n})} for n in numbers]
    return [client.xadd(DEAD, each).decode() for each in fields]


def dead(client: Any, key: str = DEAD) -> list[int]:
    """The tasks of the dead letters that there are."""
    return [json.loads(fields[b"payload"])["n"] for _, fields in client.xrange(key)]


def trashes(link: Link) -> list[Trash]:
    [found] = trashes_of(link, ["t:d"])
    assert not isinstance(found, Exception)
    return found


def restore_all(link: Link, name: str) -> int:
    number = 0
    while restored := restore(link, "t:d", name):
        number += restored.number
    return number


ACTS_ON = {
    "purge": ("t:d", TRASHES),
    "purge delayed": (DELAYED, TRASHES),
    "discard": (DEAD, TRASHES, TRASH),
    "restore": ("t:d", TRASHES),
}
"""Keys without which an act comes to nothing."""


def contents(client: Any) -> Counter[bytes]:
    """All entries and letters that there are, wherever they are."""
    found: Counter[bytes] = Counter()
    for key in ("t:d", ARRIVALS, DELAYED, DEAD, TRASH):
        kind = client.type(key)
        if kind == b"list":
            found.update(client.lrange(key, 0, -1))
        elif kind == b"zset":
            found.update(client.zrange(key, 0, -1))
        elif kind == b"stream":
            found.update(fields[b"payload"] for _, fields in client.xrange(key))
    return found


def account(link: Link) -> Account:
    [found] = accounts(link, ["t:d"])
    assert isinstance(found, Account)
    return found


# Dead letters.


def test_discarded_letters_are_in_the_trash(link: Link, client: Any) -> None:
    names = letters(client, 1, 2, 3, 4)
    assert discard(link, "t:d", "x", [names[2], "1-1", names[0]], "me") == 2
    assert discard(link, "t:d", "x", names[:2], "another") == 1
    assert (dead(client), dead(client, TRASH)) == ([4], [3, 1, 2])
    [there] = trashes(link)
    assert there.since == pytest.approx(time.time(), abs=60)
    assert there.left == pytest.approx(A_DAY, abs=60)
    told = (there.queue, there.name, there.kind, there.number, there.who)
    assert told == ("t:d", "x", Kind.LETTERS, 3, "me")
    assert client.ttl(TRASHES) == pytest.approx(A_DAY, abs=60)


def test_letters_that_are_not_there_make_no_trash(link: Link, client: Any) -> None:
    assert discard(link, "t:d", "x", ["1-1", "2-2"]) == discard(link, "t:d", "x", []) == 0
    assert client.keys("*") == []


def test_discarded_letters_come_back_as_they_were(link: Link, client: Any) -> None:
    odd = {b"payload": b"\xff\x00", "\udcff".encode(errors="surrogateescape"): b"", b"x": b"1"}
    names = [client.xadd(DEAD, odd).decode(), *letters(client, 2)]
    before = [fields for _, fields in client.xrange(DEAD)]
    assert discard(link, "t:d", "x", names) == 2
    client.xadd(DEAD, {"payload": "later"})
    assert restore(link, "t:d", "x") == (2, 0, Kind.LETTERS)
    assert [fields for _, fields in client.xrange(DEAD)][1:] == before
    assert client.keys("*") == [DEAD.encode()]


# Tasks.


def test_purged_tasks_come_back_in_front_in_their_order(link: Link, client: Any) -> None:
    client.lpush("t:d", *entries(3, 4, 5))
    client.lpush(ARRIVALS, *entries(1, 2))
    assert purge(link, "t:d", "x", Kind.TASKS, "me, or \udcff") == 5
    assert client.exists("t:d", ARRIVALS) == 0
    [there] = trashes(link)
    assert (there.kind, there.number, there.who) == (Kind.TASKS, 5, "me, or \udcff")
    client.lpush("t:d", *entries(7))
    client.lpush(ARRIVALS, *entries(6))
    assert restore(link, "t:d", "x") == (5, 0, Kind.TASKS)
    assert client.lrange("t:d", 0, -1) == entries(7, 6, 5, 4, 3, 2, 1)
    assert client.exists(TRASHES, TRASH, ARRIVALS) == 0


def test_what_was_delayed_is_delayed_again(link: Link, client: Any) -> None:
    client.zadd(DELAYED, {"a": 1, "b": 2, "c": 3e15})
    client.lpush("t:d", *entries(1))
    assert purge(link, "t:d", "x", Kind.DELAYED, "me") == 3
    assert (client.exists(DELAYED), client.llen("t:d")) == (0, 1)
    assert [(each.kind, each.number) for each in trashes(link)] == [(Kind.DELAYED, 3)]
    client.zadd(DELAYED, {"b": 5})  # the same bytes, once more
    assert restore(link, "t:d", "x") == (3, 0, Kind.DELAYED)
    assert client.zrange(DELAYED, 0, -1, withscores=True) == [(b"a", 1), (b"b", 5), (b"c", 3e15)]
    assert client.lrange("t:d", 0, -1) == [b"b", *entries(1)]
    assert client.exists(TRASHES, TRASH) == 0


@pytest.mark.parametrize("kind", [Kind.TASKS, Kind.DELAYED])
def test_nothing_is_purged_where_nothing_is(link: Link, client: Any, kind: Kind) -> None:
    assert purge(link, "t:d", "x", kind, "me") == 0
    assert client.keys("*") == []


def test_trash_takes_the_place_of_no_other(link: Link, client: Any) -> None:
    client.lpush("t:d", *entries(1))
    assert purge(link, "t:d", "x", Kind.TASKS, "me") == 1
    client.lpush("t:d", *entries(2))
    client.zadd(DELAYED, {"d": 1})
    assert purge(link, "t:d", "x", Kind.TASKS, "me") is None
    assert purge(link, "t:d", "x", Kind.DELAYED, "me") is None
    assert (client.lrange(TRASH, 0, -1), client.llen("t:d")) == (entries(1), 1)
    names = letters(client, 3)
    with pytest.raises(redis.ResponseError, match=r"WRONGTYPE|wrong kind"):
        discard(link, "t:d", "x", names)
    assert dead(client) == [3]


def test_million_tasks_are_purged_at_once(link: Link, client: Any) -> None:
    for _ in range(100):
        client.lpush("t:d", *[b"{}"] * 10_000)
    purge(link, "u:d", "x", Kind.TASKS, "me")  # the server has the script by now
    begun = time.monotonic()
    assert purge(link, "t:d", "x", Kind.TASKS, "me") == 1_000_000
    assert time.monotonic() - begun < 0.1


def test_restoring_takes_portions(link: Link, client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    client.lpush("t:d", *entries(*range(450)))
    purge(link, "t:d", "x", Kind.TASKS, "me")
    assert restore(link, "t:d", "x") == (200, 250, Kind.TASKS)
    assert client.lrange("t:d", 0, -1) == entries(*range(449, 249, -1))
    assert [there.number for there in trashes(link)] == [250]
    monkeypatch.setattr(trash, "ENOUGH_BYTES", 25)
    assert restore(link, "t:d", "x") == (3, 247, Kind.TASKS), "what is large is not too much"
    monkeypatch.undo()
    assert restore_all(link, "x") == 247
    assert client.lrange("t:d", 0, -1) == entries(*range(449, -1, -1))


def test_portions_of_letters_and_retries(
    link: Link, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trash, "AT_ONCE", 2)
    discard(link, "t:d", "x", letters(client, 1, 2, 3))
    client.zadd(DELAYED, {"a": 1, "b": 2, "c": 3})
    purge(link, "t:d", "y", Kind.DELAYED, "me")
    assert [restore(link, "t:d", "x") for _ in range(3)] == [
        (2, 1, Kind.LETTERS),
        (1, 0, Kind.LETTERS),
        None,
    ]
    assert restore(link, "t:d", "y") == (2, 1, Kind.DELAYED)
    assert client.zrange(DELAYED, 0, -1) == [b"a", b"b"]
    assert restore_all(link, "y") == 1
    assert client.exists(TRASHES) == 0


# For how long.


def test_trash_is_gone_after_a_day(link: Link, client: Any) -> None:
    client.lpush("t:d", *entries(1))
    purge(link, "t:d", "x", Kind.TASKS, "me")
    assert A_DAY - 60 < client.ttl(TRASH) <= client.ttl(TRASHES) <= A_DAY
    client.pexpire(TRASH, 50)
    eventually(lambda: not trashes(link), "its end")
    assert restore(link, "t:d", "x") is None
    client.lpush("t:d", *entries(2))
    purge(link, "t:d", "y", Kind.TASKS, "me")
    assert client.hkeys(TRASHES) == [b"y"], "what is gone has left the list"
    client.lpush("t:d", *entries(3))
    assert purge(link, "t:d", "x", Kind.TASKS, "me") == 1, "its name is free again"


@pytest.mark.parametrize("kind", Kind)
def test_trash_does_not_expire_while_it_is_restored(
    link: Link, client: Any, monkeypatch: pytest.MonkeyPatch, kind: Kind
) -> None:
    monkeypatch.setattr(trash, "AT_ONCE", 1)
    if kind is Kind.LETTERS:
        discard(link, "t:d", "x", letters(client, 1, 2))
    else:
        client.lpush("t:d", *entries(1, 2))
        client.zadd(DELAYED, {"a": 1, "b": 2})
        purge(link, "t:d", "x", kind, "me")
    for key in (TRASH, TRASHES):
        client.expire(key, 60)
    assert restore(link, "t:d", "x") == (1, 1, kind)
    for key in (TRASH, TRASHES):
        assert client.ttl(key) > A_DAY - 60


def test_list_is_kept_as_long_as_what_it_has(link: Link, client: Any) -> None:
    for name in "xy":
        client.lpush("t:d", *entries(1))
        purge(link, "t:d", name, Kind.TASKS, "me")
        client.expire(TRASHES, 60)
    discard(link, "t:d", "z", letters(client, 1))
    assert client.ttl(TRASHES) > A_DAY - 60
    assert {there.name for there in trashes(link)} == {*"xyz"}


# What somebody else has written.


@pytest.mark.parametrize("key", ["t:d", ARRIVALS, DELAYED, DEAD, TRASHES, TRASH])
@pytest.mark.parametrize("act", ["purge", "purge delayed", "discard", "restore"])
def test_keys_of_wrong_types_lose_nothing(link: Link, client: Any, key: str, act: str) -> None:
    """A script that meets one has moved nothing."""
    client.lpush("t:d", *entries(1, 2))
    client.zadd(DELAYED, {"a": 1})
    names = letters(client, 3, 4)
    if act == "restore":
        purge(link, "t:d", "x", Kind.TASKS, "me")
    client.delete(key)
    client.set(key, "text")
    before = contents(client)
    is_refused = False
    try:
        if act == "restore":
            restore_all(link, "x")
        elif act == "discard":
            discard(link, "t:d", "x", names)
        else:
            purge(link, "t:d", "x", Kind.DELAYED if " " in act else Kind.TASKS, "me")
    except redis.ResponseError:
        is_refused = True
    assert is_refused or key not in ACTS_ON[act]
    assert client.get(key) == b"text"
    assert contents(client) == before


def test_foreign_notes_do_not_show(link: Link, client: Any) -> None:
    client.hset(TRASHES, mapping={"a": "nonsense", "b": "1 others me", "c": "1 tasks me", "d": ""})
    client.set(TRASHES + ":c", "text")
    client.lpush(TRASHES + ":a", "1")
    assert trashes(link) == []
    assert [restore(link, "t:d", name) for name in "abd"] == [None] * 3


# What is counted.


def test_what_is_purged_is_counted_until_it_is_back(queue: CountingQueue, client: Any) -> None:
    client.lpush("t:d", *entries(1, 2, 3))
    client.zadd(DELAYED, {"a": 1})
    purge(queue.link, "t:d", "x", Kind.TASKS, "me")
    purge(queue.link, "t:d", "y", Kind.DELAYED, "me")
    now = account(queue.link)
    assert (now.pushed, now.purged, now.waiting, now.delayed) == (4, 4, 0, 0)
    restore_all(queue.link, "x")
    restore_all(queue.link, "y")
    now = account(queue.link)
    assert (now.pushed, now.purged, now.waiting, now.delayed) == (4, 0, 3, 1)


def test_letters_that_come_back_are_not_counted_again(link: Link, client: Any) -> None:
    client.hset(TALLY, mapping={"buried": 2})
    names = letters(client, 1, 2)
    before = account(link)
    discard(link, "t:d", "x", names)
    assert account(link)[4:6] == before[4:6]
    restore_all(link, "x")
    now = account(link)
    assert (now.pushed, now.now.buried, now.purged) == (2, 2, 0)


def test_names_are_short_and_differ() -> None:
    names = {new_name() for _ in range(1000)}
    assert len(names) > 990
    assert {len(name) for name in names} == {5}


@pytest.mark.xdist_group("links to a cluster")
def test_queues_on_all_nodes_have_trashes(tmp_path: Path) -> None:
    """And are put into, and looked through: what the scripts name lies in one slot."""
    cluster = Cluster(tmp_path)
    names = [*(f"{letter}:d" for letter in "abcdef"), "{g}:d", "h}:{d"]
    try:
        with closing(Link(cluster.client, timeout=5)) as link:
            for name in names:
                assert Input(name, entries(1, 2)).push(link, 0) == (2, 2)
                assert find_task(link, name, ONE)
                letter = link.call("XADD", Keys(name).dead, "*", "payload", "{}").decode()
                assert discard(link, name, "x", [letter]) == 1
                assert purge(link, name, "y", Kind.TASKS, "me") == 2
            found = trashes_of(link, names)
            kinds = [[each.kind for each in some] for some in found if isinstance(some, list)]
            assert kinds == [[Kind.LETTERS, Kind.TASKS]] * len(names)
            for name in names:
                assert restore(link, name, "x") == (1, 0, Kind.LETTERS)
                assert restore(link, name, "y") == (2, 0, Kind.TASKS)
                assert settle(link, name, entries(1)[0])
                assert link.call("LRANGE", name, 0, -1) == entries(2)
    finally:
        cluster.close()
