"""``woodenwaiter status``: how each queue fares."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import EXIT_REDIS, EXIT_UNKNOWN
from ..processes.times import in_words, quantile
from ..protocol.handlers import Handlers
from ..protocol.history import Range, Rates, Summary
from ..protocol.link import Link
from ..protocol.overview import Overview, survey
from ..protocol.replies import reply_of
from ..protocol.sizes import Sizes
from ..text import escaped, listed, span, span_between
from ..verbs.words import of_pause
from .fitting import fitted
from .known import NoSuchQueue, known_to
from .table import Cell, Column, look_of_stdout, name_column
from .views import View, show

NONE = Cell("-")
"""There is none, or nobody knows."""


@dataclass(frozen=True)
class Status:
    """What there is to be seen of a queue; the latter two where it can be seen."""

    sizes: Sizes
    summary: Summary | None
    handlers: Handlers | None


def _number(number: int, style: str = "") -> Cell:
    return Cell(f"{number}", style if number else "")


def _next_due(of: Status) -> Cell:
    due = of.sizes.next_due
    return NONE if due is None else Cell(span(due) if due else "now")


def _workers(of: Status) -> Cell:
    sizes = of.sizes
    is_left = not sizes.workers and sizes.waiting + sizes.claimed + sizes.delayed > 0
    return Cell(f"{sizes.workers}", "yellow" if is_left else "")


def _running(of: Status) -> Cell:
    if of.handlers is None or of.handlers.running is None:
        return NONE
    return _number(of.handlers.running)


def _between(there: Range | None) -> Cell:
    if there is None or (there.most is None and there.least < 1):
        return NONE
    return Cell(span_between(*there))


def _oldest(of: Status) -> Cell:
    return _between(of.summary and of.summary.oldest)


def _drained(of: Status) -> Cell:
    return _between(of.summary and of.summary.drained)


def _a_minute(of: Callable[[Rates], float], style: str = "") -> Callable[[Status], Cell]:
    def cell(status: Status) -> Cell:
        if not (status.summary and status.summary.rates):
            return NONE
        rate = of(status.summary.rates)
        return Cell(f"{rate:.1f}" if 0.05 <= rate < 9.95 else f"{rate:.0f}", style if rate else "")

    return cell


def _within(share: float) -> Callable[[Status], Cell]:
    def cell(status: Status) -> Cell:
        seconds = quantile(status.handlers.times, share) if status.handlers else None
        return NONE if seconds is None else Cell(in_words(seconds))

    return cell


COLUMNS: Sequence[tuple[Column, Callable[[Status], Cell]]] = (
    (name_column("queue", least=12), lambda of: Cell(of.sizes.queue)),
    (Column("waiting"), lambda of: _number(of.sizes.waiting)),
    (Column("oldest"), _oldest),
    (Column("claimed", spare=6), lambda of: _number(of.sizes.claimed)),
    (Column("running"), _running),
    (Column("delayed", spare=1), lambda of: _number(of.sizes.delayed)),
    (Column("dead"), lambda of: _number(of.sizes.dead, "red")),
    (Column("in/m", spare=2), _a_minute(lambda rates: rates.came)),
    (Column("done/m"), _a_minute(lambda rates: rates.done)),
    (Column("fail/m", spare=3), _a_minute(lambda rates: rates.failed, "yellow")),
    (Column("p50", spare=5), _within(0.5)),
    (Column("p99", spare=4), _within(0.99)),
    (Column("workers"), _workers),
    (Column("empty in"), _drained),
    (Column("next due", spare=7), _next_due),
)
"""And what stands in them; ``/m``: in the last minute."""


def show_status(given: argparse.Namespace, link: Link) -> int:
    names = [*given.queues, *given.named]
    return show(given, link, lambda: status_of(link, names))


def status_of(link: Link, names: Sequence[str]) -> View:
    """The status of these queues, or of all that were ever served: two requests, however many they
    are. Raises what is in `link.ServerTrouble`, and RedisUnusable."""
    queues, handlers = survey(link, names)
    seen = {q: found for q, found in queues.items() if isinstance(found, Overview)}
    wrong: dict[str, list[str]] = {}
    for queue, found in queues.items():
        if isinstance(found, Exception):
            wrong.setdefault(reply_of(found).whole, []).append(queue)
    unknown = _unknown(link, [q for q in seen if names and not _is_used(seen[q].sizes)])
    shown = [
        Status(found.sizes, found.summary, handlers[queue] if handlers else None)
        for queue, found in seen.items()
        if queue not in unknown
    ]
    return View(
        {"queues": [*map(_plain, shown)]},
        [column for column, _ in COLUMNS],
        [[cell(each) for _, cell in COLUMNS] for each in shown],
        "" if wrong or unknown else "no queue has been served so far",
        below=[_notes(each.sizes) for each in shown],
        troubles=[
            *map(str, unknown.values()),
            *(f"{listed(there)}: {what}" for what, there in wrong.items()),
        ],
        code=EXIT_REDIS if wrong else EXIT_UNKNOWN if unknown else 0,
    )


def _notes(sizes: Sizes) -> list[str]:
    """What stands below a queue's row."""
    if sizes.paused is None:
        return []
    look = look_of_stdout()
    note = f"    {escaped(of_pause(sizes.paused))}"
    return [look.styled(fitted(note, look.columns) if look.columns else note, "yellow")]


def _is_used(sizes: Sizes) -> bool:
    return any(sizes.by_state().values())


def _unknown(link: Link, empty: Sequence[str]) -> dict[str, NoSuchQueue]:
    """Those of the empty ones that nobody has ever served."""
    names = known_to(link) if empty else None
    return {} if names is None else {n: NoSuchQueue(n, names) for n in empty if n not in names}


def _plain(status: Status) -> dict[str, Any]:
    """For programs."""
    summary, handlers = status.summary, status.handlers
    totals = ("pushed", "done", "failed", "buried", "requeued", "purged")
    return {
        **vars(status.sizes),
        "running": handlers.running if handlers else None,
        "oldest": _named(summary and summary.oldest),
        "rates": _named(summary and summary.rates),
        "drained_in": _named(summary and summary.drained),
        **{name: getattr(summary, name) if summary else None for name in totals},
        "handler_seconds": _quantiles(handlers) if handlers and any(handlers.times) else None,
    }


def _named(numbers: Range | Rates | None) -> dict[str, Any] | None:
    return None if numbers is None else numbers._asdict()


def _quantiles(handlers: Handlers) -> dict[str, float | None]:
    return {"p50": quantile(handlers.times, 0.5), "p99": quantile(handlers.times, 0.99)}
