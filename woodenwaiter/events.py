"""What log records are about: a name for each kind that does not change with its text, and fields
for who reads it by a program. README.rst tells what they mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypedDict

if TYPE_CHECKING:
    from logging import LogRecord

    from typing_extensions import Unpack

Event = Literal[
    "task.retry",
    "task.buried",
    "task.unsettled",
    "task.slow",
    "tasks.returned",
    "worker.started",
    "worker.ended",
    "worker.killed",
    "worker.spent",
    "worker.unborn",
    "worker.setup",
    "worker.stalled",
    "worker.memory",
    "worker.signals",
    "worker.doing",
    "worker.trace",
    "helper.started",
    "helper.ended",
    "helper.killed",
    "lease.lost",
    "lease.expired",
    "claims.stranded",
    "letters.trimmed",
    "queue.cost",
    "queue.setup",
    "redis.outage",
    "redis.recovered",
    "redis.clock",
    "redis.primary",
    "hook.failed",
    "hook.dropped",
    "supervisor.started",
    "supervisor.asked",
    "supervisor.draining",
    "supervisor.drained",
    "supervisor.gone",
]


class Fields(TypedDict, total=False):
    """Beside the event. None of these names is one of `logging`'s, or of the JSON form's."""

    queue: str
    task: str
    delivery: int
    claim: str
    seconds: float | None
    cause: str
    error: str
    worker: str
    worker_pid: int | None
    owner: str
    server: str
    subject: str
    count: int


NAMES = ("event", *Fields.__annotations__)


def about(event: Event, **fields: Unpack[Fields]) -> dict[str, Any]:
    """A record's ``extra``: without what is not known, and of seconds what matters."""
    known = {name: value for name, value in fields.items() if value not in (None, "")}
    return {"event": event} | {
        name: round(value, 6) if isinstance(value, float) else value
        for name, value in known.items()
    }


def fields_of(record: LogRecord) -> dict[str, Any]:
    """What a record is about."""
    told = vars(record)
    return {name: told[name] for name in NAMES if name in told}
