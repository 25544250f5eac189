"""Ours where hiredis is not installed: redis-py reads replies in Python."""

from __future__ import annotations

from . import Peer
from .woodenwaiter import push

__all__ = ["PEER", "push"]

WITHOUT_HIREDIS = """
import sys
sys.modules["hiredis"] = None
from woodenwaiter.commands.supervise import main
sys.exit(main())
"""

PEER = Peer(
    "WoodenWaiter, no hiredis",
    ("-c", WITHOUT_HIREDIS, "benchmarks.peers.woodenwaiter", "--processes", "{processes}"),
    package="woodenwaiter",
    pace=200_000,
)
