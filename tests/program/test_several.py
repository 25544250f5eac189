"""The program where its server is several: sentinels and their primary, a cluster."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.cluster import RedisCluster

from woodenwaiter import WoodenWaiter
from woodenwaiter.commands.operate import main
from woodenwaiter.errors import EXIT_REDIS, RedisUnusable
from woodenwaiter.processes.leftovers import open_connections
from woodenwaiter.protocol.client import address_of, connected_descriptors
from woodenwaiter.protocol.urls import client_at
from woodenwaiter.settings import Settings
from woodenwaiter.supervisor.embedded import server_for

from ..application import Supervisor, customer, source
from ..support import Programs, Server, eventually, free_port, lines
from ..topologies.cluster import Cluster
from ..topologies.node import Guard, Node
from ..topologies.sentinels import Sentinels

pytestmark = pytest.mark.xdist_group("several servers")  # shares servers

NAMES = ["a:d", "b:d", "c:d", "e:d", "g:d"]


@pytest.fixture(scope="module")
def shared_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("cluster")
    cluster = Cluster(folder, "cluster-require-full-coverage yes")
    yield cluster
    cluster.close()


@pytest.fixture
def cluster(shared_cluster: Cluster) -> Cluster:
    shared_cluster.empty()
    return shared_cluster


@pytest.fixture
def own_cluster(tmp_path: Path) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path / "servers")
    yield cluster
    cluster.close()


@pytest.fixture
def sentinels(tmp_path: Path) -> Iterator[Sentinels]:
    sentinels = Sentinels(tmp_path / "servers")
    yield sentinels
    sentinels.close()


def supervise(programs: Programs, url: str, text: str, *arguments: str) -> Supervisor:
    (programs.folder / "app.py").write_text(text)
    return programs.enter_context(Supervisor(programs.folder, "app", "--redis", url, *arguments))


def url_of(cluster: Cluster, kind: str) -> str:
    return cluster.url if kind == "cluster" else f"redis://{cluster.primaries[0].address}"


@pytest.mark.parametrize("kind", ["cluster", "a node"])
def test_queues_of_all_nodes_are_served(cluster: Cluster, programs: Programs, kind: str) -> None:
    text = source(*[customer(name) for name in NAMES])
    program = supervise(programs, url_of(cluster, kind), text)
    eventually(lambda: len(program.titled("worker")) == len(NAMES), "all workers")
    waiter = WoodenWaiter.from_url(cluster.url)
    for number, name in enumerate(NAMES):
        waiter.take_dish(name, {"n": number})
    done = programs.folder / "done"
    eventually(lambda: len(lines(done)) == len(NAMES), "the tasks")
    assert sorted(lines(done)) == [*map(str, range(len(NAMES)))]
    waiter.redis_clt.close()
    program.process.send_signal(signal.SIGTERM)
    assert program.process.wait(20) == 0
    assert "WARNING" not in program.log
    for name in NAMES:
        assert cluster.owner(name).client.keys(f"{{{name}}}:claims:*") == []


def test_slot_moves_under_load(tmp_path: Path, programs: Programs) -> None:
    folder = tmp_path / "servers"
    folder.mkdir()
    cluster = Cluster(folder)
    try:
        _move_under_load(cluster, programs)
    finally:
        cluster.close()


def _move_under_load(cluster: Cluster, programs: Programs) -> None:
    text = source(customer("a:d", processes=2), handler="note('done', foods['n'])")
    supervise(programs, cluster.url, text)
    waiter = WoodenWaiter.from_url(cluster.url)
    target = next(node for node in cluster.primaries if node is not cluster.owner("a:d"))
    done = programs.folder / "done"
    pushed = 0
    for stage in (cluster.begin_move, cluster.move_keys, cluster.end_move):
        for _ in range(100):
            pushed += _pushes(waiter, pushed)
        stage("a:d", target)
    for _ in range(100):
        pushed += _pushes(waiter, pushed)
    eventually(lambda: len(set(lines(done))) == pushed, "the tasks", 40)
    waiter.redis_clt.close()
    assert Counter(lines(done)) == Counter(map(str, range(pushed)))
    assert target.client.exists("{a:d}:settled")


def _pushes(waiter: WoodenWaiter, number: int) -> int:
    try:
        waiter.take_dish("a:d", {"n": number})
    except redis.RedisError:  # TRYAGAIN
        return 0
    return 1


def test_worker_that_is_idle_goes_along_with_a_failover(
    sentinels: Sentinels, programs: Programs
) -> None:
    program = supervise(programs, sentinels.url, source())
    waiter = WoodenWaiter.from_url(sentinels.url)
    waiter.take_dish("t:d", {"n": 1})
    done = programs.folder / "done"
    eventually(lambda: lines(done) == ["1"], "the first task")
    former = sentinels.primary
    program.logged(f"{address_of(waiter.client)} is {former.address} now")
    former.kill()
    sentinels.successor_of(former).client.lpush("t:d", '{"n": 2}')
    eventually(lambda: lines(done) == ["1", "2"], "the second task")
    waiter.redis_clt.close()


def operate(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 0
    return capsys.readouterr().out


def test_operators_find_all(
    cluster: Cluster, sentinels: Sentinels, capsys: pytest.CaptureFixture[str]
) -> None:
    for url in (cluster.url, url_of(cluster, "a node"), sentinels.url):
        client: Any = WoodenWaiter.from_url(url if url == sentinels.url else cluster.url).redis_clt
        for name in NAMES:
            client.sadd("woodenwaiter:queues", name)
            client.lpush(name, "{}")
            client.xadd(f"{{{name}}}:dead", {"payload": "{}", "reason": "none"}, id="5-5")
        client.close()
        told = json.loads(operate(capsys, "--redis", url, "status", "--json"))["queues"]
        assert [(of["queue"], of["waiting"], of["dead"]) for of in told] == [
            (n, 1, 1) for n in NAMES
        ]
        for name in NAMES:
            assert "5-5" in operate(capsys, "--redis", url, "dead", name)
            assert "1 back" in operate(capsys, "--redis", url, "requeue", name, "all")
            assert "0 back" in operate(capsys, "--redis", url, "requeue", name, "all")
        cluster.empty()


@pytest.mark.parametrize("url", ["redis+sentinel://{}/kitchen", "redis+cluster://{}", "redis://{}"])
def test_absent_servers_are_one_line(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    hosts = f"127.0.0.1:{free_port()}"
    assert main(["--redis", url.format(hosts), "status"]) == EXIT_REDIS
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert hosts in told


def test_server_that_is_no_cluster_is_one_line(
    server: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--redis", f"redis+cluster://127.0.0.1:{server.port}", "status"]) == EXIT_REDIS
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "is no cluster" in told


def test_supervisor_waits_for_a_cluster_and_gives_up(programs: Programs) -> None:
    url = f"redis+cluster://127.0.0.1:{free_port()}"
    program = supervise(programs, url, source(), "--redis-wait", "1")
    assert program.process.wait(20) == EXIT_REDIS
    assert re.search(rf"no usable Redis at {re.escape(url)}: ", program.log)
    assert "Traceback" not in program.log


def test_cluster_without_all_slots_is_waited_for(cluster: Cluster, programs: Programs) -> None:
    """It says of itself that it is down."""
    first, _, last = cluster.primaries
    last.pause()
    try:
        eventually(lambda: first.client.cluster("info")["cluster_state"] == "fail")
        url = f"redis+cluster://{first.address}"
        program = supervise(programs, url, source(), "--redis-wait", "2")
        assert program.process.wait(20) == EXIT_REDIS
        assert re.search("no usable Redis at .*: (CLUSTERDOWN|Timeout)", program.log)
    finally:
        last.go_on()
        eventually(lambda: first.client.cluster("info")["cluster_state"] == "ok")


# Producers.


def test_url_of_a_cluster_connects_at_its_first_use(cluster: Cluster) -> None:
    waiter = WoodenWaiter.from_url(f"redis+cluster://127.0.0.1:{free_port()}")
    with pytest.raises(redis.RedisError):
        waiter.take_dish("t:d", {})
    waiter = WoodenWaiter.from_url(cluster.url)
    assert isinstance(waiter.redis_clt, RedisCluster)
    assert waiter.redis_clt is waiter.redis_clt
    for name in NAMES:
        waiter.take_dish(name, {"n": name})
        assert waiter.serve_dish(name) == {"n": name}
    waiter.redis_clt.close()
    given = redis.Redis()
    waiter.redis_clt = given
    assert waiter.redis_clt is waiter.client is given


def test_producer_at_one_node_is_told_of_the_others(cluster: Cluster) -> None:
    waiter = WoodenWaiter.from_url(f"redis://:s3cret@{cluster.primaries[0].address}")
    waiter.redis_clt.connection_pool.connection_kwargs.pop("password")
    for name in NAMES:
        if cluster.owner(name) is cluster.primaries[0]:
            continue
        for ask in (lambda name: waiter.take_dish(name, {}), waiter.serve_dish):
            with pytest.raises(redis.RedisError) as raised:
                ask(name)
            assert f"redis+cluster://{cluster.primaries[0].address}" in str(raised.value)
    waiter.redis_clt.close()


def test_sockets_of_several_are_known_as_redis_pys(cluster: Cluster, sentinels: Sentinels) -> None:
    for url in (cluster.url, sentinels.url):
        before = open_connections().keys()
        waiter = WoodenWaiter.from_url(url)
        waiter.take_dish("t:d", {})
        assert open_connections().keys() - before
        assert open_connections().keys() - before <= connected_descriptors()
        waiter.redis_clt.close()


@pytest.mark.parametrize(
    "url", ["redis+sentinel://localhost/kitchen", "redis+cluster://localhost", "unix:///run/r"]
)
def test_none_of_several_is_embedded(url: str) -> None:
    with pytest.raises(RedisUnusable, match="cannot be embedded, only on localhost"):
        server_for(client_at(url), Settings(embedded=""))


def test_slot_that_is_half_moved_holds_up_no_other_queue(
    own_cluster: Cluster, programs: Programs
) -> None:
    """Somebody has begun to move it, and gone home."""
    source_node = own_cluster.owner("a:d")
    beside = next(f"{n}:d" for n in range(100) if own_cluster.owner(f"{n}:d") is source_node)
    handler = "note('begun', os.getpid()); time.sleep(foods['n'])"
    text = source(customer("a:d", processes=1), customer(beside, processes=1), handler=handler)
    program = supervise(programs, own_cluster.url, "import os, time\n" + text)
    eventually(lambda: source_node.client.exists("{a:d}:settled"), "owners")
    target = next(node for node in own_cluster.primaries if node is not source_node)
    own_cluster.begin_move("a:d", target)
    source_node.ask("MIGRATE", "127.0.0.1", target.port, "{a:d}:settled", 0, 5000)
    program.logged("TRYAGAIN")
    source_node.client.lpush(beside, '{"n": 100}')
    begun = programs.folder / "begun"
    eventually(lambda: lines(begun), "the task")
    os.kill(int(lines(begun)[0]), signal.SIGKILL)
    eventually(lambda: len(lines(begun)) == 2, "its second delivery", 10)


@pytest.mark.parametrize("kind", ["a node", "cluster"])
def test_dishes_at_nothing_are_served_wherever_they_are(
    cluster: Cluster, programs: Programs, kind: str
) -> None:
    text = source(*[customer(name, processes=(0, 1)) for name in NAMES], handler="note('n', 1)")
    program = supervise(programs, url_of(cluster, kind), text, "--cpus", "2")
    program.logged("started")
    for number, name in enumerate(NAMES, 1):
        cluster.owner(name).client.lpush(name, "{}")
        eventually(lambda n=number: len(lines(programs.folder / "n")) == n, name)  # type: ignore[misc]
    assert program.stop() == 0


def test_dish_at_nothing_is_served_by_the_primary_of_a_service(
    sentinels: Sentinels, programs: Programs
) -> None:
    text = source(customer(processes=(0, 1)), handler="note('n', 1)")
    supervise(programs, sentinels.url, text)
    waiter = WoodenWaiter.from_url(sentinels.url)
    waiter.take_dish("t:d", {})
    eventually(lambda: lines(programs.folder / "n"), "the task")
    waiter.redis_clt.close()


def test_node_that_keeps_the_list_of_queues_is_silent_and_costs_no_lease(
    own_cluster: Cluster, programs: Programs
) -> None:
    silent = own_cluster.owner("woodenwaiter:queues")
    names = [n for n in (f"{n}:d" for n in range(20)) if own_cluster.owner(n) is not silent][:6]
    text = source(*[customer(name, processes=1) for name in names])
    program = supervise(programs, own_cluster.url, text, "--lease-seconds", "3")
    eventually(lambda: len(program.titled(" idle")) == len(names), "all workers")
    owners = {name: own_cluster.owner(name) for name in names}
    silent.pause()
    for node in {*owners.values()}:
        node.client.client_kill_filter(_type="normal", skipme=True)
    until = time.monotonic() + 9
    while time.monotonic() < until:
        for name, node in owners.items():
            assert not node.client.zrangebyscore(f"{{{name}}}:leases", 0, time.time() * 1000)
        time.sleep(0.05)
    silent.go_on()


def test_each_service_is_told_of_what_its_server_would_throw_away(
    tmp_path: Path, programs: Programs, make_server: Callable[..., Server]
) -> None:
    servers = [make_server() for _ in range(2)]
    for server in servers:
        server.client.config_set("maxmemory", "100mb")
        server.client.config_set("maxmemory-policy", "allkeys-lru")
    services = {f"kitchen{n}": server.port for n, server in enumerate(servers)}
    watched = [f"sentinel monitor {name} 127.0.0.1 {port} 1" for name, port in services.items()]
    with closing(Guard()) as guard:
        sentinel = Node(guard, tmp_path / "sentinel", *watched, arguments=["--sentinel"])
        urls = [f"redis+sentinel://{sentinel.address}/{name}" for name in services]
        customers = [
            customer(f"{n}:d", waiter=f"WoodenWaiter.from_url({url!r})", processes=1)
            for n, url in enumerate(urls)
        ]
        (programs.folder / "app.py").write_text(source(*customers))
        program = programs.enter_context(Supervisor(programs.folder, "app"))
        for url in urls:
            program.logged(f"Redis at {url} has maxmemory-policy")
        program.stop()
        sentinel.close()
