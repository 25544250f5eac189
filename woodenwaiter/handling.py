"""What a handler may say and ask about the task it was given."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass


class Reject(Exception):
    """Raise in a handler to send the task straight to the dead letters, with this reason."""

    def __init__(self, reason: str = "rejected by its handler") -> None:
        super().__init__(reason)


class Retry(Exception):
    """Raise in a handler to have the task delivered again.

    ``after``: seconds until then; None leaves it to the customer's backoff. This delivery counts:
    after ``max_deliveries`` the task goes to the dead letters.
    """

    def __init__(self, after: float | None = None) -> None:
        if after is not None and not 0 <= after < 1e9:
            raise ValueError(f"after must be a number of seconds from 0 up to 1e9, not {after!r}")
        super().__init__("retry" if after is None else f"retry after {after} s")
        self.after = after


class TaskTimeout(BaseException):
    """Raised in a handler whose customer's ``timeout`` is up, wherever it is at that moment.

    Not an Exception, so that a handler's own `except Exception` does not take it for one of its.
    """


@dataclass(frozen=True)
class Delivery:
    """The delivery that the running handler is in.

    ``id``: names the task in logs and dead letters, and stays the same over its deliveries.
    ``number``: 1 for the first delivery. ``last``: if it fails, the task is buried.
    """

    id: str
    number: int
    last: bool


_describe: ContextVar[Callable[[], Delivery] | None] = ContextVar("describe", default=None)


def describe_with(describe: Callable[[], Delivery] | None) -> None:
    """Let ``describe`` answer `delivery` in this context; it is asked only when a handler asks."""
    _describe.set(describe)


def delivery() -> Delivery:
    """The current delivery; raises RuntimeError outside a handler."""
    describe = _describe.get()
    if describe is None:
        raise RuntimeError("woodenwaiter.delivery() has an answer only inside a handler")
    return describe()
