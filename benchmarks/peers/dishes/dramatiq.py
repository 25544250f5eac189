# mypy: ignore-errors
"""Dramatiq: processes of one thread each, an actor for each queue."""

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from ...task import URL, Foods, handle
from .. import Peer
from . import DISHES, dish_of

COMMAND = ("-m", "dramatiq", __name__, "--processes", "{processes}", "--threads", "1")
PEER = Peer("Dramatiq, 1 thread", COMMAND, package="dramatiq")

dramatiq.set_broker(RedisBroker(url=URL))
actors = {dish: dramatiq.actor(handle, actor_name=dish, queue_name=dish) for dish in DISHES}


def push(tasks: list[Foods]) -> None:
    for foods in tasks:
        actors[dish_of(foods)].send(foods)
