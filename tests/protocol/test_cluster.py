"""A cluster: each key is asked for where it is, and who is away holds up nobody else."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
import redis
from redis.cluster import RedisCluster

from woodenwaiter import pace
from woodenwaiter.protocol.letters import Filter
from woodenwaiter.protocol.link import Interrupted, Link, ServerTrouble
from woodenwaiter.protocol.looks import peek
from woodenwaiter.protocol.queue import registered
from woodenwaiter.protocol.scripts import CLAIM
from woodenwaiter.protocol.stranded import Search
from woodenwaiter.protocol.trash import trashes_of
from woodenwaiter.protocol.urls import client_at
from woodenwaiter.verbs.audit import audit
from woodenwaiter.verbs.cancelling import Outcome, cancel
from woodenwaiter.verbs.desk import Desk
from woodenwaiter.verbs.letters import drop, groups, requeue, sought
from woodenwaiter.verbs.pausing import pause, resume
from woodenwaiter.verbs.putting import put
from woodenwaiter.verbs.trash import purge, restore

from ..counting import CountingQueue
from ..support import eventually
from ..topologies.cluster import Cluster, slot_of

pytestmark = pytest.mark.xdist_group("links to a cluster")  # shares servers

NAMES = ["a:d", "b:d", "c:d", "d:d", "e:d", "f:d"]


def patient(fd: int, seconds: float) -> bool:
    return True


@pytest.fixture(scope="module")
def shared_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    yield cluster
    cluster.close()


@pytest.fixture
def cluster(shared_cluster: Cluster) -> Cluster:
    shared_cluster.empty()
    return shared_cluster


@pytest.fixture
def own_cluster(tmp_path: Path) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path, replicas=1)
    yield cluster
    cluster.close()


@pytest.fixture(params=["a node", "cluster"])
def link(request: pytest.FixtureRequest, cluster: Cluster) -> Iterator[Link]:
    """By the plain address of one node, and by the cluster's."""
    one = f"redis://{cluster.primaries[0].address}"
    link = Link(client_at(one if request.param == "a node" else cluster.url), timeout=5)
    yield link
    link.close()


def test_names_lie_on_all_nodes(cluster: Cluster) -> None:
    assert {cluster.owner(name) for name in NAMES} == set(cluster.primaries)


def test_each_key_is_found_where_it_is(link: Link, cluster: Cluster) -> None:
    for name in NAMES:
        link.call("SET", name, name)
    assert [link.call("GET", name) for name in NAMES] == [name.encode() for name in NAMES]
    for name in NAMES:
        assert cluster.owner(name).client.get(name) == name.encode()


def test_all_keys_are_asked_for_at_once(link: Link, cluster: Cluster) -> None:
    assert link.exchange([("SET", name, name) for name in NAMES]) == [b"OK"] * len(NAMES)
    commands = [(verb, name) for name in NAMES for verb in ("GET", "LLEN")]
    outcomes = link.exchange(commands)
    assert outcomes[::2] == [name.encode() for name in NAMES]
    assert all("WRONGTYPE" in str(refused) for refused in outcomes[1::2])
    assert link.call("GET", "a:d") == b"a:d"


def test_queues_do_all_that_they_do(link: Link, cluster: Cluster) -> None:
    for name in NAMES:
        queue = CountingQueue(link, name, lease=30)
        queue.register()
        queue.enroll("me", 0)
        cluster.owner(name).client.lpush(name, "1", "2")
        assert queue.wait_and_claim("me", 0, 1, 5, patient) == [b"1"]
        assert queue.claim("me", 1, 1) == [b"2"]
        assert queue.wait(0.1, patient) is False
        assert queue.sizes()["claimed"] == 1
    assert registered(link) == NAMES


def test_operators_do_all_that_they_do(link: Link, cluster: Cluster) -> None:
    """Each queue's keys are in its slot, and the audit in another."""
    desk = Desk(link, "ada", "here")
    for name in NAMES:
        assert [step.pushed for step in put(desk, name, [b"{}", b'{"n": 1}'])][-1] == 2
        pause(desk, name)
        queue = CountingQueue(link, name, lease=30)
        queue.enroll("me", 0)
        assert queue.wait_and_claim("me", 0, 1, 5, patient) == []
        resume(desk, name)
        [digest] = {task.name for task in peek(link, name, 2) if task.payload == b"{}"}
        assert cancel(desk, name, digest).outcome is Outcome.WAITING
        everything = sought(link, name, Filter())
        assert [step.number for step in drop(desk, name, everything)][-1] == 1
        [[trash]] = trashes_of(link, [name])  # type: ignore[misc]
        assert [step.number for step in restore(desk, name, trash.name)][-1] == 1
        assert len(groups(link, name, Filter()).groups) == 1
        assert [s.number for s in requeue(desk, name, sought(link, name, Filter()))][-1] == 1
        assert purge(desk, name).number == 2
    assert len(audit(link, 100)) == 8 * len(NAMES)


def test_addresses_tell_nodes_apart(link: Link, cluster: Cluster) -> None:
    link.exchange([("GET", name) for name in NAMES])
    for name in NAMES:
        assert cluster.owner(name).address in link.address_for(name)
    eventually(lambda: link.call("GET", "a:d") is None and len(link.nodes()) == 3)
    for node in link.nodes():
        assert node.call("ECHO", "x") == b"x"
    assert len({node.address for node in link.nodes()}) == 3


def test_connections_are_few(link: Link, cluster: Cluster) -> None:
    before = [len(node.client.client_list()) for node in cluster.primaries]
    for _ in range(3):
        link.exchange([("GET", name) for name in NAMES])
    after = [len(node.client.client_list()) for node in cluster.primaries]
    assert [b - a for a, b in zip(before, after, strict=True)] == [1, 1, 1]


def test_slot_that_moves_is_followed(own_cluster: Cluster) -> None:
    cluster = own_cluster
    link = Link(client_at(cluster.url), timeout=5)
    link.call("SET", "a:d", "1")
    target = next(node for node in cluster.primaries if node is not cluster.owner("a:d"))
    cluster.begin_move("a:d", target)
    assert link.call("GET", "a:d") == b"1"
    assert link.call("SET", "{a:d}:new", "2") == b"OK"  # ASK
    assert target.client.execute_command("CLUSTER COUNTKEYSINSLOT", slot_of("a:d")) == 1
    assert link.exchange([("GET", "{a:d}:new"), ("GET", "a:d"), ("GET", "b:d")]) == [
        b"2",
        b"1",
        None,
    ]
    with pytest.raises(redis.RedisError, match=r"(?i)try ?again|multiple keys"):
        link.call("MGET", "a:d", "{a:d}:new")  # TRYAGAIN
    cluster.move_keys("a:d", target)
    cluster.end_move("a:d", target)
    assert link.call("MGET", "a:d", "{a:d}:new") == [b"1", b"2"]
    assert target.address in link.address_for("a:d")
    link.close()


def test_wait_goes_where_its_slot_goes(own_cluster: Cluster) -> None:
    cluster = own_cluster
    link = Link(client_at(cluster.url), timeout=5)
    queue = CountingQueue(link, "a:d", lease=30)
    queue.enroll("me", 0)
    target = next(node for node in cluster.primaries if node is not cluster.owner("a:d"))
    waited = 0

    def pause(fd: int, seconds: float) -> bool:
        nonlocal waited
        waited += 1
        if waited == 1:
            eventually(lambda: cluster.owner("a:d").client.info("clients")["blocked_clients"])
            cluster.move("a:d", target)
            target.client.lpush("a:d", "1")
        return True

    assert queue.wait_and_claim("me", 0, 1, 5, pause) == [b"1"]
    assert waited == 2
    link.close()


def test_given_up_wait_ends_on_the_node_too(link: Link, cluster: Cluster) -> None:
    node = cluster.owner("b:d").client

    def give_up(fd: int, seconds: float) -> bool:
        return not eventually(lambda: node.info("clients")["blocked_clients"])

    with pytest.raises(Interrupted):
        link.wait([("BLPOP", "b:d", 0)], 100, give_up)
    eventually(lambda: not node.info("clients")["blocked_clients"])
    assert link.call("GET", "b:d") is None


def test_silent_nodes_hold_up_nobody_else(link: Link, cluster: Cluster) -> None:
    link.timeout = 1
    link.exchange([("GET", name) for name in NAMES])
    silent = [cluster.primaries[0], cluster.primaries[2]]
    for node in silent:
        node.pause()
    try:
        began = time.monotonic()
        outcomes = link.exchange([("SET", name, "1") for name in NAMES])
        assert time.monotonic() - began < 1.5
    finally:
        for node in silent:
            node.go_on()
    for name, outcome in zip(NAMES, outcomes, strict=True):
        if cluster.owner(name) in silent:
            assert isinstance(outcome, redis.TimeoutError)
        else:
            assert outcome == b"OK"
    eventually(lambda: _is_well(link))


def _is_well(link: Link) -> bool:
    return link.exchange([("LLEN", "x" + name) for name in NAMES]) == [0] * len(NAMES)


def test_who_takes_over_is_found(own_cluster: Cluster) -> None:
    first = own_cluster.nodes[0]
    names = [name for name in NAMES if own_cluster.owner(name) is first]
    links = [
        Link(client_at(url), timeout=1) for url in (own_cluster.url, f"redis://{first.address}")
    ]
    for link in links:
        link.call("SET", names[0], "kept")
    eventually(own_cluster.nodes[3].client.dbsize, "the replication")
    first.kill()
    for link in links:
        eventually(partial(_has, link, names[0], b"kept"), "a new primary")
        assert own_cluster.nodes[3].address in link.address_for(names[0])
        link.close()


def _has(link: Link, key: str, value: bytes) -> bool:
    try:
        return bool(link.call("GET", key) == value)
    except ServerTrouble:
        return False


def test_cluster_of_the_users_own_making(cluster: Cluster) -> None:
    for protocol in (2, 3):
        client = RedisCluster(
            host="127.0.0.1", port=cluster.nodes[1].port, protocol=protocol, client_name="me"
        )
        link = Link(client, timeout=5)
        queue = CountingQueue(link, "c:d", lease=30)
        queue.enroll("me", 0)
        client.lpush("c:d", "1")
        assert queue.claim("me", 0, 1) == [b"1"]
        assert link.call("CLIENT", "GETNAME") == b"me"
        queue.release("me", 1)
        link.close()
        client.close()


def test_addresses_are_those_the_user_translates_to(cluster: Cluster) -> None:
    seen = []

    def remap(address: tuple[str, int]) -> tuple[str, int]:
        seen.append(address)
        return "localhost", address[1]

    client = RedisCluster(host="localhost", port=cluster.nodes[0].port, address_remap=remap)
    seen.clear()
    link = Link(client, timeout=5)
    link.exchange([("GET", name) for name in NAMES])
    link.exchange([("GET", name) for name in NAMES])
    assert {host for host, _ in seen} == {"127.0.0.1"}
    assert all("localhost" in link.address_for(name) for name in NAMES)
    link.close()
    client.close()


def test_scripts_run_on_each_node(link: Link, cluster: Cluster) -> None:
    for node in cluster.primaries:
        node.client.script_flush()
    for name in NAMES:
        outcome = link.exchange([("EVALSHA", CLAIM.sha, 1, name, "a", 0, 1, 1, 1, 1, 1, 1, 1)])[0]
        assert isinstance(outcome, redis.RedisError)
        CountingQueue(link, name, lease=30).enroll("me", 0)


def test_what_waits_for_replicas_goes_along(link: Link, cluster: Cluster) -> None:
    """WAIT has no key: it concerns the connection that wrote."""
    link.call("GET", "a:d")
    for name in NAMES:
        assert link.exchange([("SET", name, "1"), ("WAIT", 0, 1)]) == [b"OK", 0]
        written = int(cluster.owner(name).client.info("commandstats")["cmdstat_wait"]["calls"])
        assert written


@pytest.mark.parametrize("number", [0, 2])
def test_search_passes_a_silent_node_by(cluster: Cluster, number: int) -> None:
    """It may have none of the queues that are waited for meanwhile."""
    link = Link(client_at(cluster.url), timeout=1.2)
    link.exchange([("GET", name) for name in NAMES])
    silent = next(n for n in cluster.primaries if link.nodes()[number].address.endswith(n.address))
    search = Search(link, -pace.SEARCH)
    silent.pause()
    try:
        took = [_seconds_of(search, step * pace.SEARCH) for step in range(1, 7)]
    finally:
        silent.go_on()
        link.close()
    assert len([seconds for seconds in took if seconds > 1]) <= 1


def _seconds_of(search: Search, now: float) -> float:
    began = time.monotonic()
    with suppress(*ServerTrouble):
        search.attend([], now)
    return time.monotonic() - began
