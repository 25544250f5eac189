"""Verbs that are interrupted at any request and repeated do what they do at once; and so do two
operators at a time."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import count, product
from threading import Barrier
from typing import Any

import pytest
import redis

from woodenwaiter.errors import StartupError
from woodenwaiter.protocol import putting, trash
from woodenwaiter.protocol.link import Link
from woodenwaiter.protocol.looks import Place
from woodenwaiter.protocol.single import find_task
from woodenwaiter.protocol.trash import Kind, trashes_of
from woodenwaiter.verbs.desk import Desk
from woodenwaiter.verbs.foreground import settle_task
from woodenwaiter.verbs.putting import Put, put
from woodenwaiter.verbs.trash import purge, restore

from ..interrupted import InterruptedLink

DELAYED, DEAD, TALLY = "{t:d}:delayed", "{t:d}:dead", "{t:d}:tally"
NUMBER = 10
TASKS = [json.dumps({"n": n}).encode() for n in range(NUMBER)]
ERRORS = (redis.ConnectionError("lost"), KeyboardInterrupt())

Act = Callable[[Link], None]


@pytest.fixture(autouse=True)
def small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (trash, putting):
        monkeypatch.setattr(module, "AT_ONCE", 3)


def desk(link: Link) -> Desk:
    return Desk(link, "me", "here")


def take_all(steps: Iterator[Any]) -> Any:
    last = None
    for step in steps:
        last = step
    return last


def state(client: Any) -> dict[str, Any]:
    """All that there is, but for the names of trashes."""
    thrown: list[Any] = []
    with closing(Link(client, 10)) as link:
        [found] = trashes_of(link, ["t:d"])
    assert not isinstance(found, Exception)
    for each in sorted(found, key=lambda each: each.kind.value):
        key = f"{{t:d}}:trash:{each.name}"
        if each.kind is Kind.TASKS:
            thrown += client.lrange(key, 0, -1)
        elif each.kind is Kind.DELAYED:
            thrown += client.zrange(key, 0, -1)
        else:
            thrown += [fields for _, fields in client.xrange(key)]
    return {
        "waiting": client.lrange("t:d", 0, -1),
        "delayed": client.zrange(DELAYED, 0, -1),
        "dead": [fields for _, fields in client.xrange(DEAD)],
        "thrown": thrown,
        "tally": {name: n for name, n in client.hgetall(TALLY).items() if n != b"0"},
        "keys": len(client.keys("{t:d}:put:*")),
    }


def check_every_interruption(client: Any, prepare: Callable[[], None], act: Act) -> None:
    client.flushdb()
    prepare()
    with closing(Link(client, 10)) as link:
        act(link)
        expected = state(client)
        for is_sent, error in product((False, True), ERRORS):
            for at in count(1):
                client.flushdb()
                prepare()
                with closing(InterruptedLink(client, at, error, is_sent=is_sent)) as broken:
                    try:
                        act(broken)
                    except type(error):
                        act(link)
                assert state(client) == expected, (at, is_sent, error)
                if broken.asked < at:
                    assert at > 2
                    break


def test_purge(client: Any) -> None:
    def prepare() -> None:
        client.lpush("t:d", *TASKS)
        client.zadd(DELAYED, {"a": 1, "b": 2})

    def act(link: Link) -> None:
        purge(desk(link), "t:d")
        purge(desk(link), "t:d", Kind.DELAYED)

    check_every_interruption(client, prepare, act)


@pytest.mark.parametrize("kind", Kind)
def test_restore(client: Any, kind: Kind) -> None:
    def prepare() -> None:
        client.lpush("t:d", *TASKS)
        client.zadd(DELAYED, {b"\x1e" + task: n for n, task in enumerate(TASKS)})
        letters = [client.xadd(DEAD, {"payload": task}) for task in TASKS]
        with closing(Link(client, 10)) as link:
            if kind is Kind.LETTERS:
                trash.discard(link, "t:d", "x", letters)
            else:
                trash.purge(link, "t:d", "x", kind, "me")
        client.lpush("t:d", "{}")

    check_every_interruption(
        client, prepare, lambda link: take_all(restore(desk(link), "t:d", "x"))
    )


def test_discard(client: Any) -> None:
    names = [f"{n}-1" for n in range(1, NUMBER)]

    def prepare() -> None:
        for name in names:
            client.xadd(DEAD, {"payload": name}, id=name)

    def act(link: Link) -> None:
        for start in range(0, NUMBER, 3):
            trash.discard(link, "t:d", "x", names[start : start + 3])

    check_every_interruption(client, prepare, act)


def test_put(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """But once all is known to be in, the same again is another input."""
    monkeypatch.setattr(putting, "PATIENCE", 0)
    told: list[Put] = []

    def act(link: Link) -> None:
        if told and told[-1].inside == NUMBER:
            return
        for step in put(desk(link), "t:d", TASKS):
            told.append(step)
        told.clear()

    def prepare() -> None:
        told.clear()
        client.lpush("t:d", "{}")

    def act_and_forget(link: Link) -> None:
        act(link)
        for key in client.keys("{t:d}:put:*"):  # where the last request of all was lost
            assert client.get(key).startswith(b"%d " % NUMBER)
            client.delete(key)

    check_every_interruption(client, prepare, act_and_forget)


@pytest.mark.parametrize("place", Place)
def test_settling_what_was_run(client: Any, place: Place) -> None:
    name = {Place.WAITING: "w/1", Place.DELAYED: "d/1", Place.DEAD: "5-1"}[place]
    header = b'\x1e{"id": "%s", "deliveries": 1, "first_failed": 1, "reason": ""}\n{}'

    def prepare() -> None:
        client.lpush("t:d", *TASKS[:3], header % b"w/1", *TASKS[3:])
        client.zadd(DELAYED, {header % b"d/1": 1, header % b"d/2": 2})
        client.xadd(DEAD, {"payload": "{}"}, id="5-1")

    def act(link: Link) -> None:
        if task := find_task(link, "t:d", name):
            assert task.place is place
            settle_task(desk(link), "t:d", task)

    check_every_interruption(client, prepare, act)


# Two at once.


def both(client: Any, act: Callable[[Link], Any]) -> list[Any]:
    """What it comes to where two do it."""
    start = Barrier(2)

    def one() -> Any:
        with closing(Link(client, 10)) as link:
            start.wait(10)
            return act(link)

    with ThreadPoolExecutor() as pool:
        return [future.result() for future in [pool.submit(one) for _ in range(2)]]


def test_two_restore_the_same(client: Any) -> None:
    client.lpush("t:d", *[b"%d" % n for n in range(1000)])
    with closing(Link(client, 10)) as link:
        trash.purge(link, "t:d", "x", Kind.TASKS, "me")
    done = both(client, lambda link: take_all(restore(desk(link), "t:d", "x")))
    assert sum(each.number for each in done if each) == 1000
    assert client.lrange("t:d", 0, -1) == [b"%d" % n for n in range(999, -1, -1)]


def test_two_purge_the_same(client: Any) -> None:
    client.lpush("t:d", *TASKS)
    done = both(client, lambda link: purge(desk(link), "t:d"))
    assert sorted(each.number for each in done) == [0, NUMBER]
    assert state(client)["thrown"] == TASKS[::-1]


def test_two_put_the_same_and_each_is_put(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither takes the other for one who was interrupted."""
    monkeypatch.setattr(putting, "PATIENCE", 10_000)
    tasks = [json.dumps({"n": n}).encode() for n in range(300)]
    done = both(client, lambda link: take_all(put(desk(link), "t:d", tasks)))
    assert [(each.pushed, each.before) for each in done] == [(300, 0)] * 2
    assert Counter(client.lrange("t:d", 0, -1)) == Counter(tasks * 2)
    assert not client.keys("{t:d}:put:*")


def test_what_was_put_by_another_is_not_told_to_be_in(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One stands still, another takes it for interrupted, and puts all: how much of it, the first
    one can't tell."""
    monkeypatch.setattr(putting, "PATIENCE", 0)
    with closing(Link(client, 10)) as link:
        first = put(desk(link), "t:d", TASKS)
        next(first)
        another = take_all(put(desk(link), "t:d", TASKS))
        assert (another.pushed, another.before) == (NUMBER - 3, 3)
        with pytest.raises(StartupError, match="3 of 10 are in, and it is not known"):
            take_all(first)
    assert client.lrange("t:d", 0, -1) == TASKS[::-1]


def test_put_that_stood_still_goes_on_where_another_was_interrupted(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(putting, "PATIENCE", 0)
    with closing(Link(client, 10)) as link:
        first, second = (put(desk(link), "t:d", TASKS) for _ in range(2))
        next(first)
        next(second)
        assert next(second).inside == 6
        del second
        last = take_all(first)
        assert (last.pushed, last.before) == (7, 3)
    assert client.lrange("t:d", 0, -1) == TASKS[::-1]


def test_key_of_a_wrong_type_stops_a_put_and_loses_nothing(client: Any) -> None:
    client.set("t:d", "text")
    with closing(Link(client, 10)) as link:
        with pytest.raises(redis.ResponseError):
            take_all(put(desk(link), "t:d", TASKS))
        client.delete("t:d")
        [key] = client.keys("{t:d}:put:*")
        assert 86000 < client.ttl(key) <= 86400
        last = take_all(put(desk(link), "t:d", TASKS))
    assert (last.pushed, last.before) == (NUMBER, 0)
    assert client.lrange("t:d", 0, -1) == TASKS[::-1]
