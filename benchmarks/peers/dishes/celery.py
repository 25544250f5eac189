# mypy: ignore-errors
"""Celery: prefork, acks_late, autoscaled from one process."""

from dataclasses import replace

from ...task import Foods
from ..celery import PEER, run
from . import DISHES, dish_of

OPTIONS = ("--autoscale", "{processes},1", "--queues", ",".join(DISHES))
PEER = replace(PEER, title="Celery, autoscale", command=(*PEER.command, *OPTIONS))


def push(tasks: list[Foods]) -> None:
    for foods in tasks:
        run.apply_async((foods,), queue=dish_of(foods))
