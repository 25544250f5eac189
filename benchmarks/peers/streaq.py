# mypy: ignore-errors
"""streaQ: one process for each worker, tasks that block their event loop."""

import asyncio

from streaq import Worker

from ..task import URL, Foods, handle
from . import Peer

PEER = Peer(
    "streaQ",
    ("-m", "streaq", "run", "benchmarks.peers.streaq:worker"),
    package="streaq",
    pace=1_400,
    pool=False,
)

worker = Worker(redis_url=URL)


@worker.task()
async def run(foods: Foods) -> None:
    handle(foods)


async def enqueue(tasks: list[Foods]) -> None:
    async with worker:
        await worker.enqueue_many([run.enqueue(foods) for foods in tasks])


def push(tasks: list[Foods]) -> None:
    asyncio.run(enqueue(tasks))
