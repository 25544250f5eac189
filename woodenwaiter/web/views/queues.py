"""Queues in a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ...processes.times import quantile
from ...protocol.handlers import Handlers
from ...protocol.history import Range, Rates
from ...protocol.overview import Overview
from ...protocol.pausing import Pause
from ...protocol.replies import reply_of
from ...protocol.sizes import Sizes
from ...text import escaped
from ..names import key_of

RATES = ("came", "done", "failed")
"""That a sparkline may show."""


def named(queue: str) -> dict[str, Any]:
    """How a queue is told of, and linked to."""
    return {"key": key_of(queue), "name": escaped(queue)}


def belonging(queue: str) -> dict[str, Any]:
    """The same, as a part of what belongs to it."""
    return {"queue": escaped(queue), "key": key_of(queue)}


def row(queue: str, found: Overview | Exception, handlers: Handlers) -> dict[str, Any]:
    """All that a line has of a queue."""
    if isinstance(found, Exception):
        return {**named(queue), "trouble": escaped(reply_of(found).whole)}
    sizes, summary = found.sizes, found.summary
    return {
        **named(queue),
        "waiting": sizes.waiting,
        "claimed": sizes.claimed,
        "delayed": sizes.delayed,
        "dead": sizes.dead,
        "running": handlers.running,
        "workers": sizes.workers,
        "oldest": _range(summary and summary.oldest),
        "rates": _rates(summary.rates) if summary and summary.rates else None,
        "p50": quantile(handlers.times, 0.5),
        "p99": quantile(handlers.times, 0.99),
        "drained": _range(summary.drained) if summary and _is_served(sizes) else None,
        "nextDue": sizes.next_due,
        "paused": _pause(sizes.paused),
        "trouble": "",
    }


def _is_served(sizes: Sizes) -> bool:
    return bool(sizes.workers) and sizes.paused is None


def _range(there: Range | None) -> list[float | None] | None:
    """None where nothing is known. Numbers have no more digits than are read: what has not changed
    for people is not told anew."""
    if there is None or (there.most is None and there.least < 1):
        return None
    return [None if each is None else round(each, 1 if each < 60 else 0) for each in there]


def _rates(rates: Rates) -> dict[str, float]:
    return {name: round(number, 2) for name, number in rates._asdict().items()}


def _pause(pause: Pause | None) -> dict[str, Any] | None:
    if pause is None:
        return None
    left = None if pause.left is None else round(pause.left)
    return {
        "left": left,
        "since": pause.since,
        "who": escaped(pause.who),
        "why": escaped(pause.why),
    }


def hour(rates: Sequence[Rates | None]) -> dict[str, Any] | None:
    """By the minute; None where nothing has happened."""
    if not any(each and any(each) for each in rates):
        return None
    return {name: [None if r is None else getattr(r, name) for r in rates] for name in RATES}


def totals(rows: Iterable[Mapping[str, Any]], hosts: int) -> dict[str, Any]:
    """All queues as if they were one."""
    well = [each for each in rows if not each["trouble"]]
    rates = [each["rates"] for each in well if each["rates"]]
    sizes = ("waiting", "delayed", "dead", "workers")
    return {
        "queues": len(well),
        "hosts": hosts,
        "running": sum(each["running"] or 0 for each in well),
        **{name: sum(each[name] for each in well) for name in sizes},
        **{name: round(sum(each[name] for each in rates), 2) for name in RATES},
    }
