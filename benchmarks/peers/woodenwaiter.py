"""Ours."""

from __future__ import annotations

import json

from woodenwaiter import WoodenCustomer, WoodenManager, WoodenWaiter

from ..task import QUEUE, TABLE_AND_DISH, URL, Foods, handle
from . import Peer

PEER = Peer(
    "WoodenWaiter",
    (
        "-m",
        "woodenwaiter.supervisor",
        "benchmarks.peers.woodenwaiter",
        "--processes",
        "{processes}",
    ),
    package="woodenwaiter",
    pace=250_000,
)

waiter = WoodenWaiter.from_url(URL)
manager = WoodenManager()
manager.add_customer(WoodenCustomer(*TABLE_AND_DISH, waiter, handle))


def push(tasks: list[Foods]) -> None:
    waiter.redis_clt.lpush(QUEUE, *map(json.dumps, tasks))
