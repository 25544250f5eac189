"""Primaries that share the slots among them, and their replicas."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from redis.cluster import RedisCluster
from redis.crc import key_slot

from ..support import eventually
from .node import KEEPING, Guard, Node

SLOTS = 16384

NODE_TIMEOUT = 1.5
"""Seconds of silence after which the others take a node for dead."""

LINES = (
    *KEEPING,
    "cluster-enabled yes",
    f"cluster-node-timeout {NODE_TIMEOUT * 1000:.0f}",
    "cluster-require-full-coverage no",
    "cluster-replica-validity-factor 0",
    "cluster-migration-barrier 99",  # replicas stay whose they are
)

ADDRESS, FLAGS, PRIMARY, FIRST_RANGE = 1, 2, 3, 8
"""What stands where in a line of CLUSTER NODES."""


@dataclass(frozen=True)
class Seen:
    """A node as one of them sees it."""

    id: str
    port: int
    is_primary: bool
    is_failing: bool
    follows: str
    ranges: tuple[tuple[int, int], ...]

    @classmethod
    def read(cls, line: str) -> Seen:
        words = line.split()
        flags = words[FLAGS].split(",")
        ranges = [r.partition("-") for r in words[FIRST_RANGE:] if not r.startswith("[")]
        return cls(
            words[0],
            int(words[ADDRESS].partition("@")[0].rpartition(":")[2]),
            "master" in flags,
            bool({"fail", "fail?", "handshake", "noaddr"}.intersection(flags)),
            words[PRIMARY],
            tuple((int(first), int(last or first)) for first, _, last in ranges),
        )

    def has(self, slot: int) -> bool:
        return any(first <= slot <= last for first, last in self.ranges)


def slot_of(key: str) -> int:
    return key_slot(key.encode())


class Cluster:
    """Three primaries with a third of the slots each, and ``replicas`` of the first, the second
    and so on."""

    def __init__(self, folder: Path, *lines: str, replicas: int = 0) -> None:
        self._guard = Guard()
        with self._guard.closing_on_failure():
            self._start(folder, replicas, *LINES, *lines)

    def _start(self, folder: Path, replicas: int, *lines: str) -> None:
        self.nodes = [Node(self._guard, folder / f"node{n}", *lines) for n in range(3 + replicas)]
        self._ids: dict[str, Node] = {
            node.ask("CLUSTER", "MYID").decode(): node for node in self.nodes
        }
        self._share(self.nodes[:3])
        for one, other in combinations(self.nodes, 2):
            one.ask("CLUSTER", "MEET", "127.0.0.1", other.port)
        eventually(lambda: all(map(self._knows_all, self.nodes)), "a cluster of all", 30)
        for replica, primary in zip(self.nodes[3:], self.nodes[:3], strict=False):
            replica.ask("CLUSTER", "REPLICATE", self.id_of(primary))
        self.url = f"redis+cluster://{','.join(node.address for node in self.nodes[:3])}"
        self.settle()
        self.client: Any = RedisCluster(host="127.0.0.1", port=self.nodes[0].port)

    def _share(self, primaries: Sequence[Node]) -> None:
        for number, node in enumerate(primaries):
            slots = [s for s in range(SLOTS) if s * len(primaries) // SLOTS == number]
            node.ask("CLUSTER", "ADDSLOTS", *slots)
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)

    def _knows_all(self, node: Node) -> bool:
        if b"cluster_state:ok" not in node.ask("CLUSTER", "INFO"):
            return False
        known = self.seen_by(node)
        with_slots = [each for each in known if each.ranges]
        is_whole = len(known) == len(self.nodes) and len(with_slots) == 3
        return is_whole and not any(each.is_failing for each in known)

    def seen_by(self, node: Node) -> list[Seen]:
        return [Seen.read(line) for line in node.ask("CLUSTER", "NODES").decode().splitlines()]

    def id_of(self, node: Node) -> str:
        return next(name for name, each in self._ids.items() if each is node)

    @property
    def primaries(self) -> list[Node]:
        """Those that have slots, as they say themselves."""
        return [node for node in self.nodes if node.is_up and self._self(node).ranges]

    def _self(self, node: Node) -> Seen:
        return next(seen for seen in self.seen_by(node) if seen.id == self.id_of(node))

    def owner(self, key: str) -> Node:
        """Who has the key's slot; it may have been taken over by another who did not tell yet."""

        def owner() -> Node | None:
            having = [n for n in self.nodes if n.is_up and self._self(n).has(slot_of(key))]
            return having[0] if len(having) == 1 else None

        return eventually(owner, f"one owner of {key}")

    def replica_of(self, primary: Node) -> Node:
        return next(
            node
            for node in self.nodes
            if node.is_up and self._self(node).follows == self.id_of(primary)
        )

    # What a person does.

    def fail_over(self, replica: Node, *how: str) -> None:
        """``how``: FORCE, where the primary does not answer; TAKEOVER, where nobody else does."""
        replica.ask("CLUSTER", "FAILOVER", *how)
        eventually(lambda: self._self(replica).ranges, "a replica that took over", 30)

    def move(self, key: str, target: Node) -> None:
        """The key's slot, with all that is in it."""
        self.begin_move(key, target)
        self.move_keys(key, target)
        self.end_move(key, target)

    def begin_move(self, key: str, target: Node) -> None:
        slot, source = slot_of(key), self.owner(key)
        target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", self.id_of(source))
        source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", self.id_of(target))

    def move_keys(self, key: str, target: Node) -> None:
        """Key by key, until none is left: to be moved, they must be there."""
        source = self.owner(key)
        for found in self._keys_of(slot_of(key), source):
            source.ask("MIGRATE", "127.0.0.1", target.port, found, 0, 5000)

    @staticmethod
    def _keys_of(slot: int, node: Node) -> Iterator[bytes]:
        while keys := node.ask("CLUSTER", "GETKEYSINSLOT", slot, 10):
            yield from keys

    def end_move(self, key: str, target: Node) -> None:
        """The target first: who gave the slot away may be asked for it by those who do not know."""
        for node in (target, *(each for each in self.primaries if each is not target)):
            node.ask("CLUSTER", "SETSLOT", slot_of(key), "NODE", self.id_of(target))

    # What all is to be like afterwards.

    def heal(self) -> None:
        """Whatever a test did: all run, and agree."""
        for node in self.nodes:
            if node.is_paused:
                node.go_on()
            if not node.pid:
                node.start()
            node.accept_news()
            for slot in self._on_the_move(node):
                node.ask("CLUSTER", "SETSLOT", slot, "STABLE")
        self.settle()

    def _on_the_move(self, node: Node) -> list[int]:
        """The slots of which the node is to pass keys on, or to get them."""
        lines = node.ask("CLUSTER", "NODES").decode()
        return [int(slot) for slot in re.findall(r"\[(\d+)-[<>]-", lines)]

    def settle(self) -> None:
        """Wait until all agree who has which slots and who follows whom (a primary heeds no one
        who is not known as its own replica), and replicas have what their primaries have."""
        eventually(self._is_settled, "nodes that agree", 40)

    def _is_settled(self) -> bool:
        views = {self._roles_by(node) for node in self.nodes}
        return (
            len(views) == 1
            and all(self._knows_all(node) for node in self.nodes)
            and all(self._is_in_place(node) for node in self.nodes)
        )

    def _roles_by(self, node: Node) -> frozenset[tuple[str, str, tuple[tuple[int, int], ...]]]:
        return frozenset((seen.id, seen.follows, seen.ranges) for seen in self.seen_by(node))

    def _is_in_place(self, node: Node) -> bool:
        me = self._self(node)
        return bool(me.ranges) or (not me.is_primary and node.follows(self._ids[me.follows]))

    def empty(self) -> None:
        """All that it holds is gone."""
        for node in self.primaries:
            node.client.flushall()

    def close(self) -> None:
        self.client.close()
        for node in self.nodes:
            node.close()
        self._guard.close()
