"""Functions of the application's that hear of what went wrong, and what they are given."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from inspect import iscoroutinefunction
from typing import Any

from .arguments import require_function
from .errors import BadEntry, WrongType
from .protocol.entry import foods
from .protocol.verdict import Setback


@dataclass(frozen=True)
class Mishap:
    """What a hook is given: a delivery that failed, or a worker that died.

    ``queue``: its name. ``cause``: why, as in the log and the dead letters. ``worker_pid``: of the
    worker, 0 where it was another host's. Of a worker's death all that follows is empty.
    ``task``: its id, the same over its deliveries. ``delivery``: 1 for the first. ``dead``: whether
    it was the last, and the task is among the dead letters. ``payload``: the bytes that were
    pushed; of a task whose worker or host died, the first 64 KiB. ``error``: its type and message,
    and ``traceback``: both as they are kept in a dead letter. ``exception``: the same as it was
    raised, in the process that it was raised in.
    """

    queue: str
    cause: str
    worker_pid: int = 0
    task: str = ""
    delivery: int = 0
    dead: bool = False
    payload: bytes = field(default=b"", repr=False)
    error: str = ""
    error_type: str = ""
    traceback: str = field(default="", repr=False)
    exception: BaseException | None = field(default=None, repr=False)

    @property
    def foods(self) -> dict[str, Any] | None:
        """What the handler was given; None where the payload is no JSON object, or not whole."""
        with suppress(BadEntry):
            return foods(self.payload)
        return None


Call = Callable[[Mishap], Any]

Hook = Call | None

Hear = Callable[[Mishap], None]
"""Takes what hooks are to be called for."""


def unheard(mishap: Mishap) -> None:
    """Where there are none."""


@dataclass(frozen=True)
class Hooks:
    """A manager's; what they mean is told at `WoodenManager`."""

    on_failure: Hook = None
    on_dead: Hook = None
    on_worker_death: Hook = None

    def __post_init__(self) -> None:
        for name, hook in vars(self).items():
            if hook is not None:
                require_function(hook, name, {}, takes="a Mishap as its only argument")
                if iscoroutinefunction(hook):
                    raise WrongType(f"{name} must not be a coroutine, for which no loop would run")

    def __bool__(self) -> bool:
        """Whether there is any."""
        return any((self.on_failure, self.on_dead, self.on_worker_death))

    def of(self, mishap: Mishap) -> dict[str, Call]:
        """Those that are to hear of it, by their names."""
        if not mishap.task:
            wanted = {"on_worker_death": self.on_worker_death}
        else:
            wanted = {"on_failure": self.on_failure}
            if mishap.dead:
                wanted["on_dead"] = self.on_dead
        return {name: hook for name, hook in wanted.items() if hook}


def mishap_of(setback: Setback) -> Mishap:
    """A delivery that failed."""
    failure, failed, error = setback.failure, setback.verdict.failed, setback.error
    return Mishap(
        queue=setback.queue,
        cause=failure.reason,
        worker_pid=failure.worker_pid or 0,
        task=failed.id,
        delivery=failed.deliveries,
        dead=setback.is_final,
        payload=failed.payload,
        error=failure.error,
        error_type=type(error).__name__ if error else "",
        traceback=failure.traceback,
        exception=error,
    )
