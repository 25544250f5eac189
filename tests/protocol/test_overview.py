"""All that is to be seen of queues, with what their hosts tell: in two round trips, and whatever
else is there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import ResponseError

from woodenwaiter.errors import RedisUnusable
from woodenwaiter.protocol.beats import minutes_of
from woodenwaiter.protocol.history import Beat, Range
from woodenwaiter.protocol.hosts import Crew, Host
from woodenwaiter.protocol.keys import HOSTS, REGISTRY
from woodenwaiter.protocol.link import Link
from woodenwaiter.protocol.overview import Overview, Survey, overviews, survey
from woodenwaiter.protocol.published import publication
from woodenwaiter.protocol.sizes import sizes_of

from ..counting import CountingLink, CountingQueue
from ..support import Server
from ..topologies.cluster import Cluster

BEATS = "{t:d}:beats"


@pytest.fixture
def link(server: Server) -> Iterator[CountingLink]:
    link = CountingLink(server.client, 10)
    yield link
    link.close()


def host(queue: str = "t:d") -> Host:
    return Host("h", 1, "1.0.0", 1.0, 1, 1, queues=(Crew(queue, 1, 1, running=1),))


def publish(link: Link, name: str) -> None:
    [outcome] = link.exchange([publication(name, host())])
    assert not isinstance(outcome, Exception), outcome


def waiting(seen: Survey) -> dict[str, int]:
    """Of the queues that can be looked at."""
    found = seen.queues.items()
    return {queue: each.sizes.waiting for queue, each in found if isinstance(each, Overview)}


def running(seen: Survey) -> dict[str, int | None]:
    assert seen.handlers is not None
    return {queue: handlers.running for queue, handlers in seen.handlers.items()}


def overview(seen: Survey, queue: str = "t:d") -> Overview:
    found = seen.queues[queue]
    assert isinstance(found, Overview)
    return found


def note(client: Any, ago: float, came: int, done: int) -> None:
    client.lpush(BEATS, f"{(time.time() - ago) * 1000:.0f} {came} {done} 0 0 0")


def test_all_in_two_trips(link: CountingLink, client: Any) -> None:
    names = [f"t:{number}" for number in range(120)]
    client.sadd(REGISTRY, *names)
    client.lpush("t:7", "{}")
    for number in range(120):
        publish(link, f"host-{number:03}/0")
    survey(link)  # the server has the scripts by now
    link.trips = 0
    seen = survey(link)
    assert link.trips == 2
    assert [*seen.queues] == sorted(names)
    assert sum(waiting(seen).values()) == waiting(seen)["t:7"] == 1
    assert running(seen) == dict.fromkeys(names, 0)
    survey_of_one = survey(link, ["t:d"])
    assert running(survey_of_one) == {"t:d": 120}


def test_queues_that_are_named(link: CountingLink, client: Any) -> None:
    client.sadd(REGISTRY, "t:other")
    client.lpush("t:d", "{}", "{}")
    publish(link, "a/0")
    seen = survey(link, ["t:d", "t:e", "t:d"])
    assert waiting(seen) == {"t:d": 2, "t:e": 0}
    assert running(seen) == {"t:d": 1, "t:e": 0}
    assert [each.sizes.waiting for each in overviews(link, ["t:d"]) if isinstance(each, Overview)]


def test_nothing_is_there(link: CountingLink, client: Any) -> None:
    assert survey(link) == Survey({}, {})
    assert overviews(link, []) == []


def test_history_is_told(link: CountingLink, client: Any) -> None:
    client.lpush("t:d", "{}")
    client.hset("{t:d}:tally", mapping={"done": 5, "failed": 2})
    note(client, 30, 4, 4)
    note(client, 20, 6, 4)
    summary = overview(survey(link, ["t:d"])).summary
    assert summary is not None
    assert summary.oldest is not None
    assert summary.oldest.least == pytest.approx(20, abs=1.5)
    assert summary.oldest.most == pytest.approx(30, abs=1.5)
    assert (summary.pushed, summary.done, summary.failed) == (6, 5, 2)


@pytest.mark.parametrize(
    "noted", ["text", "", "1 2", "1 2 3 4 5 6 7 8", f"{'9' * 400} 0 0 0 0 0", "nan 0 0 0 0 0"]
)
def test_notes_that_are_none_spoil_no_sizes(link: CountingLink, client: Any, noted: str) -> None:
    client.lpush("t:d", "{}")
    client.lpush("u:d", "{}")
    client.lpush(BEATS, noted)
    seen = survey(link, ["t:d", "u:d"])
    assert waiting(seen) == {"t:d": 1, "u:d": 1}
    assert overview(seen).summary is None
    assert overview(seen, "u:d").summary is not None


def test_key_of_another_kind_spoils_what_it_is_of(link: CountingLink, client: Any) -> None:
    client.sadd(REGISTRY, "t:d", "t:e", "t:f")
    client.set(BEATS, "text")
    client.set("{t:e}:delayed", "text")
    client.set(HOSTS, "text")
    seen = survey(link)
    assert overview(seen).summary is None
    assert isinstance(seen.queues["t:e"], ResponseError)
    assert overview(seen, "t:f").summary is not None
    assert seen.handlers is None
    client.delete(REGISTRY)
    client.set(REGISTRY, "text")
    with pytest.raises(RedisUnusable, match=f"{REGISTRY}: WRONGTYPE"):
        survey(link)
    client.lpush("t:d", "{}")
    client.zadd("{t:d}:delayed", {"{}": 1})
    sizes = overview(survey(link, ["t:d"])).sizes
    assert (sizes.waiting, sizes.delayed, sizes.next_due) == (1, 1, 0.0)


def test_sizes_are_the_same_as_without_history(link: CountingLink, client: Any) -> None:
    queue = CountingQueue(link, "t:d", lease=30)
    client.lpush("t:d", "1", "2", "3")
    client.lpush("{t:d}:arrivals", "0")
    client.xadd("{t:d}:dead", {"payload": "{}"})
    queue.enroll("a", 0)
    queue.enroll("b", 0)
    queue.claim("a", 0, 2)
    for score in ("-inf", "1", "+inf", "1e300"):
        client.execute_command("ZADD", "{t:d}:delayed", score, "{}")
        assert overview(survey(link, ["t:d"])).sizes == sizes_of(link, ["t:d"])[0]
    soon = time.time() * 1000 + 60_000
    client.execute_command("ZADD", "{t:d}:delayed", soon, "{}")
    sizes = overview(survey(link, ["t:d"])).sizes
    assert sizes.by_state() == {"waiting": 2, "claimed": 2, "delayed": 1, "dead": 1, "workers": 2}
    assert sizes.next_due == pytest.approx(60, abs=5)


@pytest.mark.parametrize("forbidden", ["keys", "mget"])
def test_who_may_not_see_hosts_sees_queues(
    make_server: Callable[..., Server], forbidden: str
) -> None:
    server = make_server()
    server.client.sadd(REGISTRY, "t:d")
    server.client.lpush("t:d", "{}")
    with closing(Link(server.client, 10)) as link:
        publish(link, "a/0")
    keys = ["~t:d", "~{t:d}*", f"~{REGISTRY}"] if forbidden == "keys" else ["~*"]
    rules = ["on", ">pw", *keys, "+@all", *(["-mget"] if forbidden == "mget" else [])]
    server.client.execute_command("ACL", "SETUSER", "u", *rules)
    client = Redis(port=server.port, username="u", password="pw")
    with closing(Link(client, 10)) as link:
        seen = survey(link)
    assert (waiting(seen), seen.handlers) == ({"t:d": 1}, None)


@pytest.mark.xdist_group("links to a cluster")
def test_in_a_cluster(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    try:
        names = [f"{letter}:d" for letter in "abcdef"]
        link = CountingLink(cluster.client, timeout=5)
        for name in names:
            link.call("LPUSH", name, "{}")
            link.call("SADD", REGISTRY, name)
        for number in range(120):
            publish(link, f"host-{number:03}/0")
        survey(link)
        link.trips = 0
        seen = survey(link)
        assert link.trips == 2
        assert waiting(seen) == dict.fromkeys(names, 1)
        assert running(survey(link, ["t:d"])) == {"t:d": 120}
        lost = cluster.owner(HOSTS)
        there = {name for name in names if cluster.owner(name) is not lost}
        lost.kill()
        seen = survey(link, names)
        assert seen.handlers is None
        assert waiting(seen).keys() == there
        link.close()
    finally:
        cluster.close()


def test_oldest_of_what_nobody_has_noted(link: CountingLink, client: Any) -> None:
    client.lpush("t:d", "{}")
    summary = overview(survey(link, ["t:d"])).summary
    assert summary is not None
    assert summary.oldest == Range(0, None)


@pytest.mark.parametrize(
    "note", ["", "no note", "1 2 3", "1 2 3 4 5 6 7 8", f"{'9' * 400} 2 3 4 5 6", b"\xff"]
)
def test_note_that_is_none_costs_its_queue_its_minutes_alone(
    link: CountingLink, server: Server, note: str
) -> None:
    server.client.rpush("{t:d}:minutes", note)
    server.client.rpush("{u:d}:minutes", "1000 2 3 4 5 6000")
    wrong, right = minutes_of(link, ["t:d", "u:d"])
    assert isinstance(wrong, ValueError | OverflowError)
    assert [right] == minutes_of(link, ["u:d"]) == [[Beat(1, 2, 3, 4, 5, 6)]]
    server.client.lpush("{u:d}:minutes", "2000 2 3 4 5 6000 9")
    [found] = minutes_of(link, ["u:d"])
    assert found == [Beat(2, 2, 3, 4, 5, 6, waiting=9), Beat(1, 2, 3, 4, 5, 6)]
