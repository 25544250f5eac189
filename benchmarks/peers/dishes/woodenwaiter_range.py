"""Ours: at most one process for each dish, none where it is idle."""

from __future__ import annotations

from .. import Peer
from .woodenwaiter import COMMAND, push

__all__ = ["PEER", "push"]

PEER = Peer(
    "WoodenWaiter, (0, 1)",
    (*COMMAND, "benchmarks.peers.dishes.woodenwaiter:ranged()"),
    package="woodenwaiter",
)
