"""Sentinels, and servers that take each other's place while tasks come and run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import redis

from ..application import Application
from ..load import Load
from ..support import Programs, eventually
from ..topologies.node import Node
from ..topologies.sentinels import Sentinels

pytestmark = pytest.mark.xdist_group("sentinels")

QUEUES = ("t:a", "t:b")

GETS_ON = 8.0
"""Seconds within which what is pushed after a failover runs: a sentinel takes up to a second to
tell the former primary, a worker reconnects within a fifth of a lease, and machines are busy."""


@pytest.fixture(scope="module")
def shared_sentinels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sentinels]:
    sentinels = Sentinels(tmp_path_factory.mktemp("sentinels"), replicas=2)
    yield sentinels
    sentinels.close()


@pytest.fixture
def sentinels(shared_sentinels: Sentinels) -> Sentinels:
    shared_sentinels.heal()
    shared_sentinels.client.flushall()
    return shared_sentinels


@pytest.fixture
def load(programs: Programs, sentinels: Sentinels) -> Load:
    load = Load(Application(programs, sentinels), QUEUES)
    load.serve()
    return load


def test_primary_is_killed_and_another_takes_over(sentinels: Sentinels, load: Load) -> None:
    with load.produced():
        former = sentinels.primary
        with load.forgetting([former], replicas=2):
            former.kill()
            sentinels.successor_of(former)
            load.await_progress(GETS_ON)
    load.account([sentinels.primary])


def test_failover_as_an_operator_wishes(sentinels: Sentinels, load: Load) -> None:
    with load.produced():
        with load.forgetting([sentinels.primary], replicas=2):
            sentinels.fail_over()
            load.await_progress(GETS_ON)
        sentinels.settle()
    load.account([sentinels.primary])


def test_primary_that_stood_still_is_left_when_it_goes_on(sentinels: Sentinels, load: Load) -> None:
    with load.produced():
        former = sentinels.primary
        with load.forgetting([former], replicas=2):
            former.pause()
            sentinels.successor_of(former)
            load.await_progress(GETS_ON)
            former.go_on()
            sentinels.settle()
        eventually(lambda: not workers_at(former), "workers that have left it")
        load.await_progress(GETS_ON)
    load.account([sentinels.primary])


def workers_at(node: Node) -> list[str]:
    """Connections of those who claim tasks there, or wait for some."""
    return [
        client["cmd"]
        for client in node.client.client_list(_type="normal")
        if client["cmd"] in ("blmove", "evalsha", "eval")
    ]


def test_primary_may_refuse_what_no_replica_has(sentinels: Sentinels, load: Load) -> None:
    """Producers are told, workers wait for a replica, and nothing gets lost."""
    primary = sentinels.primary
    with load.produced(), demanding(primary, replicas=1):
        for replica in sentinels.replicas:
            replica.kill()
        eventually(lambda: refuses(primary), "a primary that refuses")
        sentinels.heal()
        load.await_progress(GETS_ON)
    assert not load.account([primary])


@contextmanager
def demanding(node: Node, replicas: int) -> Iterator[None]:
    node.client.config_set("min-replicas-max-lag", 2)
    node.client.config_set("min-replicas-to-write", replicas)
    try:
        yield
    finally:
        node.client.config_set("min-replicas-to-write", 0)


def refuses(node: Node) -> bool:
    try:
        node.client.set("refused", 0)
    except redis.ResponseError as error:
        return str(error).startswith("NOREPLICAS")
    return False


def test_replica_that_lags_takes_over(sentinels: Sentinels, load: Load) -> None:
    """What it does not know is lost; what it does not know to be done runs again."""
    with load.produced():
        former = sentinels.primary
        known = load.push("t:a", seconds=0.5)
        with load.forgetting([former], replicas=2):
            for replica in sentinels.replicas:
                replica.refuse_news()
            former.turn_replicas_away()
            load.await_progress()
            unknown = load.push("t:b", seconds=1.0)
            load.await_start(unknown)
            behind = load.push("t:b")
            former.kill()
            sentinels.successor_of(former)
            load.await_progress(GETS_ON)
        sentinels.heal()
    assert behind in load.account([sentinels.primary])
    assert load.runs(known) == 2


def test_idle_workers_go_where_the_primary_is(sentinels: Sentinels, load: Load) -> None:
    """No push wakes them at the former one."""
    former = sentinels.fail_over()
    load.assert_serves("t:a", GETS_ON)
    sentinels.settle()
    former.pause()
    sentinels.successor_of(former)
    load.assert_serves("t:a", GETS_ON)
