"""A cluster whose nodes take each other's place, and pass slots on, while tasks come and run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ..application import Application
from ..load import Load
from ..support import Programs, eventually
from ..topologies.cluster import SLOTS, Cluster, slot_of

pytestmark = pytest.mark.xdist_group("cluster")

QUEUES = ("t:a", "t:b", "t:c")

GETS_ON = 8.0
"""Seconds within which what is pushed after a failover runs."""


@pytest.fixture(scope="module")
def shared_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path_factory.mktemp("cluster"), replicas=3)
    yield cluster
    cluster.close()


@pytest.fixture
def cluster(shared_cluster: Cluster) -> Cluster:
    shared_cluster.heal()
    shared_cluster.empty()
    return shared_cluster


@pytest.fixture
def load(programs: Programs, cluster: Cluster) -> Load:
    load = Load(Application(programs, cluster), QUEUES)
    load.serve()
    return load


def test_queues_are_on_all_nodes() -> None:
    assert {slot_of(queue) * 3 // SLOTS for queue in QUEUES} == {0, 1, 2}


def test_primary_is_killed_and_its_replica_takes_over(cluster: Cluster, load: Load) -> None:
    with load.produced():
        former = cluster.owner("t:a")
        replica = cluster.replica_of(former)
        with load.forgetting([former], replicas=1):
            former.kill()
            load.await_progress(GETS_ON, "t:b", "t:c")  # others are none the worse
            eventually(lambda: cluster.owner("t:a") is replica, "its replica in its place", 30)
            load.await_progress(GETS_ON)
    load.account(cluster.primaries)


def test_failover_as_an_operator_wishes_loses_nothing(cluster: Cluster, load: Load) -> None:
    with load.produced():
        for queue in QUEUES:
            cluster.fail_over(cluster.replica_of(cluster.owner(queue)))
            load.await_progress(GETS_ON)
        cluster.settle()
    assert not load.account(cluster.primaries)


def test_slots_move_back_and_forth(cluster: Cluster, load: Load) -> None:
    """Key by key. Meanwhile a queue's keys are at two nodes, neither of which runs a script."""
    owners = [cluster.owner(queue) for queue in QUEUES]
    with load.produced():
        for targets in (owners[1:] + owners[:1], owners):
            for queue, target in zip(QUEUES, targets, strict=True):
                cluster.begin_move(queue, target)
                load.await_pushes()
                cluster.move_keys(queue, target)
                load.await_pushes()
                cluster.end_move(queue, target)
            load.await_progress(GETS_ON)
    assert not load.account(cluster.primaries)


def test_primary_that_stood_still_is_left_when_it_goes_on(cluster: Cluster, load: Load) -> None:
    with load.produced():
        former = cluster.owner("t:a")
        replica = cluster.replica_of(former)
        with load.forgetting([former], replicas=1):
            former.pause()
            eventually(lambda: cluster.owner("t:a") is replica, "its replica in its place", 30)
            load.await_progress(GETS_ON)
            former.go_on()
            cluster.settle()
        load.await_progress(GETS_ON)
        assert former.follows(replica)
    load.account(cluster.primaries)


def test_replica_that_lags_takes_over(cluster: Cluster, load: Load) -> None:
    """What it does not know is lost; what it does not know to be done runs again."""
    with load.produced():
        former = cluster.owner("t:a")
        replica = cluster.replica_of(former)
        known = load.push("t:a", seconds=0.5)
        load.await_start(known)
        with load.forgetting([former], replicas=1):
            replica.refuse_news()
            former.turn_replicas_away()
            load.await_progress()
            unknown = load.push("t:a", seconds=1.0)
            load.await_start(unknown)
            behind = load.push("t:a")
            former.kill()
            cluster.fail_over(replica, "TAKEOVER")
            load.await_progress(GETS_ON)
        cluster.heal()
    assert behind in load.account(cluster.primaries)
    assert load.runs(known) == 2


def test_idle_workers_go_where_their_queue_is(cluster: Cluster, load: Load) -> None:
    """No push wakes them where it was."""
    successor = cluster.replica_of(cluster.owner("t:a"))
    cluster.fail_over(successor)
    load.assert_serves("t:a", GETS_ON)
    cluster.settle()
    for target in (cluster.owner("t:b"), successor):
        cluster.move("t:a", target)
        load.assert_serves("t:a", GETS_ON)
