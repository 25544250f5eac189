"""A primary, its replicas, and the sentinels that say which is which."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import redis

from ..support import eventually
from .node import KEEPING, Guard, Node

SERVICE = "kitchen"

DOWN_AFTER = 1.0
"""Seconds of silence after which a sentinel takes a server for dead."""

HASTE = {
    "info-period": 500,
    "ping-period": 200,
    "publish-period": 300,
    "ask-period": 300,
    "tilt-period": 1000,
}
"""Milliseconds, for sentinels from 7.0 on, which older ones take ten times as long for."""


class Sentinels:
    """Three of them, and ``replicas``."""

    def __init__(self, folder: Path, *lines: str, replicas: int = 1) -> None:
        self._guard = Guard()
        self._folder = folder
        self.service = SERVICE
        with self._guard.closing_on_failure():
            self._start(replicas, *lines)

    def _start(self, replicas: int, *lines: str) -> None:
        self.servers = [self._server(0, *lines)]
        at_primary = f"replicaof 127.0.0.1 {self.servers[0].port}"
        self.servers += [self._server(n + 1, at_primary, *lines) for n in range(replicas)]
        first, *others = self.servers
        eventually(lambda: all(replica.follows(first) for replica in others), "replicas")
        self.sentinels = [self._sentinel(n) for n in range(3)]
        self.url = f"redis+sentinel://{','.join(s.address for s in self.sentinels)}/{SERVICE}"
        self.settle()

    def _server(self, number: int, *lines: str) -> Node:
        return Node(self._guard, self._folder / f"server{number}", *KEEPING, *lines)

    def _sentinel(self, number: int) -> Node:
        sentinel = Node(
            *(self._guard, self._folder / f"sentinel{number}"),
            f"sentinel monitor {SERVICE} 127.0.0.1 {self.servers[0].port} 2",
            f"sentinel down-after-milliseconds {SERVICE} {DOWN_AFTER * 1000:.0f}",
            f"sentinel failover-timeout {SERVICE} 3000",
            f"sentinel parallel-syncs {SERVICE} 2",
            arguments=["--sentinel"],
        )
        for period, milliseconds in HASTE.items():
            with suppress(redis.ResponseError):
                sentinel.ask("SENTINEL", "DEBUG", period, milliseconds)
        return sentinel

    @property
    def client(self) -> Any:
        return self.primary.client

    @property
    def primary(self) -> Node:
        """Which the sentinels say it is, where most say so."""
        return eventually(self._elected, "sentinels that agree")

    def _elected(self) -> Node | None:
        votes = [self._named_by(sentinel) for sentinel in self.sentinels if sentinel.is_up]
        return next((s for s in self.servers if votes.count(s.port) >= 2), None)

    def _named_by(self, sentinel: Node) -> int:
        host_and_port = sentinel.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)
        return int(host_and_port[1])

    @property
    def primaries(self) -> list[Node]:
        return [self.primary]

    @property
    def replicas(self) -> Sequence[Node]:
        primary = self.primary
        return [server for server in self.servers if server is not primary]

    def fail_over(self) -> Node:
        """As an operator wishes; returns who is the primary then."""
        former = self.primary
        eventually(self._begins_to_fail_over, "a sentinel that is willing")
        return self.successor_of(former)

    def _begins_to_fail_over(self) -> bool:
        """Unless it is still busy with the last one."""
        with suppress(redis.ResponseError):
            self.sentinels[0].ask("SENTINEL", "FAILOVER", SERVICE)
            return True
        return False

    def successor_of(self, former: Node) -> Node:
        """Who is the primary once another one is."""

        def successor() -> Node | None:
            elected = self._elected()
            return elected if elected is not former and elected and elected.is_primary else None

        return eventually(successor, f"another primary than {former.address}", 30)

    def heal(self) -> None:
        """Whatever a test did: all run, and agree."""
        for node in (*self.servers, *self.sentinels):
            if node.is_paused:
                node.go_on()
            if not node.pid:
                node.start()
        for server in self.servers:
            server.accept_news()
        self.settle()

    def settle(self) -> None:
        """Wait until all agree, and all replicas have what the primary has."""
        eventually(self._is_settled, "sentinels and servers that agree", 40)

    def _is_settled(self) -> bool:
        named = {self._named_by(sentinel) for sentinel in self.sentinels}
        primary = self._elected()
        if len(named) > 1 or not primary or not primary.is_primary:
            return False
        replicas = [server for server in self.servers if server is not primary]
        return all(r.follows(primary) for r in replicas) and all(
            self._sees_all(sentinel) for sentinel in self.sentinels
        )

    def _sees_all(self, sentinel: Node) -> bool:
        known = sentinel.client.sentinel_master(SERVICE)
        replicas = sentinel.client.sentinel_slaves(SERVICE)
        well = [r for r in replicas if r["flags"] == "slave" and r["master-link-status"] == "ok"]
        return (
            known["flags"] == "master"
            and int(known["num-other-sentinels"]) == len(self.sentinels) - 1
            and len(well) == len(self.servers) - 1
        )

    def close(self) -> None:
        self.client.close()
        for node in (*self.sentinels, *self.servers):
            node.close()
        self._guard.close()
