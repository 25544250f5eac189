"""What is pushed and settled where a replica is to have it before anybody goes on."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from woodenwaiter import NotReplicated, WoodenWaiter, WrongType, WrongValue
from woodenwaiter.protocol.keys import HOSTS

from ..application import Application, customer
from ..support import Programs, eventually
from ..topologies.cluster import Cluster
from ..topologies.node import KEEPING, Guard, Node


class Pair:
    """A primary and its replica."""

    def __init__(self, guard: Guard, folder: Path) -> None:
        self.primary = Node(guard, folder / "primary", *KEEPING)
        self.replica = Node(
            guard,
            folder / "replica",
            *KEEPING,
            f"replicaof {self.primary.address.replace(':', ' ')}",
        )
        self.url = f"redis://{self.primary.address}"
        self.client = self.primary.client
        eventually(lambda: self.replica.follows(self.primary), "a replica")

    def close(self) -> None:
        self.primary.close()
        self.replica.close()


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with closing(Guard()) as guard, closing(Pair(guard, tmp_path)) as pair:
        yield pair


def test_pushed_task_is_on_the_replica(pair: Pair) -> None:
    waiter = WoodenWaiter.from_url(pair.url, durable=1)
    for n in range(100):
        waiter.take_dish("t:d", {"n": n})
        assert pair.replica.client.llen("t:d") == n + 1
    assert pair.replica.client.lindex("t:d", 0) == b'{"n": 99}'


@pytest.mark.parametrize("replicas", [1, 2])
def test_push_that_too_few_replicas_have_is_an_error(pair: Pair, replicas: int) -> None:
    if replicas == 1:
        pair.replica.pause()
    waiter = WoodenWaiter.from_url(pair.url, durable=replicas)
    with pytest.raises(
        NotReplicated, match=rf"{replicas - 1} of {replicas} replicas .* within 1 s"
    ):
        waiter.take_dish("t:d", {})
    assert pair.client.lrange("t:d", 0, -1) == [b"{}"], "it is there all the same"


def test_push_to_a_server_without_the_right_to_wait(pair: Pair) -> None:
    pair.client.execute_command("ACL", "SETUSER", "narrow", "on", "nopass", "~*", "+lpush")
    waiter = WoodenWaiter.from_url(pair.url, durable=1, username="narrow", password="any")
    with pytest.raises(NotReplicated, match="NOPERM"):
        waiter.take_dish("t:d", {})


def test_threads_and_forks_have_connections_of_their_own(pair: Pair) -> None:
    waiter = WoodenWaiter.from_url(pair.url, durable=1)

    def push() -> None:
        for _ in range(50):
            waiter.take_dish("t:d", {})

    threads = [threading.Thread(target=push) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    waiter.take_dish("t:d", {})
    child = os.fork()
    if not child:
        push()
        os._exit(0)
    push()
    assert os.waitpid(child, 0)[1] == 0
    assert pair.replica.client.llen("t:d") == 301


def test_push_finds_its_node_of_a_cluster(tmp_path: Path) -> None:
    with closing(Cluster(tmp_path / "cluster", replicas=1)) as cluster:
        waiter = WoodenWaiter.from_url(f"redis+cluster://{cluster.nodes[1].address}", durable=1)
        queues = {cluster.owner(queue): queue for queue in map("t:{}".format, range(20))}
        waiter.take_dish(queues.pop(cluster.nodes[0]), {})
        for node, queue in queues.items():
            with pytest.raises(NotReplicated, match="0 of 1"):
                waiter.take_dish(queue, {})
            assert node.client.llen(queue) == 1


@pytest.mark.parametrize(
    ("durable", "error"), [(-1, WrongValue), ("1", WrongType), (1.5, WrongType)]
)
def test_number_of_replicas(durable: object, error: type[Exception]) -> None:
    with pytest.raises(error, match="durable"):
        WoodenWaiter(durable=durable)  # type: ignore[arg-type]


@pytest.mark.parametrize("by", ["option", "waiter"])
def test_what_is_settled_is_on_the_replica(pair: Pair, programs: Programs, by: str) -> None:
    app = Application(programs, pair)
    waiter = "WoodenWaiter(durable=1)" if by == "waiter" else "WoodenWaiter()"
    app.write(customer(waiter=waiter, processes=1))
    app.push(*({"n": n} for n in range(10)))
    options = ["--durable", "1"] if by == "option" else []
    supervisor = app.serve(*options)
    eventually(lambda: len(app.done) == 10)
    assert supervisor.stop() == 0
    assert pair.client.info("commandstats")["cmdstat_wait"]["calls"] > 0
    assert "replicas" not in supervisor.log
    assert of_queues(pair.replica.client) == of_queues(pair.client) != set()


def of_queues(client: Any) -> set[bytes]:
    """The keys, but for what nobody waits for."""
    return {key for key in client.scan_iter() if not key.startswith(HOSTS.encode())}


def test_work_goes_on_without_the_replica_and_says_so_once(pair: Pair, programs: Programs) -> None:
    pair.replica.pause()
    app = Application(programs, pair)
    app.write(processes=2)
    supervisor = app.serve("--durable", "1")
    app.push({"n": 0}, {"n": 1}, {"n": 2})
    eventually(lambda: len(app.done) == 3)
    supervisor.logged("finished tasks run again: 0 of 1 replicas have taken them within 1 s")
    assert supervisor.stop() == 0
    assert supervisor.log.count("finished tasks run again") == 1
