"""Ours: one process for each dish."""

from __future__ import annotations

from .. import Peer
from .woodenwaiter import COMMAND, push

__all__ = ["PEER", "push"]

PEER = Peer(
    "WoodenWaiter, one worker each",
    (*COMMAND, "benchmarks.peers.dishes.woodenwaiter:fixed()"),
    package="woodenwaiter",
)
