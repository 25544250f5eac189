# mypy: ignore-errors
"""Celery: prefork, acks_late."""

from celery import Celery

from ..task import URL, Foods, handle
from . import Peer

PEER = Peer(
    "Celery, prefork",
    (
        "-m",
        "celery",
        "--app",
        "benchmarks.peers.celery",
        "worker",
        "--pool",
        "prefork",
        "--concurrency",
        "{processes}",
        "--loglevel",
        "WARNING",
    ),
    package="celery",
    pace=1_000,
)

app = Celery("benchmark", broker=URL)


@app.task(acks_late=True, ignore_result=True)
def run(foods: Foods) -> None:
    handle(foods)


def push(tasks: list[Foods]) -> None:
    for foods in tasks:
        run.delay(foods)
