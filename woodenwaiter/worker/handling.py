"""What a handler may ask about the task it was given."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass

from ..errors import Misuse
from ..protocol.entry import load
from ..protocol.verdict import Policy


@dataclass(frozen=True)
class Delivery:
    """The delivery that the running handler is in.

    ``id``: names the task in logs and dead letters, and stays the same over its deliveries.
    ``number``: 1 for the first delivery. ``last``: if it fails, the task is buried.
    """

    id: str
    number: int
    last: bool


_current: ContextVar[Callable[[], Delivery] | None] = ContextVar("current", default=None)


def answer_with(current: Callable[[], Delivery] | None) -> None:
    """Let ``current`` answer `delivery` in this context; it is asked only when a handler asks."""
    _current.set(current)


def delivery() -> Delivery:
    """The current delivery; raises Misuse outside a handler."""
    current = _current.get()
    if current is None:
        raise Misuse("woodenwaiter.delivery() has an answer only inside a handler")
    return current()


def delivery_of(raw: bytes, name: str, policy: Policy) -> Delivery:
    """The delivery of this entry, whose claim has this name."""
    entry = load(raw)
    number = entry.deliveries + 1
    return Delivery(entry.id or name, number, last=number >= policy.max_deliveries)
