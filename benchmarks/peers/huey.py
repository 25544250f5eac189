# mypy: ignore-errors
"""Huey: workers are processes."""

from huey import RedisHuey

from ..task import URL, Foods, handle
from . import Peer

PEER = Peer(
    "Huey, processes",
    (
        "-m",
        "huey.bin.huey_consumer",
        "benchmarks.peers.huey.huey",
        "--workers",
        "{processes}",
        "--worker-type",
        "process",
        "--quiet",
    ),
    package="huey",
    pace=5_000,
)

huey = RedisHuey("benchmark", url=URL)


@huey.task()
def run(foods: Foods) -> None:
    handle(foods)


def push(tasks: list[Foods]) -> None:
    for foods in tasks:
        run(foods)
