"""Plain redis-py loops: BRPOP over all queues. What they held when they died is lost."""

from __future__ import annotations

import json

from ...loop import client
from ...task import handle
from .. import Peer
from . import DISHES
from .woodenwaiter import push

__all__ = ["PEER", "push", "work"]

PEER = Peer(
    "plain loops, BRPOP",
    ("-c", "from benchmarks.peers.dishes import plain; plain.work()"),
    pool=False,
)


def work() -> None:
    queues = [f"d:{dish}" for dish in DISHES]
    while True:
        if found := client.brpop(queues, 1):
            handle(json.loads(found[1]))
