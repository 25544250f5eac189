"""What a handler may ask about the task it was given."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from ..arguments import require, require_number
from ..errors import Misuse, WrongValue
from ..processes.usage import Cost, Reading
from ..protocol.entry import load
from ..protocol.verdict import Policy

Report = Callable[[float, str], None]
"""Passes on a fraction and a text."""


def no_report(fraction: float, text: str) -> None:
    """Where nobody listens."""


@dataclass(frozen=True)
class Delivery:
    """The delivery that the running handler is in.

    ``id``: names the task in logs and dead letters, and stays the same over its deliveries.
    ``number``: 1 for the first delivery. ``last``: if it fails, the task is buried.
    """

    id: str
    number: int
    last: bool
    _start: Reading = field(default_factory=Reading.now, repr=False, compare=False)
    _report: Report = field(default=no_report, repr=False, compare=False)

    def cost(self) -> Cost:
        """What the task has cost so far: ``seconds`` by the clock, ``cpu_seconds`` of this process
        and of the children that it has waited for, and the bytes of ``memory`` by which the most
        that the process ever had has grown. Whatever else runs in it counts, too."""
        return Reading.now().since(self._start)

    def progress(self, fraction: float, text: str = "") -> None:
        """Tell how far the task is: ``fraction`` of 1, and what else there is to say in a few
        words. From any thread; ignored once the task has ended, in forked processes, and where
        there is no supervisor. It costs microseconds. Any call is a sign of life that starts a
        ``stall_timeout`` anew. Raises WrongType and WrongValue."""
        require_number(fraction, "fraction")
        require(text, str, "text")
        if not 0 <= fraction <= 1:
            raise WrongValue(f"fraction must be from 0 to 1, not {fraction!r:.100}")
        self._report(float(fraction), text)


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


def delivery_of(
    raw: bytes,
    name: str,
    policy: Policy,
    start: Reading | None = None,
    report: Report = no_report,
) -> Delivery:
    """The delivery of this entry, whose claim has this name; ``start``: when that began."""
    entry = load(raw)
    number = entry.deliveries + 1
    last = number >= policy.max_deliveries
    return Delivery(entry.id or name, number, last, start or Reading.now(), report)


@contextmanager
def delivering(raw: bytes, name: str, policy: Policy) -> Iterator[None]:
    """Let `delivery` tell, inside, of this entry, whose claim has this name."""
    start = Reading.now()
    answer_with(lambda: delivery_of(raw, name, policy, start))
    try:
        yield
    finally:
        answer_with(None)
