"""What ``top`` shows below its queues, in lines: a queue, hosts, what runs, the keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from ...protocol.history import Rates
from ...protocol.hosts import Host
from ...protocol.looks import Task
from ...protocol.overview import Overview
from ...protocol.published import Sighting, running
from ...text import escaped, share, size, span
from ...verbs.words import of_pause
from ..fitting import columns_of, fitted, fitted_name
from ..table import Cell
from ..tasks import facts_of, text_of
from .grid import Column, Line, between, grid, short, spark
from .keys import KEYS
from .sight import HOUR, Sight
from .view import View

LABEL = 9
"""Columns, of what stands before a line."""


class Frame(NamedTuple):
    """What a pane is of, and how many columns and lines it has."""

    queue: str
    sight: Sight
    width: int
    room: int


def pane_of(view: View, sight: Sight, width: int, room: int) -> Sequence[Line]:
    """The lines of the pane that is open, in as much room."""
    room = max(1, room - 1)
    title, lines = PANES[view.pane](Frame(view.selected, sight, width, room))
    most = max(0, len(lines) - room)
    view.scrolled = min(max(0, view.scrolled), most)
    if most:
        title += f" · {view.scrolled + 1} to {view.scrolled + room} of {len(lines)} lines"
    shown = lines[view.scrolled : view.scrolled + room]
    return [_rule(title, width), *shown]


def _rule(title: str, width: int) -> Line:
    title = fitted(title, width - 6)
    return [
        Cell("── ", "dim"),
        Cell(title, "bold"),
        Cell(" " + "─" * (width - columns_of(title) - 4), "dim"),
    ]


Pane = tuple[str, Sequence[Line]]
"""A title, and lines."""


def _queue(frame: Frame) -> Pane:
    queue, sight, width, room = frame
    overview = sight.overviews.get(queue)
    if overview is None:
        return escaped(queue) or "no queue", []
    lines = _hour(overview, sight.hours.get(queue, ()), width)
    tasks = sight.tasks
    if tasks is None or tasks.queue != queue:
        return _facts(overview), [*lines, [Cell("…")]]
    states = [("next", tasks.waiting), ("delayed", tasks.delayed), ("dead", tasks.dead)]
    counts = shared_out([len(found) for _, found in states], room - len(lines))
    for (label, found), count in zip(states, counts, strict=True):
        lines += [_task(label, task, width) for task in found[:count]]
    if not any(found for _, found in states):
        lines.append([Cell("nothing waits, is delayed or dead")])
    return _facts(overview), lines


def _facts(overview: Overview) -> str:
    sizes, summary = overview.sizes, overview.summary
    facts = [escaped(sizes.queue)]
    if sizes.paused:
        facts.append(escaped(of_pause(sizes.paused)))
    if sizes.next_due is not None:
        facts.append(f"next retry in {span(sizes.next_due)}")
    if summary and summary.drained:
        facts.append(f"empty in {between(summary.drained)}")
    return " · ".join(facts)


def shared_out(counts: Sequence[int], room: int) -> list[int]:
    """So many of each as have room together: what one does not need, others get."""
    shares = [0] * len(counts)
    while room > 0 and shares != [*counts]:
        for n, count in enumerate(counts):
            if shares[n] < count and room > 0:
                shares[n] += 1
                room -= 1
    return shares


CURVES: Mapping[str, Callable[[Rates], float]] = {
    "came": lambda rates: rates.came,
    "done": lambda rates: rates.done,
    "failed": lambda rates: rates.failed,
}


def _hour(overview: Overview, hour: Sequence[Rates | None], width: int) -> list[Line]:
    summary = overview.summary
    bars = min(HOUR, width - LABEL - 12)
    lines: list[Line] = []
    for label, value in CURVES.items():
        curve = spark([value(rates) if rates else None for rates in hour], bars)
        now = f"{short(value(summary.rates))}/min" if summary and summary.rates else ""
        style = "red" if label == "failed" else "green"
        lines.append([Cell(f"{label:<{LABEL}}"), Cell(curve.ljust(bars + 1), style), Cell(now)])
    return lines


def _task(label: str, task: Task, width: int) -> Line:
    """Of what there is to tell of it, at least as much as leaves half of the line for the rest."""
    payload = escaped(text_of(task))
    room = max(width // 2, width - LABEL - columns_of(payload) - 2)
    facts = fitted(escaped("  ".join(facts_of(task))), room)
    head = [Cell(f"{label:<{LABEL}}", "red" if label == "dead" else "")]
    if facts:
        head.append(Cell(f"{facts}  ", "dim"))
    return [*head, Cell(payload)]


HOSTS = (
    Column("host", is_text=True),
    *map(Column, ("pid", "version", "up", "running", "cpu", "largest", "seen")),
)


def _hosts(frame: Frame) -> Pane:
    sight = frame.sight
    wrong = [_unreadable(s, frame.width) for s in sight.hosts if s.trouble]
    if not sight.hosts:
        return "hosts", [[Cell("no supervisor is to be seen")]]
    lines = [*grid(HOSTS, [_host(s, s.host) for s in sight.hosts if s.host], frame.width), *wrong]
    return f"hosts: {len(sight.hosts)}", lines


def _host(seen: Sighting, host: Host) -> Line:
    texts = (
        escaped(host.host),
        f"{host.pid}",
        escaped(host.release),
        span(host.up + seen.ago),
        f"{len(host.workers) + host.more_workers} of {host.alive}",
        share(host.cpu),
        size(host.memory),
        span(seen.ago),
    )
    return [*map(Cell, texts)]


def _unreadable(seen: Sighting, width: int) -> Line:
    name = fitted_name(escaped(seen.name), width // 3)
    return [Cell(f"{name}: {escaped(seen.trouble)}", "red")]


RUNNING = (
    Column("queue", is_text=True),
    Column("host", is_text=True),
    *map(Column, ("pid", "for", "cpu")),
    Column("progress", is_text=True),
)


def _running(frame: Frame) -> Pane:
    sight = frame.sight
    rows = [
        [
            Cell(escaped(task.worker.queue)),
            Cell(escaped(task.host.host)),
            Cell(f"{task.worker.pid}"),
            Cell(span(task.worker.seconds + task.seen.ago)),
            Cell(share(task.worker.cpu)),
            Cell(_progress(task.worker.fraction, task.worker.text)),
        ]
        for task in running(sight.hosts)
    ]
    more = sum(seen.host.more_workers for seen in sight.hosts if seen.host)
    title = f"running: {len(rows)}" + (f", and {more} that are not shown" if more else "")
    return title, grid(RUNNING, rows, frame.width) if rows else [[Cell("nothing is running")]]


def _progress(fraction: float | None, text: str) -> str:
    told = "" if fraction is None else f"{fraction:.0%}"
    return escaped(": ".join(filter(None, (told, text))))


def _help(_: Frame) -> Pane:
    return "keys", [[Cell(f"{key.shown:<8}", "bold"), Cell(key.meaning)] for key in KEYS]


PANES: Mapping[str, Callable[[Frame], Pane]] = {
    "queue": _queue,
    "hosts": _hosts,
    "running": _running,
    "help": _help,
}
