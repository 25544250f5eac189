# mypy: ignore-errors
"""Dramatiq: processes of 8 threads each, its default."""

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from ..task import URL, Foods, handle
from . import Peer

COMMAND = ("-m", "dramatiq", "benchmarks.peers.dramatiq", "--processes", "{processes}")

PEER = Peer("Dramatiq, 8 threads", (*COMMAND, "--threads", "8"), package="dramatiq", pace=4_000)

dramatiq.set_broker(RedisBroker(url=URL))


@dramatiq.actor
def run(foods: Foods) -> None:
    handle(foods)


def push(tasks: list[Foods]) -> None:
    for foods in tasks:
        run.send(foods)
