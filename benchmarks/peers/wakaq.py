# mypy: ignore-errors
"""WakaQ."""

import logging
from urllib.parse import urlsplit

from wakaq import WakaQ

from ..task import PROCESSES, URL, Foods, handle
from . import Peer

PEER = Peer(
    "WakaQ",
    ("-c", "from wakaq.cli import worker; worker()", "--app", "benchmarks.peers.wakaq.wakaq"),
    package="wakaq",
    pace=6_000,
)

_url = urlsplit(URL)
wakaq = WakaQ(
    queues=["benchmark"],
    host=_url.hostname,
    port=_url.port,
    username=_url.username,
    password=_url.password,
    db=int(_url.path.strip("/") or 0),
    concurrency=PROCESSES,
    worker_log_level=logging.WARNING,
)


@wakaq.task
def run(foods: Foods) -> None:
    handle(foods)


def push(tasks: list[Foods]) -> None:
    for foods in tasks:
        run.delay(foods)
