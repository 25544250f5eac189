# mypy: ignore-errors
"""arq: one process for each worker, tasks that block their event loop.

It looks for tasks every 10 ms instead of every 0.5 s, which would hold it to 100 tasks a second.
"""

import asyncio

from arq.connections import RedisSettings, create_pool

from ..task import URL, Foods, handle
from . import Peer

PEER = Peer(
    "arq",
    ("-m", "arq", "benchmarks.peers.arq.WorkerSettings"),
    package="arq",
    pace=1_500,
    pool=False,
)


async def run(_context: dict, foods: Foods) -> None:
    handle(foods)


class WorkerSettings:
    functions = (run,)
    poll_delay = 0.01
    redis_settings = RedisSettings.from_dsn(URL)


loop = asyncio.new_event_loop()
pool = None


async def enqueue(tasks: list[Foods]) -> None:
    global pool
    pool = pool or await create_pool(WorkerSettings.redis_settings)
    for foods in tasks:
        await pool.enqueue_job("run", foods)


def push(tasks: list[Foods]) -> None:
    loop.run_until_complete(enqueue(tasks))
