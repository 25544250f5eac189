"""What others wrote into the keys of the protocol: bytes that are no text, counts that are none,
fields of other versions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from woodenwaiter.protocol.entry import Entry, foods, load
from woodenwaiter.protocol.keys import REGISTRY, Keys, key_prefix
from woodenwaiter.protocol.link import Link
from woodenwaiter.protocol.queue import Queue, registered
from woodenwaiter.protocol.recovery import lapse_of, take_over
from woodenwaiter.protocol.verdict import Policy, Redeliver, judge

from ..counting import requeued

SETTLED, LEASES, DELAYED, DEAD = "{t:d}:settled", "{t:d}:leases", "{t:d}:delayed", "{t:d}:dead"
OWNERS = [
    b"\xff\xfe/1",
    b"\xed\xa0\x80",
    b"line\nbreak\x1b[31m",
    b"\0",
    "é\xa0".encode(),
    b"x" * 5000,
    b"\xff" * 5000,
]
COUNTS = [
    b"9" * 400,
    b"1 " + b"9" * 400,
    b"0 1",
    b"0",
    b"",
    b"many",
    b"\xff",
    b"-1",
    b"1e5",
    b"0 1 2",
]


@pytest.fixture
def queue(client: Any) -> Iterator[Queue]:
    queue = Queue(Link(client, timeout=10), "t:d", lease=30)
    yield queue
    queue.link.close()


def short(value: bytes) -> str:
    return ascii(value[:12])


def hold(client: Any, owner: bytes, count: bytes, *entries: bytes) -> bytes:
    """An owner whose lease ran out; returns the key of its claims."""
    claims = b"{t:d}:claims:" + owner
    client.hset(SETTLED, owner, count)
    client.zadd(LEASES, {owner: 1})
    client.lpush(claims, *entries)
    return claims


@pytest.mark.parametrize("owner", OWNERS, ids=short)
def test_owner_of_any_bytes_is_recovered_as_any_other(
    queue: Queue, client: Any, owner: bytes
) -> None:
    ran = Entry(b'{"n": 1}', "host.1/1", 1, 1.5, "because").dump()
    for entry in (ran, b'{"n": 2}'):
        claims = hold(client, owner, b"0 1", entry)
        [found] = queue.tend([]).expired
        take_over(queue, lapse_of(found), Policy())
        assert not client.exists(claims, SETTLED, LEASES)
    [suspect] = client.lrange("t:d", 0, -1)
    assert (foods(suspect), load(suspect).deliveries) == ({"n": 2}, 0)
    [charged] = client.zrange(DELAYED, 0, -1)
    assert (foods(charged), load(charged).deliveries) == ({"n": 1}, 2)


@pytest.mark.parametrize("count", COUNTS, ids=short)
@pytest.mark.parametrize("owner", OWNERS[:2], ids=short)
def test_what_an_owner_of_any_count_holds_is_not_lost(
    queue: Queue, client: Any, owner: bytes, count: bytes
) -> None:
    claims = hold(client, owner, count, b'{"n": 1}')
    assert queue.sizes()["claimed"] == 1
    for found in queue.tend([]).expired:
        take_over(queue, lapse_of(found), Policy())
    assert not client.exists(claims, SETTLED, LEASES)
    assert client.llen("t:d") + client.zcard(DELAYED) == 1


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
@pytest.mark.parametrize("name", [b"t\xfcr:d", b"\xff{\xfe}:d", b"\xff}:\x00"], ids=short)
def test_queue_of_any_bytes_can_be_looked_after(client: Any, name: bytes, encoding: str) -> None:
    options = client.connection_pool.connection_kwargs
    link = Link(redis.Redis(port=options["port"], encoding=encoding), timeout=10)
    client.sadd(REGISTRY, name)
    client.lpush(name, b"{}")
    client.script_flush()
    [found] = registered(link)
    queue = Queue(link, found, lease=1)
    prefix = key_prefix(found).encode(errors="surrogateescape")
    letter = client.xadd(prefix + b"dead", {"payload": b"{}"}).decode()
    assert [letter for letter, _ in queue.dead_letters()] == [letter]
    assert requeued(queue, letter)
    assert queue.sizes() == {"waiting": 2, "claimed": 0, "delayed": 0, "dead": 0, "workers": 0}
    queue.register()
    assert client.smembers(REGISTRY) == {name}
    link.close()


def test_names_that_are_text_have_the_keys_that_they_had() -> None:
    assert Keys("tür:d").claims("wirt.1.ab/1") == "{tür:d}:claims:wirt.1.ab/1"


# Dead letters.


def test_letter_without_a_payload_is_left(queue: Queue, client: Any) -> None:
    fields = {b"data": b"{}", b"\xff": b"\xfe", b"Payload": b"{}"}
    letter = client.xadd(DEAD, fields).decode()
    assert not requeued(queue, letter)
    assert client.xrange(DEAD) == [(letter.encode(), fields)]
    assert not client.exists("t:d")


def test_letter_of_several_payloads_is_put_back_whole(queue: Queue, client: Any) -> None:
    letter = client.execute_command("XADD", DEAD, "*", "payload", "1", "payload", "2").decode()
    assert list(queue.dead_letters()) == [(letter, {"payload": b"1\n2"})]
    assert requeued(queue, letter)
    assert client.lrange("t:d", 0, -1) == [b"2", b"1"]
    assert client.xlen(DEAD) == 0


def test_letter_stays_where_its_payload_cannot_go(queue: Queue, client: Any) -> None:
    client.set("t:d", "in the way")
    letter = client.xadd(DEAD, {"payload": "{}"}).decode()
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        requeued(queue, letter)
    assert client.xlen(DEAD) == 1


def test_field_of_any_bytes_is_listed(queue: Queue, client: Any) -> None:
    letter = client.xadd(DEAD, {b"\xff": b"\xfe"}).decode()
    assert list(queue.dead_letters()) == [(letter, {"\udcff": b"\xfe"})]


# Headers.

HEADER = {"id": "host.1/1", "deliveries": 1, "first_failed": 1.5, "reason": "because"}
OF_ANOTHER_VERSION = {
    "trace": "\ud800é",
    "priority": {"deep": [None, 1.5]},
    "payload": 1,
    "more": 2,
}


def test_header_of_another_version_passes_through_whole() -> None:
    raw = b"\x1e" + json.dumps({**HEADER, **OF_ANOTHER_VERSION}).encode() + b"\n{}"
    verdict = judge(raw, "host.2/9", lapse_of("host.2").failure, Policy(), "host.2")  # type: ignore[arg-type]
    assert isinstance(verdict, Redeliver)
    header = json.loads(verdict.header[1:])
    assert OF_ANOTHER_VERSION.items() <= header.items()
    assert (header["id"], header["deliveries"]) == ("host.1/1", 2)
    assert load(load(raw).dump()) == load(raw)
