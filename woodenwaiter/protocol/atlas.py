"""Who serves what in a cluster, as far as is known: no socket, no clock."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from redis.exceptions import InvalidResponse

from .client import Node, Remap
from .replies import reply_of

SLOTS = 16384


class Redirect(NamedTuple):
    """Where a node says that a slot is; ``once``: only this key, and only this time."""

    slot: int
    node: Node
    once: bool


def redirect_of(outcome: Any, asked: Node) -> Redirect | None:
    """What ``asked`` has answered, if it sends us elsewhere."""
    if not isinstance(outcome, Exception):
        return None
    code, text = reply_of(outcome)
    if code not in ("MOVED", "ASK"):
        return None
    found = re.fullmatch(r"(\d{1,5}) (\S*):(\d{1,5})", text, re.ASCII)
    if not found or int(found[1]) >= SLOTS or not 0 < int(found[3]) < 1 << 16:
        return None
    host = found[2].strip("[]") or asked[0]
    return Redirect(int(found[1]), (host, int(found[3])), once=code == "ASK")


class Atlas:
    """``seeds``: nodes that somebody has named, which may know the others.

    ``peers``: whom to ask, those that were in trouble last; ``is_stale``: whether to.
    """

    def __init__(self, seeds: Iterable[Node], remap: Remap | None = None) -> None:
        self.peers = [*seeds]
        self.is_stale = True
        self._seeds = [*self.peers]
        self._remap = remap or (lambda node: node)
        self._ranges: list[tuple[int, int, Node]] = []
        self._moved: dict[int, Node] = {}
        self._avoided: set[Node] = set()

    @property
    def primaries(self) -> list[Node]:
        return [*dict.fromkeys(node for _, _, node in self._ranges)]

    def owner(self, slot: int) -> Node | None:
        """Who serves this slot, or did when it was last heard of."""
        if slot in self._moved:
            return self._moved[slot]
        return next((node for low, high, node in self._ranges if low <= slot <= high), None)

    def way(self, slot: int) -> Node | None:
        """Whom to ask for this slot; None: anybody."""
        node = self.owner(slot)
        return None if node in self._avoided else node

    def follow(self, redirect: Redirect) -> Node:
        """Heed what a node says; returns where to go."""
        node = self._remap(redirect.node)
        self._avoided.discard(node)
        if node not in self.peers:
            self.peers.append(node)
        if not redirect.once:
            self.is_stale |= node not in self.primaries
            self._moved[redirect.slot] = node
        return node

    def avoid(self, node: Node) -> None:
        """It is in trouble: others may know who serves in its place."""
        self.is_stale = True
        self._avoided.add(node)
        self.peers.sort(key=lambda peer: peer == node)

    def read(self, slots: Any, asked: Node) -> None:
        """Take over what CLUSTER SLOTS has answered. Raises InvalidResponse."""
        try:
            ranges = [
                (int(low), int(high), self._read_all(nodes, asked)) for low, high, *nodes in slots
            ]
        except (TypeError, ValueError, LookupError, AttributeError) as error:
            raise InvalidResponse(
                f"a reply to CLUSTER SLOTS that makes no sense: {error}"
            ) from None
        self._ranges = [(low, high, nodes[0]) for low, high, nodes in ranges if nodes]
        everybody = [node for _, _, nodes in ranges for node in nodes]
        self.peers = [*dict.fromkeys((asked, *everybody, *self._seeds))]
        self._moved.clear()
        self._avoided.clear()
        self.is_stale = False

    def _read_all(self, nodes: list[Any], asked: Node) -> list[Node]:
        """The primary first."""
        return [self._remap(_node_of(node, asked)) for node in nodes]


def _node_of(told: list[Any], asked: Node) -> Node:
    """Without a name or an address it is where we asked, or has one that clients do not prefer."""
    host, port, _, *more = told
    name = (host or b"").decode()
    if name == "?":
        facts = more[0] if more else []
        name = dict(zip(facts[::2], facts[1::2], strict=True)).get(b"ip", b"").decode()
    return name or asked[0], int(port)
