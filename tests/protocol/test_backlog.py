"""What waits is counted, and rung for where nobody works."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from woodenwaiter.protocol.backlog import Doorbell, counted
from woodenwaiter.protocol.link import Link
from woodenwaiter.protocol.queue import Queue

from ..counting import CountingQueue
from ..support import Server, eventually


@pytest.fixture
def doorbell(queue: CountingQueue) -> Iterator[Doorbell]:
    doorbell = Doorbell(queue)
    yield doorbell
    doorbell.take_down()


def test_both_lists_are_counted_and_what_is_wrong_with_one_queue_is_told_in_its_place(
    queue: CountingQueue, client: Any
) -> None:
    client.lpush("t:d", "1", "2")
    client.lpush("{t:d}:arrivals", "3")
    client.set("t:e", "no list")
    queues = [queue, Queue(queue.link, "t:e", 30), Queue(queue.link, "t:f", 30)]
    number, error, none = counted(queue.link, queues)
    assert (number, none) == (3, 0)
    assert isinstance(error, redis.ResponseError)


def test_doorbell_rings_once_and_loses_nothing(doorbell: Doorbell, client: Any) -> None:
    assert doorbell.descriptor is None
    assert not doorbell.is_silent()
    assert doorbell.hang(60)
    assert doorbell.is_silent()
    client.lpush("t:d", "1", "2")
    eventually(lambda: not doorbell.is_silent())
    assert doorbell.answer()
    assert doorbell.descriptor is None
    assert client.lrange("{t:d}:arrivals", 0, -1) == [b"1"]
    assert client.lrange("t:d", 0, -1) == [b"2"]


def test_doorbell_hangs_for_so_long(doorbell: Doorbell) -> None:
    assert doorbell.hang(0.1)
    eventually(lambda: not doorbell.is_silent())
    assert doorbell.answer()


def test_server_ends_the_wait_of_a_doorbell_that_is_taken_down(
    doorbell: Doorbell, client: Any
) -> None:
    doorbell.hang(60)
    doorbell.take_down()
    eventually(lambda: not [c for c in client.client_list() if c["cmd"] == "blmove"])
    client.lpush("t:d", "1")
    assert client.llen("t:d") == 1


def test_doorbell_of_a_server_that_went_away_says_so(
    make_server: Callable[..., Server],
) -> None:
    server = make_server()
    link = Link(server.client, 1)
    doorbell = Doorbell(Queue(link, "t:d", 30))
    doorbell.hang(60)
    server.stop()
    eventually(lambda: not doorbell.is_silent())
    assert not doorbell.answer()
    assert not doorbell.hang(60)
    assert doorbell.descriptor is None


def test_doorbell_that_is_not_answered_in_time_says_so(make_server: Callable[..., Server]) -> None:
    server = make_server()
    doorbell = Doorbell(Queue(Link(server.client, 0.1), "t:d", 30))
    doorbell.hang(0.3)
    os.kill(server.pid, signal.SIGSTOP)
    eventually(lambda: not doorbell.is_silent())
    assert not doorbell.answer()


def test_doorbell_that_is_forbidden_is_not_hung_for_a_while(
    make_server: Callable[..., Server],
) -> None:
    server = make_server()
    commands = ["+@all", "-blmove"]
    server.client.acl_setuser("default", enabled=True, nopass=True, keys=["*"], commands=commands)
    doorbell = Doorbell(Queue(Link(server.client, 1), "t:d", 30))
    assert doorbell.hang(60)
    eventually(lambda: not doorbell.is_silent())
    assert not doorbell.answer()
    assert not doorbell.hang(60)
