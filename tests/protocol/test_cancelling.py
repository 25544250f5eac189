"""Tasks that nobody has claimed become dead letters; those that are claimed are found."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

import pytest
from redis.exceptions import ConnectionError as ConnectionTrouble
from redis.exceptions import ResponseError

from woodenwaiter.protocol import cancelling
from woodenwaiter.protocol.cancelling import Claim, Name, Taken, claims_of, take
from woodenwaiter.protocol.entry import Entry, Suspicion, mark_of
from woodenwaiter.protocol.link import Command, Link
from woodenwaiter.protocol.looks import Place, delayed, latest_letter, peek, search
from woodenwaiter.protocol.verdict import Failure, Policy, judge
from woodenwaiter.verbs.audit import audit
from woodenwaiter.verbs.cancelling import Outcome, cancel
from woodenwaiter.verbs.desk import Desk

from ..counting import CountingQueue, accounts
from ..support import Server

ARRIVALS, DELAYED, DEAD, TALLY = "{t:d}:arrivals", "{t:d}:delayed", "{t:d}:dead", "{t:d}:tally"
HOST = "web-1.4711." + "0f" * 16
FAILED = Entry(b'{"n": 2}', f"{HOST}/1/7", 2, 1000.5, "the handler failed", more='"tenant": [1]')


def digits(payload: bytes) -> str:
    return hashlib.sha1(payload, usedforsecurity=False).hexdigest()[:12]


def taken(link: Link, name: str, queue: str = "t:d") -> Taken | None:
    return take(link, queue, Name.of(name), "ann at web-1")


def letter_in(client: Any) -> dict[str, str]:
    [(_, fields)] = client.xrange(DEAD)
    return {name.decode(): value.decode() for name, value in fields.items()}


# How they are called.


def test_names_are_those_that_looks_show(link: Link, client: Any) -> None:
    client.lpush("t:d", b'{"n": 1}', FAILED.dump(), b"\x1eno header")
    client.lpush(ARRIVALS, "é")
    client.zadd(DELAYED, {FAILED.dump(): 1e15})
    names = [task.name for task in peek(link, "t:d", 10)]
    whole = b"\x1eno header"
    assert names == [f"#{digits(b)}" for b in ("é".encode(), b'{"n": 1}')] + [FAILED.id, names[3]]
    assert names[3] == f"#{digits(whole)}"
    assert [task.name for task in delayed(link, "t:d", 10)] == [FAILED.id]
    found = [task for portion in search(link, "t:d", "n", 10) for task in portion.found]
    assert {task.name for task in found} == {FAILED.id, names[1], names[3]}


@pytest.mark.parametrize("text", ["#0123456789ab", "0123456789ab"])
def test_name_of_a_payload(text: str) -> None:
    assert Name.of(text) == ("#0123456789ab", b"", "0123456789ab")


@pytest.mark.parametrize("text", ["#0123456789aB", "0123456789a", "a/1/2", "#", "", "é\n"])
def test_all_else_is_an_id(text: str) -> None:
    assert Name.of(text).text == text
    assert Name.of(text).digits == ""


# What nobody has claimed.


@pytest.mark.parametrize("key", ["t:d", ARRIVALS])
def test_one_that_waits(link: Link, client: Any, key: str) -> None:
    client.lpush(key, b'{"n": 0}', b'{"n": 1}', b'{"n": 2}')
    found = taken(link, digits(b'{"n": 1}'))
    assert found
    assert found.place == Place.WAITING
    assert client.lrange(key, 0, -1) == [b'{"n": 2}', b'{"n": 0}']
    [(letter, _)] = client.xrange(DEAD)
    assert found.letter == letter.decode()
    fields = letter_in(client)
    assert float(fields.pop("first_failed")) > 1e9
    assert fields == {
        "id": "#" + digits(b'{"n": 1}'),
        "reason": "cancelled",
        "error": "by ann at web-1",
        "traceback": "",
        "deliveries": "0",
        "worker": "",
        "payload": '{"n": 1}',
    }
    assert client.hgetall(TALLY) == {b"buried": b"1"}


@pytest.mark.parametrize("place", ["t:d", ARRIVALS, DELAYED])
def test_one_that_has_failed(link: Link, client: Any, place: str) -> None:
    if place == DELAYED:
        client.zadd(place, {FAILED.dump(): 1e15, b"\x1eother\n": 1e14})
    else:
        client.lpush(place, "a", FAILED.dump(), "b")
    found = taken(link, FAILED.id)
    assert found
    assert found.place == (Place.DELAYED if place == DELAYED else Place.WAITING)
    fields = letter_in(client)
    assert (fields["id"], fields["deliveries"], fields["first_failed"]) == (
        FAILED.id,
        "2",
        "1000.500",
    )
    assert (fields["payload"], fields["more"]) == ('{"n": 2}', '{"tenant": [1]}')
    assert taken(link, FAILED.id) is None
    assert client.xlen(DEAD) == 1
    assert latest_letter(link, "t:d", FAILED.id) == found.letter
    assert latest_letter(link, "t:d", FAILED.id[:-1]) == ""


def test_one_whose_host_died_once(link: Link, client: Any) -> None:
    before, after = mark_of("a/1")
    client.lpush("t:d", before + b"7" + after + b"{}")
    assert taken(link, "a/1/7")
    fields = letter_in(client)
    assert (fields["id"], fields["deliveries"], fields["payload"]) == ("a/1/7", "0", "{}")


def test_one_with_an_odd_id(link: Link, client: Any) -> None:
    odd = Entry(b"{}", 'é"\\ 漢', 1, 1.0, "no", Suspicion.RAN)
    client.lpush("t:d", odd.dump())
    assert taken(link, odd.id)


def test_of_those_that_are_alike_one_is_taken(link: Link, client: Any) -> None:
    client.lpush("t:d", *[b"{}"] * 3)
    for left in (2, 1, 0):
        assert taken(link, digits(b"{}"))
        assert client.llen("t:d") == left
    assert taken(link, digits(b"{}")) is None
    assert client.xlen(DEAD) == 3


@pytest.mark.parametrize(
    "header", [b"\x1e{}\n", b"\x1e[", b'\x1e{"id": "a/1/1", "deliveries": 0}\n']
)
def test_headers_that_cannot_be_read(link: Link, client: Any, header: bytes) -> None:
    client.lpush("t:d", header + b"x")
    name = peek(link, "t:d", 1)[0].name
    found = taken(link, "a/1/1" if b"id" in header else name)
    assert bool(found) == (header != b"\x1e{}\n")
    assert client.llen("t:d") + client.xlen(DEAD) == 1


@pytest.mark.parametrize("n", [0, 1, 1500, 2998, 2999])
def test_search_goes_in_portions(link: Link, client: Any, n: int) -> None:
    client.rpush("t:d", *(f'{{"n": {i}}}' for i in range(3000)))
    assert taken(link, digits(f'{{"n": {n}}}'.encode()))
    left = [json.loads(entry)["n"] for entry in client.lrange("t:d", 0, -1)]
    assert left == [i for i in range(3000) if i != n]


def test_what_comes_and_goes_meanwhile_hides_none(
    link: Link, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cancelling, "AT_ONCE", 10)
    client.rpush("t:d", *(f'{{"n": {i}}}' for i in range(300)))
    run = link.run

    def while_others_come_and_go(*given: Any) -> Any:
        client.lpush("t:d", *["{}"] * 7)
        client.rpop("t:d", 5)
        return run(*given)

    monkeypatch.setattr(link, "run", while_others_come_and_go)
    assert taken(link, digits(b'{"n": 150}'))


def test_large_ones(link: Link, client: Any) -> None:
    large = [b"%d" % n * (1 << 20) for n in range(5)]
    client.rpush("t:d", *large)
    assert taken(link, digits(large[3]))
    assert client.llen("t:d") == 4


def test_of_no_such_queue_nothing_comes_to_be(link: Link, client: Any) -> None:
    assert taken(link, digits(b"{}")) is None
    assert taken(link, "a/1/1") is None
    assert claims_of(link, "t:d", Name.of("a/1/1")) == []
    assert client.keys() == []


@pytest.mark.parametrize("key", [DEAD, DELAYED, ARRIVALS, TALLY])
def test_key_of_a_wrong_type_loses_nothing(link: Link, client: Any, key: str) -> None:
    client.lpush("t:d", "{}")
    client.set(key, "mine")
    if key == TALLY:
        assert taken(link, digits(b"{}"))
    else:
        with pytest.raises(ResponseError):
            taken(link, digits(b"{}") if key != DELAYED else "a/1/1")
        assert client.lrange("t:d", 0, -1) == [b"{}"]


@pytest.mark.parametrize("refused", ["-lrem", "-xadd", "-zrem"])
def test_where_it_may_not_be_taken_nothing_comes_twice(
    make_server: Callable[..., Server], refused: str
) -> None:
    server = make_server()
    server.client.lpush("t:d", "{}")
    server.client.zadd(DELAYED, {FAILED.dump(): 1})
    server.client.execute_command("ACL", "SETUSER", "default", refused)
    with closing(Link(server.client, timeout=10)) as link:
        with pytest.raises(ResponseError):
            taken(link, FAILED.id if refused == "-zrem" else digits(b"{}"))
        assert server.client.xlen(DEAD) == 0
        assert server.client.llen("t:d") + server.client.zcard(DELAYED) == 2


def test_what_came_stays_true(queue: CountingQueue, link: Link, client: Any) -> None:
    client.lpush("t:d", b"{}", FAILED.dump(), b"[]", b"1")
    client.zadd(DELAYED, {FAILED.dump() + b"x": 1e15})

    def came() -> float:
        [account] = accounts(link, ["t:d"])
        assert not isinstance(account, Exception)
        return account.now.came

    before = came()
    for name in (digits(b"{}"), FAILED.id, digits(b"1"), FAILED.id):
        assert taken(link, name)
        assert came() == before
    assert client.hgetall(TALLY) == {b"buried": b"4"}


# What is claimed.


def claimed(queue: CountingQueue, client: Any, owner: str, *entries: bytes) -> None:
    queue.enroll(owner, 10)
    client.lpush(f"{{t:d}}:claims:{owner}", *entries)


def names(link: Link, name: str) -> list[Claim]:
    return claims_of(link, "t:d", Name.of(name))


def test_claims_are_found_by_any_of_their_names(
    queue: CountingQueue, link: Link, client: Any
) -> None:
    for n in range(40):
        claimed(queue, client, f"{HOST}/{n}", b"%d" % n, b"{}")
    claimed(queue, client, f"{HOST}/40+1", FAILED.dump())
    full = Claim(f"{HOST}/3", 12, f"{HOST}/3/12")
    assert names(link, f"{HOST}/3/12") == [full]
    assert names(link, "web-1.4711/3/12") == [full]
    assert names(link, digits(b"7")) == [Claim(f"{HOST}/7", 11, f"{HOST}/7/11")]
    assert len(names(link, digits(b"{}"))) == 40
    again = Claim(f"{HOST}/40+1", 11, FAILED.id)
    assert names(link, FAILED.id) == names(link, "web-1.4711/40+1/11") == [again]
    for none in (f"{HOST}/3/10", f"{HOST}/3/13", f"{HOST}/99/11", "web-2.4711/3/12", "x", "/1"):
        assert names(link, none) == []
    assert again.name == f"{HOST}/40+1/11"


def test_settled_claims_are_none(queue: CountingQueue, link: Link, client: Any) -> None:
    client.lpush("t:d", b"1", b"2")
    queue.enroll("a/1", 0)
    queue.claim("a/1", 0, 2)
    assert names(link, digits(b"1")) == [Claim("a/1", 1, "a/1/1")]
    queue.claim("a/1", 1, 1)
    assert names(link, digits(b"1")) == []
    assert names(link, "a/1/2") == [Claim("a/1", 2, "a/1/2")]


# The verb, where no host has part in it.


@pytest.fixture
def desk(link: Link) -> Desk:
    return Desk(link, "ann", "web-1")


def test_is_told_in_the_audit(desk: Desk, client: Any) -> None:
    client.lpush("t:d", "{}")
    name = f"#{digits(b'{}')}"
    cancelled = cancel(desk, "t:d", name)
    assert (cancelled.outcome, cancelled.task, cancelled.trouble) == (Outcome.WAITING, name, "")
    [line] = audit(desk.link, 10)
    assert (line.who, line.where, line.verb) == ("ann", "web-1", "cancel")
    assert (line.queue, line.what, line.count) == ("t:d", name, 1)
    assert cancel(desk, "t:d", name).outcome == Outcome.UNKNOWN
    assert len(audit(desk.link, 10)) == 1


def test_inline_ones_are_out_of_reach(queue: CountingQueue, desk: Desk, client: Any) -> None:
    claimed(queue, client, f"{HOST}/inline3", b"{}")
    cancelled = cancel(desk, "t:d", "web-1.4711/inline3/11")
    assert cancelled.outcome == Outcome.UNREACHABLE
    assert "call_waiter() runs it, in pid 4711 on web-1" in cancelled.why
    assert audit(desk.link, 10) == []


def test_supervisor_that_is_not_to_be_seen(queue: CountingQueue, desk: Desk, client: Any) -> None:
    claimed(queue, client, f"{HOST}/3", b"{}")
    cancelled = cancel(desk, "t:d", "web-1.4711/3/11")
    assert (cancelled.outcome, cancelled.why) == (Outcome.UNSEEN, "pid 4711 on web-1")
    assert audit(desk.link, 10) == []


def test_several_of_one_short_name(queue: CountingQueue, desk: Desk, client: Any) -> None:
    other = "web-1.4711." + "ab" * 16
    for owner in (HOST, other):
        claimed(queue, client, f"{owner}/3", b"{}")
    cancelled = cancel(desk, "t:d", "web-1.4711/3/11")
    assert cancelled.outcome == Outcome.AMBIGUOUS
    assert set(cancelled.why.split(", ")) == {f"{HOST}/3/11", f"{other}/3/11"}


class Fragile(Link):
    """Is cut at its request number ``at``, before it has reached the server, or after."""

    at, is_late, asked = 0, False, 0

    def _ask(self, commands: Sequence[Command], *given: Any, **named: Any) -> list[Any]:
        self.asked += 1
        if self.asked == self.at and not self.is_late:
            raise ConnectionTrouble
        outcomes = super()._ask(commands, *given, **named)
        if self.asked == self.at:
            raise ConnectionTrouble
        return outcomes


@pytest.mark.parametrize("is_late", [False, True])
@pytest.mark.parametrize("entry", [b'{"n": 1}', FAILED.dump()], ids=["new", "failed"])
def test_interrupted_and_repeated_is_once(
    queue: CountingQueue, client: Any, entry: bytes, is_late: bool
) -> None:
    name = FAILED.id if entry == FAILED.dump() else digits(entry)
    for at in range(1, 40):
        client.flushdb()
        client.script_flush()
        client.lpush("t:d", "1", entry, "2")
        claimed(queue, client, "a/1", b"3")
        with closing(Fragile(client, timeout=10)) as link:
            link.at, link.is_late = at, is_late
            try:
                cancel(Desk(link, "ann", "web-1"), "t:d", name)
            except ConnectionTrouble:
                is_cut = True
            else:
                is_cut = link.asked >= at  # at the audit's
            link.at = 0
            cancel(Desk(link, "ann", "web-1"), "t:d", name)
        assert client.lrange("t:d", 0, -1) == [b"2", b"1"]
        assert letter_in(client)["payload"] in ('{"n": 1}', '{"n": 2}')
        assert client.hgetall(TALLY) == {b"buried": b"1"}
        assert client.lrange("{t:d}:claims:a/1", 0, -1) == [b"3"]
        if not is_cut:
            return
    raise AssertionError("it never ended")


def test_failure_policy_agrees_on_what_a_letter_has(client: Any, link: Link) -> None:
    """A cancelled task's letter has the fields that a buried one's has."""
    verdict = judge(b"{}", "a/1", Failure("no", final=True), Policy(), "a")
    client.lpush("t:d", "{}")
    taken(link, digits(b"{}"))
    assert letter_in(client).keys() == {*verdict.fields, "payload"}  # type: ignore[union-attr]
