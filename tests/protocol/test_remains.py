"""What queues tell of what is left to do."""

from __future__ import annotations

from typing import Any

import pytest
from redis.exceptions import ResponseError

from woodenwaiter.protocol.pausing import Pause, pause
from woodenwaiter.protocol.remains import Remains, remains_of
from woodenwaiter.protocol.tokens import Tokens
from woodenwaiter.protocol.verdict import Redeliver

from ..counting import CountingQueue


def left(queue: CountingQueue, *owners: str) -> Remains:
    [told] = remains_of(queue.link, {queue.name: owners})
    assert isinstance(told, Remains)
    return told


def test_nothing(queue: CountingQueue) -> None:
    assert left(queue, "us/1") == Remains()


def test_what_waits_and_what_is_on_its_way(queue: CountingQueue, client: Any) -> None:
    client.lpush("t:d", "a", "b")
    client.blmove("t:d", "{t:d}:arrivals", 1, "RIGHT", "LEFT")
    assert left(queue) == Remains(waiting=2)


def test_claims_of_these_owners_alone(queue: CountingQueue, client: Any) -> None:
    client.lpush("t:d", "a", "b", "c")
    for owner in ("us/1", "us/2", "others/1"):
        queue.enroll(owner, 0, 1)
        assert queue.claim(owner, 0, 1, Tokens(1, 2))
    assert left(queue, "us/1", "us/2", "us/3").claimed == 2
    assert left(queue) == Remains()


def test_retry_that_is_to_come(queue: CountingQueue, client: Any) -> None:
    client.lpush("t:d", "a")
    queue.enroll("us/1", 0, 1)
    queue.claim("us/1", 0, 1, Tokens(1, 2))
    queue.fail("us/1", 1, Redeliver(0, b"", 60.0, ""), Tokens(2, 3))
    told = left(queue, "us/1")
    assert told.claimed == told.waiting == 0
    assert told.next_due
    assert 50 < told.next_due <= 60


def test_retry_that_never_comes(queue: CountingQueue, client: Any) -> None:
    client.zadd("{t:d}:delayed", {"a": "+inf"})
    assert left(queue) == Remains()


@pytest.mark.parametrize("seconds", [None, 60.0])
def test_pause(queue: CountingQueue, client: Any, seconds: float | None) -> None:
    client.lpush("t:d", "a")
    pause(queue.link, "t:d", Pause(seconds))
    assert left(queue) == Remains(waiting=1, is_paused=True)


def test_queue_whose_keys_are_somebody_elses_tells_so_alone(
    queue: CountingQueue, client: Any
) -> None:
    client.set("a:b", "x")
    trouble, told = remains_of(queue.link, {"a:b": ["us/1"], "t:d": []})
    assert isinstance(trouble, ResponseError)
    assert told == Remains()
