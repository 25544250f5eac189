"""Claims of large entries, which are moved by commands in front of the script."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import redis

from woodenwaiter.errors import LeaseLost
from woodenwaiter.protocol import moves
from woodenwaiter.protocol.entry import RUNS_ALONE
from woodenwaiter.protocol.link import Link
from woodenwaiter.protocol.queue import ENOUGH_BYTES

from ..counting import CountingQueue

SETTLED, CLAIMS = "{t:d}:settled", "{t:d}:claims:a"
SIZES = [moves.LARGE, 100_000, ENOUGH_BYTES // 2, 2 * ENOUGH_BYTES]


def large(number: int, size: int = 100_000, header: bytes = b"") -> bytes:
    return header + b"%06d" % number + b"x" * size


def numbers(claims: list[bytes]) -> list[int]:
    return [int(claim[:6]) for claim in claims]


def moved(client: Any) -> int:
    """How many entries were moved by commands so far."""
    called: int = client.info("commandstats").get("cmdstat_lmove", {"calls": 0})["calls"]
    return called


@pytest.fixture
def used_to_large(queue: CountingQueue, client: Any) -> CountingQueue:
    """Owner ``a``, which has claimed a large entry, and has it done when it claims again."""
    client.lpush("t:d", large(0))
    queue.enroll("a", 0)
    assert numbers(queue.claim("a", 0, 1)) == [0]
    return queue


@pytest.mark.parametrize("size", SIZES)
def test_large_entries_come_in_order_and_not_through_the_script(
    queue: CountingQueue, client: Any, size: int
) -> None:
    client.lpush("t:d", *(large(number, size) for number in range(12)))
    queue.enroll("a", 0)
    done = numbers(queue.claim("a", 0, 1))
    before = moved(client)
    while claims := queue.claim("a", len(done), 4):
        assert len(claims) <= max(1, ENOUGH_BYTES // size)
        assert claims == client.lrange(CLAIMS, 0, -1)[::-1]
        done += numbers(claims)
    assert done == list(range(12))
    assert moved(client) - before >= 11


def test_small_entries_are_left_to_the_script(queue: CountingQueue, client: Any) -> None:
    client.lpush("t:d", *(large(number, 1000) for number in range(20)))
    queue.enroll("a", 0)
    before = moved(client)
    assert numbers(queue.claim("a", 0, 10)) == [*range(10)]
    assert numbers(queue.claim("a", 10, 10)) == [*range(10, 20)]
    assert moved(client) == before


def test_what_was_lost_sight_of_comes_before_anything_is_moved(
    used_to_large: CountingQueue, client: Any
) -> None:
    client.lpush("t:d", large(1), large(2), large(3))
    assert numbers(used_to_large.claim("a", 1, 2)) == [1, 2]
    assert numbers(used_to_large.claim("a", 2, 2)) == [2], "one of them was not run"


def test_moves_leave_a_share_to_others(used_to_large: CountingQueue, client: Any) -> None:
    used_to_large.enroll("b", 0)
    client.lpush("t:d", large(1), large(2), large(3), large(4))
    assert numbers(used_to_large.claim("a", 1, 4)) == [1, 2]
    assert numbers(client.lrange("t:d", 0, -1)) == [4, 3], "in their order"


def test_moves_of_an_owner_that_has_ended_go_back(
    used_to_large: CountingQueue, client: Any
) -> None:
    client.lpush("t:d", large(1), large(2), large(3))
    client.hdel(SETTLED, "a")
    client.delete(CLAIMS)
    before = moved(client)
    with pytest.raises(LeaseLost):
        used_to_large.claim("a", 1, 2)
    assert moved(client) > before, "or else nothing is tried here"
    assert numbers(client.lrange("t:d", 0, -1)) == [3, 2, 1], "in their order"
    assert not client.exists(CLAIMS)


def test_large_entry_that_must_run_alone_waits_for_another(
    used_to_large: CountingQueue, client: Any
) -> None:
    header = b'\x1e{"id": "n", "deliveries": 1, %b}\n' % RUNS_ALONE.encode()
    client.lpush("t:d", large(1, header=header), large(2, header=header), large(3))
    another = CountingQueue(Link(client, timeout=10), "t:d", lease=30)
    another.enroll("b", 0)
    assert another.claim("b", 0, 1) == [large(1, header=header)]
    another.link.close()
    before = moved(client)
    assert numbers(used_to_large.claim("a", 1, 1)) == [3]
    assert moved(client) == before + 1, "or else nothing is tried here"
    assert client.zrange("{t:d}:delayed", 0, -1) == [large(2, header=header)]


def forgotten(client: Any) -> None:
    client.script_flush()


def full(client: Any) -> None:
    client.config_set("maxmemory", 1)


@pytest.mark.parametrize("happens", [forgotten, full])
def test_where_a_part_is_refused_the_script_is_asked(
    used_to_large: CountingQueue, client: Any, happens: Callable[[Any], None]
) -> None:
    client.lpush("t:d", *(large(number) for number in range(1, 7)))
    happens(client)
    try:
        assert numbers(used_to_large.claim("a", 1, 3)) == [1, 2, 3]
        assert numbers(used_to_large.claim("a", 4, 3)) == [4, 5, 6]
    finally:
        client.config_set("maxmemory", 0)


def test_after_a_broken_claim_nothing_more_is_moved_for_its_owner(
    used_to_large: CountingQueue, client: Any
) -> None:
    """Its commands may come late, and must not meet those of a later claim."""
    client.lpush("t:d", *(large(number) for number in range(1, 9)))
    client.client_kill_filter(_type="normal", skipme=True)
    with pytest.raises(redis.ConnectionError):
        used_to_large.claim("a", 1, 2)
    before = moved(client)
    for done in (1, 3, 5):
        assert numbers(used_to_large.claim("a", done, 2)) == [done, done + 1]
    assert moved(client) == before
