# mypy: ignore-errors
"""RQ with SimpleWorker: jobs run in the worker itself."""

from redis import Redis
from rq import Queue

from ..task import URL, Foods, handle
from . import Peer

COMMAND = (
    "-c",
    "from rq.cli import main; main()",
    "worker-pool",
    "benchmark",
    "--num-workers",
    "{processes}",
    "--url",
    "{url}",
    "--logging-level",
    "WARNING",
)

PEER = Peer(
    "RQ, SimpleWorker", (*COMMAND, "--worker-class", "rq.SimpleWorker"), package="rq", pace=450
)

queue = Queue("benchmark", connection=Redis.from_url(URL))


def push(tasks: list[Foods]) -> None:
    queue.enqueue_many([Queue.prepare_data(handle, (foods,)) for foods in tasks])
