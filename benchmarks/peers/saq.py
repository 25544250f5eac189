# mypy: ignore-errors
"""saq: one process for each worker, tasks that block their event loop."""

import asyncio

from saq import Queue

from ..task import URL, Foods, handle
from . import Peer

PEER = Peer(
    "saq", ("-m", "saq", "benchmarks.peers.saq.settings"), package="saq", pace=2_000, pool=False
)

queue = Queue.from_url(URL)


async def run(_context: dict, *, foods: Foods) -> None:
    handle(foods)


settings = {"queue": queue, "functions": [run]}

loop = asyncio.new_event_loop()


async def enqueue(tasks: list[Foods]) -> None:
    await queue.connect()
    for foods in tasks:
        await queue.enqueue("run", foods=foods)


def push(tasks: list[Foods]) -> None:
    loop.run_until_complete(enqueue(tasks))
