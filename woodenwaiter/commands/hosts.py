"""``woodenwaiter status --hosts``, ``status --workers``, ``running``: who is there, and what runs
where."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from ..protocol.hosts import Crew, Host
from ..protocol.link import Link
from ..protocol.published import Sighting, Task, published, running
from ..protocol.queue import Queue
from ..text import escaped_json
from .columns import print_table, share, size, span
from .known import require_known
from .terminal import complain
from .traces import lines_of, traces

VERSION = 1
"""Of what ``--json`` prints: another one where a key is gone, or means something else."""

STATES = ("running", "idle", "starting", "quiet", "leaving")
"""Of workers; those that run a task are shown one by one, as far as they are known."""


class Seen(NamedTuple):
    """A supervisor whose document can be read."""

    sighting: Sighting
    host: Host


def show_hosts(given: argparse.Namespace, link: Link) -> int:
    """Each supervisor, and how it fares."""
    found = published(link)
    seen = _seen(found, given.queues)
    if given.json:
        _print_json(found, hosts=[*map(_host_as_json, seen)])
        return 0
    _complain_of(found)
    names = ("host", "pid", "version", "up", "running", "ended", "cpu", "largest", "seen")
    _print([names, *map(_host, seen)], "no supervisor is to be seen")
    return 0


def show_workers(given: argparse.Namespace, link: Link) -> int:
    """Each worker that runs a task, and how many others there are."""
    found = published(link)
    seen = _seen(found, given.queues)
    tasks = running(found, given.queues)
    if given.json:
        crews = [crew for each in seen for crew in _crews_as_json(each, given.queues)]
        _print_json(found, workers=[*map(_task_as_json, tasks)], crews=crews)
        return 0
    _complain_of(found)
    names = ("host", "worker", "pid", "state", "for", "done", "cpu", "memory")
    rows: list[Sequence[str]] = [names]
    for sighting, host in seen:
        rows += [_worker(task) for task in tasks if task.seen is sighting]
        rows += [row for crew in _crews(host, given.queues) for row in _others(host, crew)]
        if host.more_queues:
            rows.append(_left_out(host))
    _print(rows, "no worker is to be seen")
    return 0


def show_running(given: argparse.Namespace, link: Link) -> int:
    """What runs, where, and for how long."""
    found = published(link)
    queues = [given.queue] if given.queue else []
    tasks = running(found, queues)
    if queues and not _seen(found, queues):
        require_known(Queue(link, given.queue, lease=1))
    found_there = traces(link, tasks, given.queue) if given.trace else []
    if given.json:
        plain = [*map(_task_as_json, tasks)]
        for task, trace in zip(plain, found_there, strict=False):
            task["trace"], task["trouble"] = trace
        _print_json(found, running=plain)
        return 0
    _complain_of(found)
    names = ("queue", "host", "pid", "for", "seen", "cpu", "progress")
    _print([names, *map(_task, tasks)], "nothing is running", [*map(lines_of, found_there)])
    return 0


def _seen(found: Iterable[Sighting], queues: Sequence[str]) -> list[Seen]:
    """Those that serve any of the queues, if some are named."""
    readable = (Seen(sighting, sighting.host) for sighting in found if sighting.host)
    return [seen for seen in readable if not queues or _crews(seen.host, queues)]


def _crews(host: Host, queues: Sequence[str]) -> list[Crew]:
    return [crew for crew in host.queues if not queues or crew.queue in queues]


# In columns.

TEXTS = ("host", "queue", "worker", "state", "progress")


def _print(
    rows: Sequence[Sequence[str]], nothing: str, below: Sequence[Sequence[str]] = ()
) -> None:
    """``below``: lines that belong to each row."""
    if len(rows) > 1:
        print_table(rows, TEXTS, below)
    else:
        print(nothing)


def _complain_of(found: Iterable[Sighting]) -> None:
    for sighting in found:
        if sighting.trouble:
            complain(f"{sighting.name}: {sighting.trouble}")


def _host(seen: Seen) -> Sequence[str]:
    host = seen.host
    busy = f"{len(host.workers) + host.more_workers} of {host.alive}"
    return (
        host.host,
        f"{host.pid}",
        host.release,
        span(host.up + seen.sighting.ago),
        busy,
        f"{host.started - host.alive}",
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
        ": ".join(filter(None, (told, worker.text))),
    )


# As JSON.


def _print_json(found: Iterable[Sighting], **parts: Any) -> None:
    unreadable = [
        {"document": sighting.name, "trouble": sighting.trouble}
        for sighting in found
        if sighting.trouble
    ]
    whole = {"version": VERSION, **parts, "unreadable": unreadable}
    print(escaped_json(json.dumps(whole, default=vars, ensure_ascii=False)))


def _host_as_json(seen: Seen) -> dict[str, Any]:
    sighting, host = seen
    since = sighting.written - host.up
    known = {"document": sighting.name, "written": sighting.written, "ago": sighting.ago}
    return {**known, "since": since, **vars(host)}


def _crews_as_json(seen: Seen, queues: Sequence[str]) -> list[dict[str, Any]]:
    sighting, host = seen
    known = {"document": sighting.name, "ago": sighting.ago, "host": host.host}
    return [{**known, "supervisor": host.pid, **vars(crew)} for crew in _crews(host, queues)]


def _task_as_json(task: Task) -> dict[str, Any]:
    sighting, host = task.seen, task.host
    known = {"document": sighting.name, "ago": sighting.ago, "host": host.host}
    return {**known, "supervisor": host.pid, "began": task.began, **vars(task.worker)}
