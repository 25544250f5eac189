"""Ours: one budget for all."""

from __future__ import annotations

import json
from functools import partial

from woodenwaiter import WoodenCustomer, WoodenManager, WoodenWaiter

from ...task import PROCESSES, URL, Foods, handle
from .. import Peer
from . import DISHES, dish_of

COMMAND = ("-m", "woodenwaiter.supervisor", "--log-level", "warning")

PEER = Peer(
    "WoodenWaiter, one budget",
    (*COMMAND, f"{__name__}:shared()", "--cpus", "{processes}"),
    package="woodenwaiter",
)

waiter = WoodenWaiter.from_url(URL)


def manager(least: int, most: int) -> WoodenManager:
    """The application, with so many processes for each dish."""
    pool = WoodenManager()
    for dish in DISHES:
        pool.add_customer(WoodenCustomer("d", dish, waiter, handle, processes=(least, most)))
    return pool


shared = partial(manager, 0, PROCESSES)
fixed = partial(manager, 1, 1)
ranged = partial(manager, 0, 1)


def push(tasks: list[Foods]) -> None:
    with waiter.redis_clt.pipeline(transaction=False) as pipeline:
        for foods in tasks:
            pipeline.lpush(f"d:{dish_of(foods)}", json.dumps(foods))
        pipeline.execute()
