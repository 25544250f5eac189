"""Servers that make up one: a cluster, and a primary that sentinels watch over."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

import redis
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.exceptions import RedisError
from redis.retry import Retry

from woodenwaiter.supervisor.embedded import find_program

from .support import SERVER_PROGRAM, eventually

SLOTS = 16384


class Closable(Protocol):
    def close(self) -> None: ...


@contextmanager
def closing_on_failure(made: Closable) -> Iterator[None]:
    try:
        yield
    except BaseException:
        made.close()
        raise


def quiet_port() -> int:
    """A free one that no connection is given by chance; so is 10,000 on, for a cluster's bus."""
    while True:
        port = random.randrange(10_000, 22_000)
        with socket.socket() as first, socket.socket() as second, suppress(OSError):
            first.bind(("127.0.0.1", port))
            second.bind(("127.0.0.1", port + 10_000))
            return port


class Node:
    """A server with a configuration of the test's own."""

    def __init__(self, folder: Path, *lines: str, arguments: tuple[str, ...] = ()) -> None:
        folder.mkdir()
        self.port = quiet_port()
        config = folder / "server.conf"
        common = ("bind 127.0.0.1", f"port {self.port}", f"dir {folder}", "logfile server.log")
        config.write_text("\n".join((*common, *lines, "")))
        self._command = [SERVER_PROGRAM or find_program(), str(config), *arguments]
        self.address = f"127.0.0.1:{self.port}"
        # Whom sentinels make a primary hangs up on everybody.
        again = Retry(NoBackoff(), 3)
        self.client: Any = redis.Redis(
            "127.0.0.1", self.port, protocol=2, retry=again, retry_on_error=[redis.ConnectionError]
        )
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        with closing_on_failure(self):
            eventually(self._answers, f"a server at {self.address}")

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except RedisError:
            return False

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        self.client.connection_pool.disconnect()
        if self._process.poll() is None:
            os.kill(self._process.pid, signal.SIGCONT)
            self.kill()


class Cluster:
    """Three primaries with a third of the slots each, and ``replicas`` of the first."""

    def __init__(self, folder: Path, replicas: int = 0, *lines: str) -> None:
        lines = ("cluster-enabled yes", "cluster-node-timeout 1000", 'save ""', *lines)
        self.nodes = [Node(folder / f"node{n}", *lines) for n in range(3 + replicas)]
        self.primaries = self.nodes[:3]
        with closing_on_failure(self):
            self._join()
        hosts = ",".join(node.address for node in self.primaries)
        self.url = f"redis+cluster://{hosts}"

    def _join(self) -> None:
        first = self.nodes[0]
        for number, node in enumerate(self.primaries):
            slots = (slot for slot in range(SLOTS) if slot * 3 // SLOTS == number)
            node.client.execute_command("CLUSTER ADDSLOTS", *slots)
            node.client.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
        for node in self.nodes[1:]:
            first.client.execute_command("CLUSTER MEET", "127.0.0.1", node.port)
        eventually(lambda: all(map(self._is_complete, self.nodes)), "the cluster")
        for node in self.nodes[3:]:
            node.client.execute_command("CLUSTER REPLICATE", self.id_of(first))
        eventually(lambda: all(map(self._follows, self.nodes[3:])), "the replicas")

    @staticmethod
    def _follows(node: Node) -> bool:
        return bool(node.client.info("replication").get("master_link_status") == "up")

    def _is_complete(self, node: Node) -> bool:
        facts = node.client.cluster("info")
        return (
            facts["cluster_state"] == "ok"
            and int(facts["cluster_known_nodes"]) == len(self.nodes)
            and int(facts["cluster_size"]) == 3
        )

    def id_of(self, node: Node) -> str:
        found: Any = node.client.execute_command("CLUSTER MYID")
        return found.decode() if isinstance(found, bytes) else str(found)

    @staticmethod
    def slot(key: str) -> int:
        return key_slot(key.encode())

    def of(self, key: str) -> Node:
        """Who had the key's slot at first."""
        return self.primaries[self.slot(key) * 3 // SLOTS]

    def begin_move(self, key: str, target: Node) -> None:
        """Begin to move the key's slot from who had it at first."""
        slot, source = self.slot(key), self.of(key)
        self._set_slot(target, slot, "IMPORTING", self.id_of(source))
        self._set_slot(source, slot, "MIGRATING", self.id_of(target))

    def move_keys(self, key: str, target: Node) -> None:
        slot, source = self.slot(key), self.of(key)
        while keys := source.client.execute_command("CLUSTER GETKEYSINSLOT", slot, 100):
            source.client.execute_command(
                "MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys
            )

    def end_move(self, key: str, target: Node) -> None:
        for node in (target, *self.primaries):
            self._set_slot(node, self.slot(key), "NODE", self.id_of(target))

    def move(self, key: str, target: Node) -> None:
        self.begin_move(key, target)
        self.move_keys(key, target)
        self.end_move(key, target)

    @staticmethod
    def _set_slot(node: Node, slot: int, *words: str) -> None:
        node.client.execute_command("CLUSTER SETSLOT", slot, *words)

    def close(self) -> None:
        for node in self.nodes:
            node.close()


class Sentinels:
    """A primary, a replica, and three sentinels that know them as services ``names``."""

    def __init__(self, folder: Path, name: str = "kitchen", *lines: str) -> None:
        self.name = name
        self.primary = Node(folder / "primary", 'save ""', *lines)
        at_primary = f"replicaof 127.0.0.1 {self.primary.port}"
        self.replica = Node(folder / "replica", 'save ""', at_primary, *lines)
        self.sentinels = [
            Node(
                folder / f"sentinel{number}",
                f"sentinel monitor {name} 127.0.0.1 {self.primary.port} 2",
                f"sentinel down-after-milliseconds {name} 500",
                f"sentinel failover-timeout {name} 2000",
                arguments=("--sentinel",),
            )
            for number in range(3)
        ]
        hosts = ",".join(node.address for node in self.sentinels)
        self.url = f"redis+sentinel://{hosts}/{name}"
        with closing_on_failure(self):
            eventually(lambda: all(map(self._knows_all, self.sentinels)), "the sentinels")

    def _knows_all(self, sentinel: Node) -> bool:
        known = sentinel.client.sentinel_master(self.name)
        replicas = sentinel.client.sentinel_slaves(self.name)
        is_up = any(not r["is_sdown"] and r["flags"] == "slave" for r in replicas)
        return bool(known["num-other-sentinels"] == 2 and is_up)

    def close(self) -> None:
        for node in (*self.sentinels, self.primary, self.replica):
            node.close()
