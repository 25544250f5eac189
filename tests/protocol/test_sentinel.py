"""Sentinels: asked for the primary at each connection, in no hurry's way, and left again."""

from __future__ import annotations

import gc
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis
from redis.sentinel import MasterNotFoundError, Sentinel

from woodenwaiter.errors import RedisUnusable
from woodenwaiter.protocol.client import address_of, identity
from woodenwaiter.protocol.link import Link, ServerTrouble, require_usable, unusable
from woodenwaiter.protocol.urls import client_at

from ..counting import CountingQueue
from ..support import Server, eventually, free_port
from ..topologies.node import Guard, Node
from ..topologies.sentinels import Sentinels

pytestmark = pytest.mark.xdist_group("links to sentinels")  # shares servers


def patient(fd: int, seconds: float) -> bool:
    return True


@pytest.fixture(scope="module")
def shared_sentinels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sentinels]:
    sentinels = Sentinels(tmp_path_factory.mktemp("sentinels"))
    yield sentinels
    sentinels.close()


@pytest.fixture
def sentinels(shared_sentinels: Sentinels) -> Sentinels:
    shared_sentinels.primary.client.flushall()
    return shared_sentinels


@pytest.fixture
def own_sentinels(tmp_path: Path) -> Iterator[Sentinels]:
    sentinels = Sentinels(tmp_path)
    yield sentinels
    sentinels.close()


def by_url(sentinels: Sentinels, protocol: int) -> Any:
    return client_at(f"{sentinels.url}?protocol={protocol}&client_name=me")


def by_hand(sentinels: Sentinels, protocol: int) -> Any:
    nodes = [("127.0.0.1", node.port) for node in sentinels.sentinels]
    manager: Any = Sentinel
    return manager(nodes, protocol=protocol).master_for(sentinels.service, client_name="me")


@pytest.mark.parametrize("made", [by_url, by_hand])
@pytest.mark.parametrize("protocol", [2, 3])
def test_primary_is_found_and_named(sentinels: Sentinels, made: Any, protocol: int) -> None:
    client = made(sentinels, protocol)
    link = Link(client, timeout=5)
    assert link.address == address_of(client)
    assert link.address.startswith("redis+sentinel://127.0.0.1:")
    assert link.address.endswith("/kitchen")
    require_usable(link)
    queue = CountingQueue(link, "t:d", lease=30)
    queue.enroll("me", 0)
    client.lpush("t:d", "1")
    assert queue.wait_and_claim("me", 0, 1, 5, patient) == [b"1"]
    assert sentinels.primary.client.llen("{t:d}:claims:me") == 1
    assert link.call("CLIENT", "GETNAME") == b"me"
    assert link.primary == sentinels.primary.address
    link.close()
    client.close()


def test_database_is_the_one_of_the_url(sentinels: Sentinels) -> None:
    link = Link(client_at(f"{sentinels.url}/3"), timeout=5)
    link.call("SET", "k", "1")
    assert sentinels.primary.client.info("keyspace").keys() == {"db3"}
    assert link.address.endswith("/kitchen/3")
    link.close()


def test_nothing_stays_open_at_sentinels(sentinels: Sentinels) -> None:
    def ours() -> list[int]:
        """The ports of sentinels to which this process has connections."""
        ports = {node.port for node in sentinels.sentinels}
        peers = [c.raddr for c in psutil.Process().net_connections() if c.status == "ESTABLISHED"]
        return sorted(peer.port for peer in peers if peer and peer.port in ports)

    gc.collect()  # what other tests have left is none of ours
    before = ours()
    link = Link(client_at(sentinels.url), timeout=5)
    link.call("PING")
    assert ours() == before
    link.close()


def test_silent_sentinels_are_passed_over(sentinels: Sentinels) -> None:
    with ExitStack() as stack:
        silent = [stack.enter_context(socket.socket()) for _ in range(2)]
        for each in silent:
            each.bind(("127.0.0.1", 0))
            each.listen()
        hosts = [f"127.0.0.1:{each.getsockname()[1]}" for each in silent]
        hosts.append(sentinels.sentinels[0].address)
        link = Link(client_at(f"redis+sentinel://{','.join(hosts)}/kitchen"), timeout=1.5)
        began = time.monotonic()
        assert link.call("PING") == b"PONG"
        assert time.monotonic() - began < 1.5
        link.close()
        began = time.monotonic()
        assert link.call("PING") == b"PONG"
        assert time.monotonic() - began < 0.4  # the one that answers is asked first now
        link.close()


def test_sentinel_that_leads_nowhere_is_not_asked_alone(
    sentinels: Sentinels, tmp_path: Path
) -> None:
    """It has not heard of the failover that the others tell of."""
    line = f"sentinel monitor {sentinels.service} 127.0.0.1 {free_port()} 1"
    patience = f"sentinel down-after-milliseconds {sentinels.service} 600000"
    with closing(Guard()) as guard:
        stale = Node(guard, tmp_path / "stale", line, patience, arguments=["--sentinel"])
        hosts = f"{stale.address},{sentinels.sentinels[0].address}"
        link = Link(client_at(f"redis+sentinel://{hosts}/{sentinels.service}"), timeout=2)
        eventually(lambda: _is_known(link), "the other's word", 5)
        link.close()
        stale.close()


def test_service_that_nobody_knows_is_told(sentinels: Sentinels) -> None:
    link = Link(client_at(sentinels.url.replace("kitchen", "cellar")), timeout=5)
    with pytest.raises(MasterNotFoundError) as raised:
        require_usable(link)
    told = str(unusable(link.address, raised.value))
    assert "cellar: " in told
    assert told.count("no such service, of those that it knows: kitchen (") == 1
    assert "After the sentinels, the URL has the service" in told
    assert "\n" not in told


def test_absent_sentinels_are_told() -> None:
    link = Link(client_at(f"redis+sentinel://127.0.0.1:{free_port()}/kitchen"), timeout=5)
    with pytest.raises(redis.ConnectionError, match="refused") as raised:
        require_usable(link)
    assert "\n" not in str(unusable(link.address, raised.value))


def test_server_that_is_no_sentinel_is_told(server: Server) -> None:
    link = Link(client_at(f"redis+sentinel://127.0.0.1:{server.port}/kitchen"), timeout=5)
    with pytest.raises(MasterNotFoundError, match=f"it is no sentinel .*:{server.port}") as raised:
        require_usable(link)
    assert "own URL begins with redis://" in str(unusable(link.address, raised.value))
    link.close()


@pytest.mark.parametrize("kind", ["redis", "redis+cluster"])
def test_sentinel_that_is_taken_for_a_server_is_told(sentinels: Sentinels, kind: str) -> None:
    link = Link(client_at(f"{kind}://127.0.0.1:{sentinels.sentinels[0].port}"), timeout=5)
    with pytest.raises(RedisUnusable, match=r"is a sentinel.* such as redis\+sentinel://"):
        require_usable(link)
    link.close()


def test_passwords_of_sentinels_and_of_servers_are_two(own_sentinels: Sentinels) -> None:
    for node in own_sentinels.sentinels:
        node.client.acl_setuser("default", enabled=True, reset_passwords=True, passwords=["+watch"])
    own_sentinels.primary.client.config_set("requirepass", "data")
    hosts = own_sentinels.url.partition("://")[2]
    url = f"redis+sentinel://:data@{hosts}?sentinel_password=watch"
    link = Link(client_at(url), timeout=5)
    assert link.call("PING") == b"PONG"
    link.close()
    for wrong, told in (("watch", "watch!"), ("data", "data!")):
        link = Link(client_at(url.replace(wrong, told)), timeout=5)
        with pytest.raises(redis.RedisError) as raised:
            link.call("PING")
        counsel = str(unusable(link.address, raised.value))
        assert told not in counsel
        assert ("sentinel_password=…" in counsel) is (told == "watch!")
        assert counsel.count("refuses the login") == 1


def test_failover_is_followed_by_an_idle_wait(own_sentinels: Sentinels) -> None:
    link = Link(client_at(own_sentinels.url), timeout=2)
    queue = CountingQueue(link, "t:d", lease=30)
    queue.enroll("me", 0)
    primary, replica = own_sentinels.servers
    eventually(lambda: replica.client.exists("{t:d}:settled"), "the replication")

    def pause(fd: int, seconds: float) -> bool:
        primary.kill()
        return True

    with pytest.raises(ServerTrouble):
        queue.wait(10, pause)
    own_sentinels.successor_of(primary)
    eventually(lambda: _is_known(link), "the sentinels' word")
    replica.client.lpush("t:d", "1")
    assert queue.wait_and_claim("me", 0, 1, 5, patient) == [b"1"]
    link.close()


def _is_known(link: Link) -> bool:
    try:
        return bool(link.call("SET", "k", "1"))
    except ServerTrouble:
        return False


# Which are the same.


def service(name: str, *ports: int, **options: Any) -> Any:
    manager: Any = Sentinel
    return manager([("127.0.0.1", port) for port in ports]).master_for(name, **options)


def test_services_are_told_apart() -> None:
    assert identity(service("one", 1, 2)) == identity(service("one", 2, 1))
    assert identity(service("one", 1)) != identity(service("two", 1))
    assert identity(service("one", 1)) != identity(service("one", 2))
    assert identity(service("one", 1)) != identity(service("one", 1, db=2))
    assert identity(service("one", 1)) != identity(redis.Redis("127.0.0.1", 1))
