"""Queues that are paused: what a claim gives then, who wakes when it is over, and what is told."""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from typing import Any

import pytest

from woodenwaiter.protocol import moves
from woodenwaiter.protocol.backlog import counted
from woodenwaiter.protocol.link import Link
from woodenwaiter.protocol.overview import Overview, overviews
from woodenwaiter.protocol.pausing import Pause, pause, resume
from woodenwaiter.protocol.queue import Queue
from woodenwaiter.protocol.sizes import Sizes, sizes_of
from woodenwaiter.protocol.tokens import Tokens

from ..counting import CountingQueue
from ..support import eventually

ARRIVALS, PAUSED, CLAIMS = "{t:d}:arrivals", "{t:d}:paused", "{t:d}:claims:a"
UNTIL_RESUMED = Pause(None, 1700000000.0, "ada at laptop", "deploy")


@pytest.fixture
def enrolled(queue: CountingQueue, client: Any) -> CountingQueue:
    """Owner ``a`` is known; 1, 2 and 3 wait."""
    client.lpush("t:d", b"1", b"2", b"3")
    queue.enroll("a", 0)
    return queue


def held(client: Any, key: str = "t:d") -> list[bytes]:
    """What is in a list, the oldest first."""
    entries: list[bytes] = client.lrange(key, 0, -1)
    return entries[::-1]


def waits(seconds: float = 20.0) -> Callable[[int, float], bool]:
    """A pause that ends when the reply is there."""

    def pause(descriptor: int, _: float) -> bool:
        return bool(select.select([descriptor], [], [], seconds)[0])

    return pause


# Claims.


def test_nothing_is_claimed_until_it_is_resumed(
    enrolled: CountingQueue, link: Link, client: Any
) -> None:
    assert pause(link, "t:d", UNTIL_RESUMED) is None
    assert enrolled.claim("a", 0, 2) == []
    assert held(client) == [b"1", b"2", b"3"]
    assert resume(link, "t:d") == UNTIL_RESUMED
    assert enrolled.claim("a", 0, 2) == [b"1", b"2"]


def test_what_is_done_is_settled_and_the_rest_goes_back_in_order(
    enrolled: CountingQueue, link: Link, client: Any
) -> None:
    assert enrolled.claim("a", 0, 3) == [b"1", b"2", b"3"]
    pause(link, "t:d", UNTIL_RESUMED)
    assert enrolled.claim("a", 1, 3) == []
    assert held(client) == [b"2", b"3"]
    assert held(client, CLAIMS) == []


def test_claim_that_comes_twice_takes_nothing_away_that_may_run(
    enrolled: CountingQueue, link: Link, client: Any
) -> None:
    assert enrolled.claim("a", 0, 2) == [b"1", b"2"]
    pause(link, "t:d", UNTIL_RESUMED)
    last = enrolled.tokens["a"]
    assert enrolled.claim("a", 0, 2, Tokens(last - 1, last)) == [b"1", b"2"]
    assert held(client) == [b"3"]


def test_what_rang_goes_back_in_front(enrolled: CountingQueue, link: Link, client: Any) -> None:
    pause(link, "t:d", UNTIL_RESUMED)
    for _ in range(2):
        client.lmove("t:d", ARRIVALS, "RIGHT", "LEFT")
    assert enrolled.claim("a", 0, 2) == []
    assert held(client) == [b"1", b"2", b"3"]


def test_what_was_moved_by_commands_goes_back(
    queue: CountingQueue, link: Link, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moves, "LARGE", 1)
    client.lpush("t:d", b"1", b"2", b"3", b"4")
    queue.enroll("a", 0)
    assert queue.claim("a", 0, 1) == [b"1"]
    pause(link, "t:d", UNTIL_RESUMED)
    assert queue.claim("a", 1, 2) == []
    assert (held(client), held(client, CLAIMS)) == ([b"2", b"3", b"4"], [])


def test_it_ends_by_itself(enrolled: CountingQueue, link: Link) -> None:
    pause(link, "t:d", Pause(0.05))
    assert enrolled.claim("a", 0, 1) == []
    assert eventually(lambda: enrolled.claim("a", 0, 1)) == [b"1"]


def test_full_server_is_paused_and_resumed(
    enrolled: CountingQueue, link: Link, client: Any
) -> None:
    used = client.info("memory")["used_memory"]
    client.config_set("maxmemory", used // 2)
    try:
        pause(link, "t:d", UNTIL_RESUMED)
        assert enrolled.claim("a", 0, 1) == []
        assert resume(link, "t:d")
        assert enrolled.claim("a", 0, 1) == [b"1"]
    finally:
        client.config_set("maxmemory", 0)


@pytest.mark.parametrize("key", ["hset", "lpush"])
def test_key_of_the_wrong_type_loses_nothing(
    enrolled: CountingQueue, link: Link, client: Any, key: str
) -> None:
    client.hset(PAUSED, "a", "b") if key == "hset" else client.lpush(PAUSED, "b")
    with pytest.raises(Exception, match="WRONGTYPE"):
        enrolled.claim("a", 0, 1)
    client.delete(PAUSED)
    assert enrolled.claim("a", 0, 1) == [b"1"]


# Waiting for its end.


class Waiting(threading.Thread):
    """An owner that has found the queue paused, and waits."""

    def __init__(self, client: Any, name: str) -> None:
        super().__init__(daemon=True)
        self.link = Link(client, timeout=30)
        self.queue = CountingQueue(self.link, "t:d", lease=30)
        self.owner = name
        self.rang: bool | None = None
        self.queue.enroll(name, 0)
        assert self.queue.claim(name, 0, 1) == []

    def run(self) -> None:
        self.rang = self.queue.wait(20, waits())
        self.link.close()


def await_blocked(client: Any, count: int) -> None:
    eventually(lambda: client.info("clients")["blocked_clients"] == count, f"{count} who wait")


@pytest.mark.parametrize("number", [1, 5])
def test_all_who_wait_are_woken_and_no_push_wakes_them(
    client: Any, link: Link, number: int
) -> None:
    pause(link, "t:d", UNTIL_RESUMED)
    waiting = [Waiting(client, f"w{n}") for n in range(number)]
    for each in waiting:
        each.start()
    await_blocked(client, number)
    client.lpush("t:d", b"1", b"2")
    client.lrange("t:d", 0, -1)
    await_blocked(client, number)
    assert held(client) == [b"1", b"2"]
    resume(link, "t:d")
    for each in waiting:
        each.join(10)
        assert each.rang is True


def test_who_comes_late_to_wait_is_woken_at_once(client: Any, link: Link) -> None:
    pause(link, "t:d", UNTIL_RESUMED)
    late = Waiting(client, "a")
    resume(link, "t:d")
    late.start()
    late.join(10)
    assert late.rang is True


def test_who_waits_for_one_pause_hears_of_the_next(client: Any, link: Link) -> None:
    """It may be over sooner."""
    pause(link, "t:d", UNTIL_RESUMED)
    waiting = Waiting(client, "a")
    waiting.start()
    await_blocked(client, 1)
    eventually(lambda: pause(link, "t:d", Pause(60)) is not None)
    waiting.join(10)
    assert waiting.rang is True
    assert waiting.queue.link is waiting.link


def test_who_was_late_for_one_pause_waits_for_the_next(client: Any, link: Link) -> None:
    """The end of the first wakes nobody who knows of the second."""
    pause(link, "t:d", UNTIL_RESUMED)
    resume(link, "t:d")
    pause(link, "t:d", UNTIL_RESUMED)
    waiting = Waiting(client, "a")
    waiting.start()
    await_blocked(client, 1)
    resume(link, "t:d")
    waiting.join(10)


def test_wait_for_a_push_ends_with_the_next_claim_where_it_is_paused_meanwhile(
    client: Any, link: Link, enrolled: CountingQueue
) -> None:
    client.delete("t:d")
    pushed = threading.Timer(0.1, lambda: client.lpush("t:d", b"4"))
    pause(link, "t:d", UNTIL_RESUMED)
    pushed.start()
    assert enrolled.wait_and_claim("a", 0, 1, 5, waits()) == []
    pushed.join()
    assert held(client) == [b"4"]
    resume(link, "t:d")
    assert enrolled.wait_and_claim("a", 0, 1, 5, waits()) == [b"4"]


def test_nothing_waits_for_who_starts_workers(client: Any, link: Link) -> None:
    client.lpush("t:d", b"1")
    queue = Queue(link, "t:d", lease=30)
    assert counted(link, [queue]) == [1]
    pause(link, "t:d", UNTIL_RESUMED)
    assert counted(link, [queue]) == [0]
    assert queue.bell.wait(5)[1] != "t:d"
    resume(link, "t:d")
    assert counted(link, [queue]) == [1]
    assert queue.bell.wait(5)[1] == "t:d"


# What is told.


def told(link: Link) -> Pause | None:
    [sizes] = sizes_of(link, ["t:d"])
    assert isinstance(sizes, Sizes)
    return sizes.paused


def test_sizes_and_overview_tell_of_it(client: Any, link: Link) -> None:
    pause(link, "t:d", UNTIL_RESUMED)
    [overview] = overviews(link, ["t:d"])
    assert isinstance(overview, Overview)
    assert told(link) == overview.sizes.paused == UNTIL_RESUMED
    pause(link, "t:d", Pause(100, 1.0, "who", "why"))
    on = told(link)
    assert on
    assert 90 < (on.left or 0) <= 100
    assert on == Pause(on.left, 1.0, "who", "why")
    resume(link, "t:d")
    assert told(link) is None


@pytest.mark.parametrize("note", ["", "x", "1 [", '1 {"since": [], "who": 1, "why": 2}', "\udcff"])
def test_anything_may_stand_there(
    client: Any, link: Link, enrolled: CountingQueue, note: str
) -> None:
    client.set(PAUSED, note.encode(errors="surrogateescape"))
    assert enrolled.claim("a", 0, 1) == []
    assert told(link) == Pause(None)
    assert resume(link, "t:d") == Pause(None)
    assert enrolled.claim("a", 0, 1) == [b"1"]


def test_resuming_what_is_not_paused_leaves_nothing(client: Any, link: Link) -> None:
    assert resume(link, "t:d") is None
    assert client.keys("*") == []


def test_two_who_pause_and_resume_at_once_end_as_one_of_them_says(
    client: Any, link: Link, enrolled: CountingQueue
) -> None:
    def work(link: Link) -> None:
        for _ in range(50):
            pause(link, "t:d", UNTIL_RESUMED)
            resume(link, "t:d")

    with ExitStack() as stack:
        links = [stack.enter_context(closing(Link(client, timeout=10))) for _ in range(2)]
        threads = [threading.Thread(target=work, args=(each,)) for each in links]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert enrolled.claim("a", 0, 1) == [b"1"]
    assert time.time() > UNTIL_RESUMED.since
