"""Where supervisors publish what they tell of themselves: there for a while, listed, and no harm to
what goes with it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import redis
from redis.exceptions import ResponseError

from woodenwaiter import pace
from woodenwaiter.protocol.hosts import Crew, Host, Running
from woodenwaiter.protocol.keys import HOSTS, host_key
from woodenwaiter.protocol.link import Link
from woodenwaiter.protocol.published import (
    PORTION,
    Sighting,
    publication,
    published,
    running,
    withdrawal,
)
from woodenwaiter.protocol.tending import tend_together

from ..counting import CountingQueue
from ..support import Server

HOST = Host("h", 1, "1.0.0", 10.0, started=1, alive=1, queues=(Crew("t:d", 1, 1, running=1),))


@pytest.fixture
def link(queue: CountingQueue) -> Link:
    return queue.link


def publish(link: Link, name: str, host: Host = HOST) -> None:
    [outcome] = link.exchange([publication(name, host)])
    assert not isinstance(outcome, Exception), outcome


def shown(link: Link) -> dict[str, Host | None]:
    return {found.name: found.host for found in published(link)}


def test_nobody(link: Link) -> None:
    assert published(link) == []


def test_comes_back_with_the_servers_time(link: Link, client: Any) -> None:
    publish(link, "a/0")
    [found] = published(link)
    assert (found.name, found.host, found.trouble) == ("a/0", HOST, "")
    assert 0 <= found.ago < 5
    assert abs(found.written + found.ago - float(client.time()[0])) < 2


def test_expires(link: Link, client: Any) -> None:
    publish(link, "a/0")
    assert set(client.keys("*hosts*")) == {HOSTS.encode(), host_key("a/0").encode()}
    assert pace.PUBLISHED * 900 < client.pttl(host_key("a/0")) <= pace.PUBLISHED * 1000


def test_who_is_gone_is_not_shown_and_leaves_the_list(link: Link, client: Any) -> None:
    publish(link, "dead/0")
    client.delete(host_key("dead/0"))
    client.zincrby(HOSTS, -int(pace.PUBLISHED * 1000) + 500, "dead/0")
    publish(link, "a/0")
    assert shown(link) == {"a/0": HOST}
    assert client.zcard(HOSTS) == 2
    client.zincrby(HOSTS, -1000, "dead/0")
    publish(link, "a/0")
    assert client.zcard(HOSTS) == 1


def test_is_withdrawn(link: Link, client: Any) -> None:
    publish(link, "a/0")
    publish(link, "b/0")
    link.exchange(withdrawal("a/0"))
    assert shown(link) == {"b/0": HOST}
    time.sleep(0.005)  # the least time that a server keeps a key for
    assert client.keys(host_key("*")) == [host_key("b/0").encode()]
    link.exchange(withdrawal("b/0"))
    time.sleep(0.005)
    assert not client.keys("*hosts*")


def test_more_than_are_asked_for_at_once(link: Link) -> None:
    names = [f"{number:03}/0" for number in range(2 * PORTION + 1)]
    link.exchange([publication(name, HOST) for name in names])
    assert [*shown(link)] == names


def test_several_of_one_host(link: Link) -> None:
    other = replace(HOST, pid=2)
    publish(link, "h.1.x/0")
    publish(link, "h.1.x/1", other)
    assert shown(link) == {"h.1.x/0": HOST, "h.1.x/1": other}


def test_anything_may_be_there(link: Link, client: Any) -> None:
    publish(link, "a/0")
    now = int(client.time()[0]) * 1000
    members = ["list", "text", "", "\x1b[2J", b"\xff", "gone", "far"]
    client.zadd(HOSTS, dict.fromkeys(members, now) | {"far": float("inf")})
    client.lpush(host_key("list"), "x")
    client.set(host_key("text"), "\x1b[2Jtext")
    client.set(host_key(""), "[]")
    client.set(host_key("far"), "[]")
    client.set(host_key("\x1b[2J"), b'{"version":99}')
    client.set(host_key("").encode() + b"\xff", b"\xff")
    found = {each.name: each for each in published(link)}
    assert found.keys() == {"a/0", "text", "", "far", "\x1b[2J", "\udcff"}
    assert [name for name in found if not found[name].trouble] == ["a/0"]
    assert "later release" in found["\x1b[2J"].trouble


def test_list_of_another_type(link: Link, client: Any) -> None:
    client.set(HOSTS, "mine")
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        published(link)
    [outcome] = link.exchange([publication("a/0", HOST)])
    assert "WRONGTYPE" in str(outcome)
    assert client.get(HOSTS) == b"mine"


def task(queue: str, seconds: float) -> Running:
    return Running(queue, 0, 1, "owner/1", seconds, 0)


def test_running_is_sorted_by_when_it_began() -> None:
    one = replace(HOST, workers=(task("t:d", 5.0), task("t:e", 1.0)))
    other = replace(HOST, workers=(task("t:d", 3.0),))
    sightings = [
        Sighting("a", 1000.0, 0.0, one),
        Sighting("b", 997.0, 3.0, other),
        Sighting("c", 997.0, 3.0, None, "no JSON"),
    ]
    assert [(t.seen.name, t.began) for t in running(sightings)] == [
        ("b", 994.0),
        ("a", 995.0),
        ("a", 999.0),
    ]
    assert [t.seen.name for t in running(sightings, ["t:e"])] == ["a"]


# It goes along with a renewal of leases, whatever becomes of it.


def lease_of(client: Any, owner: str) -> float:
    return float(client.zscore("{t:d}:leases", owner))


@pytest.fixture
def tended(queue: CountingQueue, client: Any) -> Callable[..., list[Any]]:
    """Tends the queue ``t:d``, whose owner ``a`` is to keep its lease, by a glance, with commands
    that go along; returns what these are answered."""
    queue.enroll("a", 0)
    queue.tend(["a"])

    def tend(*along: tuple[Any, ...]) -> list[Any]:
        client.zadd("{t:d}:leases", {"a": lease_of(client, "a") - 10_000})
        before = lease_of(client, "a")
        seconds, microseconds = client.time()
        visit = queue.visit(["a"], 10, seconds + microseconds / 1e6)
        outcome, *answers = tend_together(queue.link, [visit], along)
        assert not isinstance(outcome, Exception)
        assert lease_of(client, "a") > before + 5_000
        return answers

    return tend


def test_goes_along(tended: Callable[..., list[Any]], link: Link) -> None:
    [answer] = tended(publication("a/0", HOST))
    assert not isinstance(answer, Exception)
    assert shown(link) == {"a/0": HOST}


@pytest.mark.parametrize(
    "error",
    ["OOM no", "MISCONF no", "NOPERM no", "READONLY no", "MASTERDOWN no", "BUSY no", "ERR no"],
)
def test_its_refusal_spoils_no_renewal(tended: Callable[..., list[Any]], error: str) -> None:
    refused = ("EVAL", f"return redis.error_reply('{error}')", 1, HOSTS)
    [answer] = tended(refused)
    assert isinstance(answer, redis.RedisError)


def test_renewals_refusal_is_told(queue: CountingQueue, client: Any) -> None:
    """As ever, though the other is well."""
    queue.enroll("a", 0)
    client.delete("{t:d}:leases")
    client.set("{t:d}:leases", "text")
    seconds, _ = client.time()
    visit = queue.visit(["a"], 10, float(seconds))
    outcome, answer = tend_together(queue.link, [visit], [publication("a/0", HOST)])
    assert "WRONGTYPE" in str(outcome)
    assert not isinstance(answer, Exception)


def test_goes_alone(queue: CountingQueue, link: Link) -> None:
    [answer] = tend_together(link, [], [publication("a/0", HOST)])
    assert not isinstance(answer, Exception)
    assert shown(link) == {"a/0": HOST}


def test_full_server_takes_it(make_server: Callable[..., Server]) -> None:
    server = make_server()
    link = Link(server.client, 10)
    server.client.set("filler", "x" * 100_000)
    server.client.config_set("maxmemory", 1)
    with pytest.raises(redis.OutOfMemoryError):
        server.client.set("a", "b")
    publish(link, "a/0")
    assert shown(link) == {"a/0": HOST}
    link.close()


def test_what_is_known_is_not_fetched_again(link: Link, client: Any) -> None:
    for name in ("a/0", "b/0", "gone/0"):
        publish(link, name)
    known = published(link)
    link.exchange(withdrawal("gone/0"))
    time.sleep(0.002)  # a document is known by its time, in ms
    publish(link, "b/0", replace(HOST, alive=2))
    client.set(host_key("a/0"), "not read")
    found = published(link, known)
    assert [(seen.name, seen.host and seen.host.alive) for seen in found] == [
        ("a/0", 1),
        ("b/0", 2),
    ]
    assert found[0].ago >= known[0].ago
