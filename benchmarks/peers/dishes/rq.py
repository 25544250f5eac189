# mypy: ignore-errors
"""RQ with SimpleWorker."""

from dataclasses import replace

from redis import Redis
from rq import Queue

from ...task import URL, Foods, handle
from ..rq_simple import PEER
from . import DISHES, dish_of

before, after = PEER.command[:3], PEER.command[4:]
PEER = replace(PEER, command=(*before, *DISHES, *after))

client = Redis.from_url(URL)
queues = {dish: Queue(dish, connection=client) for dish in DISHES}


def push(tasks: list[Foods]) -> None:
    for dish in {dish_of(foods) for foods in tasks}:
        those = [foods for foods in tasks if dish_of(foods) == dish]
        queues[dish].enqueue_many([Queue.prepare_data(handle, (foods,)) for foods in those])
