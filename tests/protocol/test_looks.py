"""Looking at queues: how much they hold, single tasks, what is the matter with them."""

from __future__ import annotations

import itertools
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from woodenwaiter import pace
from woodenwaiter.protocol import looks
from woodenwaiter.protocol.ailments import Ailment, ailments_of
from woodenwaiter.protocol.beats import minutes_of
from woodenwaiter.protocol.link import Link
from woodenwaiter.protocol.looks import Place, Task, buried, delayed, peek, search, spellings
from woodenwaiter.protocol.queue import Queue
from woodenwaiter.protocol.sizes import Sizes, sizes_of
from woodenwaiter.protocol.verdict import Failure, Policy, judge

from ..counting import CountingLink, CountingQueue
from ..hostile import BURIED, TASKS, framed, payload_of
from ..topologies.cluster import Cluster

ARRIVALS, SETTLED, LEASES = "{t:d}:arrivals", "{t:d}:settled", "{t:d}:leases"
DELAYED, DEAD = "{t:d}:delayed", "{t:d}:dead"
MIB = 1 << 20


def now(client: Any) -> float:
    """The server's time, in milliseconds."""
    seconds, microseconds = client.time()
    return float(seconds * 1000 + microseconds / 1000)


def found(link: Link, text: str, most: int = 100) -> list[Task]:
    return [task for portion in search(link, "t:d", text, most) for task in portion.found]


# How much there is.


def test_sizes_of_many_queues_take_one_request(queue: CountingQueue, client: Any) -> None:
    client.lpush("t:d", "1", "2", "3")
    client.lpush(ARRIVALS, "0")
    queue.enroll("a", 0)
    queue.enroll("b", 0)
    queue.claim("a", 0, 1)
    client.zadd(DELAYED, {"x": now(client) + 60_000})
    client.xadd(DEAD, {"payload": "{}"})
    link = CountingLink(client, 10)
    sizes_of(link, ["t:d"])  # the server has the script by now
    link.trips = 0
    [one, *others] = sizes_of(link, ["t:d", *(f"t:{n}" for n in range(100))])
    assert link.trips == 1
    link.close()
    assert isinstance(one, Sizes)
    assert one.by_state() == {"waiting": 3, "claimed": 1, "delayed": 1, "dead": 1, "workers": 2}
    assert 50 < (one.next_due or 0) <= 60
    assert others == [Sizes(f"t:{n}", 0, 0, 0, None, 0, 0) for n in range(100)]


@pytest.mark.parametrize(
    ("score", "due"), [("-inf", 0.0), ("1", 0.0), ("+inf", None), ("1e300", 1e297)]
)
def test_due_time_that_makes_no_sense(
    link: Link, client: Any, score: str, due: float | None
) -> None:
    client.execute_command("ZADD", DELAYED, score, "{}")
    [sizes] = sizes_of(link, ["t:d"])
    assert isinstance(sizes, Sizes)
    assert sizes.next_due == pytest.approx(due)
    [task] = delayed(link, "t:d", 9)
    assert task.due == pytest.approx(due)


def test_what_is_on_its_way_is_counted_once(queue: CountingQueue, client: Any) -> None:
    """A worker claims it, fails, and gets it again, while another connection counts."""
    client.lpush("t:d", "{}")
    queue.enroll("a", 0)
    again = judge(b"{}", "1", Failure("no"), Policy(), "a")
    is_over = Event()

    def work() -> None:
        for seq in itertools.count(1):
            queue.claim("a", seq - 1, 1)
            queue.fail("a", seq, again)
            client.zadd(DELAYED, {client.zrange(DELAYED, 0, 0)[0]: 1})
            queue.promote()
            if is_over.is_set():
                return

    watching = Queue(Link(client, 10), "t:d", lease=1)
    with ThreadPoolExecutor() as pool:
        working = pool.submit(work)
        counted = [watching.sizes() for _ in range(1000)]
        is_over.set()
        working.result()
    watching.link.close()
    states = ("waiting", "claimed", "delayed")
    assert {sum(sizes[state] for state in states) for sizes in counted} == {1}
    assert len({tuple(sizes.values()) for sizes in counted}) > 1


def test_looking_changes_nothing(queue: CountingQueue, client: Any) -> None:
    client.lpush("t:d", "{}", "{}")
    client.zadd(DELAYED, {"x": 1})
    client.xadd(DEAD, {"payload": "{}"})
    queue.enroll("a", 0)
    queue.claim("a", 0, 1)
    before = {key: client.dump(key) for key in client.keys("*")}
    sizes_of(queue.link, ["t:d"])
    ailments_of(queue.link, ["t:d"])
    peek(queue.link, "t:d", 9)
    delayed(queue.link, "t:d", 9)
    assert found(queue.link, "{}")
    assert {key: client.dump(key) for key in client.keys("*")} == before


# Single tasks.


def test_next_tasks_come_in_the_order_in_which_they_are_claimed(
    queue: CountingQueue, client: Any
) -> None:
    client.lpush("t:d", *(f"{n}" for n in range(300)))
    client.lpush(ARRIVALS, "a", "b")
    tasks = [task.payload for task in peek(queue.link, "t:d", 1000)]
    assert [task.payload for task in peek(queue.link, "t:d", 5)] == tasks[:5]
    queue.enroll("a", 0)
    claimed: list[bytes] = []
    while claims := queue.claim("a", len(claimed), 256):
        claimed += claims
    assert tasks == claimed


def test_delayed_ones_tell_when_and_why(queue: CountingQueue, client: Any) -> None:
    client.lpush("t:d", *(json.dumps({"n": n}) for n in range(3)))
    queue.enroll("a", 0)
    for seq, payload in enumerate(queue.claim("a", 0, 3), 1):
        policy = Policy(max_deliveries=5)
        queue.fail(
            "a", seq, judge(payload, f"a/{seq}", Failure("so", after=100 - seq), policy, "a")
        )
    tasks = delayed(queue.link, "t:d", 2)
    assert [json.loads(task.payload)["n"] for task in tasks] == [2, 1]
    assert [(task.id, task.deliveries, task.reason) for task in tasks] == [
        ("a/3", 1, "so"),
        ("a/2", 1, "so"),
    ]
    assert [90 < (task.due or 0) <= 98 for task in tasks] == [True, True]


def test_latest_dead_letter_comes_first(link: Link, client: Any) -> None:
    letters = [client.xadd(DEAD, {"payload": f"{n}", "reason": "so"}) for n in range(300)]
    tasks = buried(link, "t:d", 250)
    assert [task.payload for task in tasks] == [b"%d" % n for n in range(299, 49, -1)]
    assert [tasks[0].letter, tasks[0].reason] == [letters[-1].decode(), "so"]
    assert len(buried(link, "t:d", 1000)) == 300
    assert buried(link, "t:none", 1) == []


@pytest.mark.parametrize("name", [*TASKS, *BURIED])
def test_whatever_was_pushed_can_be_looked_at(link: Link, client: Any, name: str) -> None:
    raw = {**TASKS, **BURIED}[name]
    client.lpush("t:d", raw)
    [task] = peek(link, "t:d", 9)
    assert (task.place, task.size) == (Place.WAITING, len(payload_of(raw)))
    assert payload_of(raw).startswith(task.payload)
    assert len(task.payload) >= min(task.size, looks.SHOWN)


def test_large_ones_are_not_sent(link: Link, client: Any) -> None:
    large = framed(b"x" * 10 * MIB)
    client.lpush("t:d", *[large] * 3)
    client.zadd(DELAYED, {large: 1})
    client.xadd(DEAD, {"payload": "y" * 10 * MIB, "error": "z" * MIB, "traceback": "t" * MIB})
    sent = client.info("stats")["total_net_output_bytes"]
    tasks = [*peek(link, "t:d", 9), *delayed(link, "t:d", 9), *found(link, "x")]
    tasks += found(link, "z" * 1000)
    assert client.info("stats")["total_net_output_bytes"] - sent < 50_000
    assert {(task.size, len(task.payload)) for task in tasks} == {(10 * MIB, looks.SHOWN)}
    assert len(tasks) == 9


# A search.


def test_text_is_found_wherever_it_is(link: Link, client: Any) -> None:
    client.lpush("t:d", '{"n": 1, "x": "here"}', '{"n": 2}', '{"n": 3, "x": "here"}')
    client.lpush(ARRIVALS, "here, too")
    client.zadd(DELAYED, {framed(b'{"x": "here"}'): 1, "not": 2})
    letter = client.xadd(DEAD, {"payload": "{}", "error": "ValueError: here", "deliveries": "5"})
    client.xadd(DEAD, {"payload": "{}", "traceback": "and here"})
    tasks = found(link, "here")
    assert [(task.place.value, task.payload) for task in tasks] == [
        ("waiting", b"here, too"),
        ("waiting", b'{"n": 3, "x": "here"}'),
        ("waiting", b'{"n": 1, "x": "here"}'),
        ("delayed", b'{"x": "here"}'),
        ("dead", b"{}"),
        ("dead", b"{}"),
    ]
    assert (tasks[4].letter, tasks[4].deliveries) == (letter.decode(), 5)
    assert found(link, "here", 2) == tasks[:2]
    assert found(link, "nowhere") == []


@pytest.mark.parametrize("text", ["é", "桌", 'a "word"', "\\", "\x00", "%d+", "a\nb"])
def test_text_is_found_as_json_has_it(link: Link, client: Any, text: str) -> None:
    forms = [json.dumps({"x": text}), json.dumps({"x": text}, ensure_ascii=False), text]
    client.lpush("t:d", *forms, "another")
    assert len(found(link, text)) == 3
    assert text in spellings(text)


def test_search_looks_at_everything_and_says_so(link: Link, client: Any) -> None:
    client.lpush("t:d", *(f'{{"n": {n}}}' for n in range(5000)))
    client.zadd(DELAYED, {f"{n}": n for n in range(2500)})
    for _ in range(1200):
        client.xadd(DEAD, {"payload": "{}"})
    looked = dict.fromkeys(Place, 0)
    for place, tasks, there_looked, there in search(link, "t:d", "never", 1):
        looked[place] += there_looked
        assert not tasks
        assert there_looked <= looks.AT_ONCE
        assert there == {Place.WAITING: 5000, Place.DELAYED: 2500, Place.DEAD: 1200}[place]
    assert looked == {Place.WAITING: 5000, Place.DELAYED: 2500, Place.DEAD: 1200}


def test_nothing_is_missed_while_tasks_come_and_go(link: Link, client: Any) -> None:
    client.lpush("t:d", *("last" if n == 1005 else f"{n}" for n in range(3000)))
    client.zadd(DELAYED, {"last" if n == 1005 else f"{n}": n for n in range(3000)})
    walk = search(link, "t:d", "last", 9)
    tasks = list(next(walk).found)
    client.lpush("t:d", *["new"] * 500)
    client.rpop("t:d", 500)
    for portion in walk:
        if portion.place is Place.DELAYED:
            client.zremrangebyrank(DELAYED, 0, 300)
        client.lpush("t:d", *["new"] * 10)
        tasks += portion.found
    assert [task.payload for task in tasks] == [b"last"] * 2


def test_search_ends_somewhere(link: Link, client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looks, "FARTHEST", 1500)
    client.lpush("t:d", *["{}"] * 4000)
    portions = [*search(link, "t:d", "never", 1)]
    assert [(p.looked, p.there) for p in portions] == [(1000, 4000), (500, 4000)]
    monkeypatch.setattr(looks, "FARTHEST_BYTES", 1)
    assert [p.looked for p in search(link, "t:d", "never", 1)] == [1000]


def test_request_stops_after_enough_bytes(
    link: Link, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.lpush("t:d", *["x" * MIB] * 4)
    assert [portion.looked for portion in search(link, "t:d", "never", 1)] == [1, 1, 1, 1]
    monkeypatch.setattr(looks, "FARTHEST_BYTES", 3 * MIB)
    assert [portion.looked for portion in search(link, "t:d", "never", 1)] == [1, 1, 1]
    client.lpush("t:d", "x" * 4 * MIB)
    assert [portion.looked for portion in search(link, "t:d", "never", 1)] == [1]


# What is the matter.


def test_ailments(queue: CountingQueue, client: Any) -> None:
    assert ailments_of(queue.link, ["t:d"]) == [Ailment("t:d", 0, 0, None)]
    queue.enroll("a", 0)
    queue.enroll("b", 0)
    client.xadd(DEAD, {"payload": "{}"})
    assert ailments_of(queue.link, ["t:d"]) == [Ailment("t:d", 0, 0, None)]
    client.zadd(LEASES, {"a": now(client) - pace.LAPSED * 1000 - 1000})
    client.zrem(LEASES, "b")
    client.delete(DEAD)
    old = now(client) - (pace.OLD_LETTER + 1000) * 1000
    client.xadd(DEAD, {"payload": "{}"}, id=f"{old:.0f}-0")
    [found] = ailments_of(queue.link, ["t:d"])
    assert isinstance(found, Ailment)
    assert (found.lapsed, found.without_lease) == (1, 1)
    assert found.oldest == pytest.approx(pace.OLD_LETTER + 1000, abs=60)


# In a cluster.


@pytest.mark.xdist_group("links to a cluster")
def test_queues_on_all_nodes_are_looked_at(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    try:
        names = [f"{letter}:d" for letter in "abcdef"]
        link = Link(cluster.client, timeout=5)
        for name in names:
            link.call("LPUSH", name, "{}")
        sizes = sizes_of(link, names)
        assert sizes == [Sizes(name, 1, 0, 0, None, 0, 0) for name in names]
        assert ailments_of(link, names) == [Ailment(name, 0, 0, None) for name in names]
        assert [len(peek(link, name, 9)) for name in names] == [1] * 6
        assert [buried(link, name, 9) for name in names] == [[]] * 6
        assert minutes_of(link, names) == [[]] * 6
        assert [len(portion.found) for portion in search(link, "a:d", "{", 9)] == [1]
        lost = cluster.owner("a:d")
        there = {name for name in names if cluster.owner(name) is not lost}
        lost.kill()
        outcomes = dict(zip(names, sizes_of(link, names), strict=True))
        assert {name for name, each in outcomes.items() if isinstance(each, Sizes)} == there
        link.close()
    finally:
        cluster.close()
