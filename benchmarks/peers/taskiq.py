# mypy: ignore-errors
"""taskiq with Redis streams: tasks that block their event loop."""

import asyncio

from taskiq_redis import RedisStreamBroker

from ..task import URL, Foods, handle
from . import Peer

PEER = Peer(
    "taskiq, streams",
    (
        "-m",
        "taskiq",
        "worker",
        "benchmarks.peers.taskiq:broker",
        "--workers",
        "{processes}",
        "--log-level",
        "WARNING",
    ),
    package="taskiq",
    pace=4_000,
)

broker = RedisStreamBroker(URL)


@broker.task
async def run(foods: Foods) -> None:
    handle(foods)


loop = asyncio.new_event_loop()
started = False


async def enqueue(tasks: list[Foods]) -> None:
    global started
    if not started:
        await broker.startup()
        started = True
    for foods in tasks:
        await run.kiq(foods)


def push(tasks: list[Foods]) -> None:
    loop.run_until_complete(enqueue(tasks))
