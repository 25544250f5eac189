"""Queues at a glance, and what others have put in their places."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from woodenwaiter.protocol.beats import minutes, minutes_of
from woodenwaiter.protocol.history import Beat
from woodenwaiter.protocol.link import Link
from woodenwaiter.protocol.overview import Overview, overviews


@pytest.fixture
def link(client: Any) -> Iterator[Link]:
    link = Link(client, timeout=10)
    yield link
    link.close()


def test_of_each_queue_its_sums_are_told(link: Link, client: Any) -> None:
    client.lpush("t:d", "1", "2")
    client.hset("{t:d}:tally", "done", 5)
    [found] = overviews(link, ["t:d"])
    assert isinstance(found, Overview)
    assert found.now
    assert (found.sizes.waiting, found.now.came, found.now.done) == (2, 7, 5)
    assert abs(found.now.time - client.time()[0]) < 20


@pytest.mark.parametrize("note", ["", "no note", "1 2 3", "1 2 3 4 5 6 7 8 9", b"\xff"])
def test_note_that_is_none_costs_its_queue_its_history_alone(
    link: Link, client: Any, note: str
) -> None:
    client.lpush("t:d", "1")
    client.rpush("{t:d}:beats", note)
    client.rpush("{t:d}:minutes", note)
    client.rpush("{u:d}:minutes", "1000 2 3 4 5 6000")
    odd, other = overviews(link, ["t:d", "u:d"])
    assert isinstance(odd, Overview)
    assert isinstance(other, Overview)
    assert (odd.sizes.waiting, odd.summary, odd.now) == (1, None, None)
    assert other.summary
    wrong, right = minutes_of(link, ["t:d", "u:d"])
    assert isinstance(wrong, ValueError)
    assert right == minutes(link, "u:d") == [Beat(1, 2, 3, 4, 5, 6)]
