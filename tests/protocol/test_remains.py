"""What queues have left for one of their hosts to do."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from woodenwaiter.protocol.remains import Remains, remains_of

from ..counting import CountingQueue

NOTHING = Remains(0, 0, is_delayed=False, is_paused=False)


def remains(queue: CountingQueue, *owners: str) -> tuple[int, int, bool, bool]:
    [found] = remains_of(queue.link, {"t:d": owners})
    return tuple(found)


def test_nothing(queue: CountingQueue) -> None:
    assert remains(queue) == remains(queue, "a", "b") == (0, 0, False, False)


def test_what_waits_is_in_two_places(queue: CountingQueue, client: Any) -> None:
    client.lpush("t:d", "1", "2")
    client.lpush("{t:d}:arrivals", "3")
    assert remains(queue) == (3, 0, False, False)


def test_only_ones_own_claims_count(queue: CountingQueue, client: Any) -> None:
    for owner, want in (("a", 2), ("b", 1), ("another", 4)):
        client.lpush("t:d", *(["{}"] * want * 3))
        queue.enroll(owner, 0)
        queue.claim(owner, 0, want)
    held = {owner: client.llen(f"{{t:d}}:claims:{owner}") for owner in ("a", "b", "another")}
    assert all(held.values())
    assert remains(queue, "a", "b")[1] == held["a"] + held["b"]
    assert remains(queue, "another")[1] == held["another"]


@pytest.mark.parametrize(
    ("due", "expected"), [(0, True), (1e18, True), ("-inf", True), ("inf", False)]
)
def test_what_is_never_due_is_not_awaited(
    queue: CountingQueue, client: Any, due: Any, expected: bool
) -> None:
    client.zadd("{t:d}:delayed", {"x": "inf"})
    client.zadd("{t:d}:delayed", {"y": due})
    assert remains(queue) == (0, 0, expected, False)


def test_pause(queue: CountingQueue, client: Any) -> None:
    client.set("{t:d}:paused", "1 {}")
    assert remains(queue) == (0, 0, False, True)


def test_several_queues(queue: CountingQueue, client: Any) -> None:
    client.lpush("t:e", "1")
    found = remains_of(queue.link, {"t:d": (), "t:e": ("a",)})
    assert found == [NOTHING, NOTHING._replace(waiting=1)]


def test_what_is_wrong_is_raised(queue: CountingQueue, client: Any) -> None:
    client.set("t:d", "a string")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        remains(queue)
