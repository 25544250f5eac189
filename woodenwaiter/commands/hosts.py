"""``woodenwaiter status --hosts``, ``status --workers``, ``running``: who is there, and what runs
where."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from ..errors import EXIT_UNKNOWN
from ..names import without_token
from ..protocol.hosts import Crew, Host
from ..protocol.link import Link
from ..protocol.published import Sighting, Task, published, running
from ..protocol.queue import Queue
from ..text import share, size, span
from ..verbs.traces import ENDED, traces
from .known import require_known
from .table import Cell, Column, name_column, text_column
from .traces import lines_of
from .views import View, show

STATES = ("running", "idle", "starting", "quiet", "leaving")
"""Of workers; those that run a task are shown one by one, as far as they are known."""


class Seen(NamedTuple):
    """A supervisor whose document can be read."""

    sighting: Sighting
    host: Host


def show_hosts(given: argparse.Namespace, link: Link) -> int:
    """Each supervisor, and how it fares."""
    return show(given, link, lambda: _hosts(published(link), given.queues + given.named))


def show_workers(given: argparse.Namespace, link: Link) -> int:
    """Each worker that runs a task, and how many others there are."""
    return show(given, link, lambda: _workers(published(link), given.queues + given.named))


def show_running(given: argparse.Namespace, link: Link) -> int:
    """What runs, where, and for how long."""
    return show(given, link, lambda: _running(link, given.queue, traced=given.trace))


def _hosts(found: Sequence[Sighting], queues: Sequence[str]) -> View:
    seen = _seen(found, queues)
    return _view(found, HOST, [*map(_host, seen)], "supervisor", hosts=[*map(_plain_host, seen)])


def _workers(found: Sequence[Sighting], queues: Sequence[str]) -> View:
    seen = _seen(found, queues)
    tasks = running(found, queues)
    rows: list[Sequence[str]] = []
    for sighting, host in seen:
        rows += [_worker(task) for task in tasks if task.seen is sighting]
        rows += [row for crew in _crews(host, queues) for row in _others(host, crew)]
        if host.more_queues:
            rows.append(_left_out(host))
    crews = [crew for each in seen for crew in _plain_crews(each, queues)]
    return _view(found, WORKER, rows, "worker", workers=[*map(_plain_task, tasks)], crews=crews)


def _running(link: Link, queue: str | None, *, traced: bool) -> View:
    found = published(link)
    queues = [queue] if queue else []
    tasks = running(found, queues)
    if queue and not _seen(found, queues):
        require_known(Queue(link, queue, lease=1))
    return view_of_tasks(link, found, tasks, queue, traced=traced)


def view_of_tasks(
    link: Link, found: Iterable[Sighting], tasks: Sequence[Task], queue: str | None, *, traced: bool
) -> View:
    """Of these, which are all of this queue, if one is named; ``traced``: with where they are."""
    plain = [*map(_plain_task, tasks)]
    where = traces(link, tasks, queue) if traced else []
    for task, trace in zip(plain, where, strict=False):
        task["trace"], task["trouble"] = trace
    view = _view(found, TASK, [*map(_task, tasks)], "", running=plain)
    are_missing = any(trace.trouble not in ("", ENDED) for trace in where)
    code = EXIT_UNKNOWN if are_missing else 0
    return view._replace(below=[*map(lines_of, where)], code=code)


def _view(
    found: Iterable[Sighting],
    columns: Sequence[Column],
    rows: Sequence[Sequence[str]],
    kind: str,
    **parts: Any,
) -> View:
    unreadable = [each for each in found if each.trouble]
    parts["unreadable"] = [{"document": s.name, "trouble": s.trouble} for s in unreadable]
    return View(
        parts,
        columns,
        [[*map(Cell, row)] for row in rows],
        f"no {kind} is to be seen" if kind else "nothing is running",
        troubles=[f"{each.name}: {each.trouble}" for each in unreadable],
    )


def _seen(found: Iterable[Sighting], queues: Sequence[str]) -> list[Seen]:
    """Those that serve any of the queues, if some are named."""
    readable = (Seen(sighting, sighting.host) for sighting in found if sighting.host)
    return [seen for seen in readable if not queues or _crews(seen.host, queues)]


def _crews(host: Host, queues: Sequence[str]) -> list[Crew]:
    return [crew for crew in host.queues if not queues or crew.queue in queues]


def _restarts(host: Host) -> Counter[str]:
    """By why."""
    restarts: Counter[str] = Counter()
    for crew in host.queues:
        restarts.update(crew.restarts)
    return restarts


# In columns.

HOST = (
    name_column("host"),
    *map(Column, ("pid", "version", "up")),
    text_column("state"),
    *map(Column, ("running", "restarts", "cpu", "largest", "seen")),
)
WORKER = (
    name_column("host"),
    name_column("worker"),
    Column("pid"),
    text_column("state"),
    *map(Column, ("for", "done", "cpu", "memory")),
)
TASK = (
    name_column("queue"),
    name_column("host"),
    *map(Column, ("pid", "for", "seen", "cpu", "task")),
    text_column("progress"),
)


def _host(seen: Seen) -> Sequence[str]:
    host = seen.host
    return (
        host.host,
        f"{host.pid}",
        host.release,
        span(host.up + seen.sighting.ago),
        host.state,
        f"{len(host.workers) + host.more_workers} of {host.alive}",
        f"{_restarts(host).total()}",
        share(host.cpu),
        size(host.memory),
        span(seen.sighting.ago),
    )


def _worker(task: Task) -> Sequence[str]:
    worker = task.worker
    return (
        task.host.host,
        f"{worker.queue} #{worker.slot}",
        f"{worker.pid}",
        "leaving" if worker.is_leaving else "running",
        span(worker.seconds),
        f"{worker.done}",
        share(worker.cpu),
        size(worker.memory),
    )


def _others(host: Host, crew: Crew) -> list[Sequence[str]]:
    """Of the workers that are not shown, one line for each state."""
    shown = sum(worker.queue == crew.queue for worker in host.workers)
    numbers = {**{state: getattr(crew, state) for state in STATES}, "running": crew.running - shown}
    states = [f"{number} {state}" for state, number in numbers.items() if number > 0]
    if not (states or shown):
        states = ["none"]
    return [(host.host, crew.queue, "", state, "", "", "", "") for state in states]


def _left_out(host: Host) -> Sequence[str]:
    return (host.host, f"{host.more_queues} queues more", *[""] * 6)


def _task(task: Task) -> Sequence[str]:
    worker = task.worker
    told = "" if worker.fraction is None else f"{worker.fraction:.0%}"
    return (
        worker.queue,
        task.host.host,
        f"{worker.pid}",
        span(worker.seconds),
        span(task.seen.ago),
        share(worker.cpu),
        without_token(worker.claim),
        ": ".join(filter(None, (told, worker.text))),
    )


# For programs.


def _plain_host(seen: Seen) -> dict[str, Any]:
    sighting, host = seen
    since = sighting.written - host.up
    known = {"document": sighting.name, "written": sighting.written, "ago": sighting.ago}
    return {**known, "since": since, "restarts": _restarts(host), **vars(host)}


def _plain_crews(seen: Seen, queues: Sequence[str]) -> list[dict[str, Any]]:
    sighting, host = seen
    known = {"document": sighting.name, "ago": sighting.ago, "host": host.host}
    return [{**known, "supervisor": host.pid, **vars(crew)} for crew in _crews(host, queues)]


def _plain_task(task: Task) -> dict[str, Any]:
    sighting, host = task.seen, task.host
    known = {"document": sighting.name, "ago": sighting.ago, "host": host.host}
    return {**known, "supervisor": host.pid, "began": task.began, **vars(task.worker)}
