"""Supervisors and their workers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from ...names import without_token
from ...protocol.hosts import HOUR, Crew, Event, Hour
from ...protocol.published import Sighting, Task, running
from ...text import escaped
from ..names import key_of
from .queues import belonging


def summary(seen: Sighting) -> dict[str, Any]:
    """A supervisor in a line."""
    told = {
        "document": key_of(seen.name),
        "name": escaped(seen.name),
        "seen": round(seen.written, 1),
        "trouble": escaped(seen.trouble),
    }
    if (host := seen.host) is None:
        return told
    restarts: Counter[str] = Counter()
    for crew in host.queues:
        restarts.update(crew.restarts)
    plain = ("pid", "alive", "cpu", "memory")
    return {
        **told,
        **{name: getattr(host, name) for name in plain},
        "host": escaped(host.host),
        "release": escaped(host.release),
        "state": escaped(host.state),
        "since": round(seen.written - host.up),
        "running": len(host.workers) + host.more_workers,
        "restarts": {escaped(cause): number for cause, number in restarts.items()},
        "queues": len(host.queues) + host.more_queues,
    }


def whole(seen: Sighting) -> dict[str, Any]:
    """All that there is of one, by the names of parts."""
    name, host = f"host/{key_of(seen.name)}", seen.host
    if host is None:
        return {name: summary(seen)}
    settings = {escaped(each): escaped(f"{value}") for each, value in host.settings.items()}
    more = {"settings": settings, "moreWorkers": host.more_workers, "moreQueues": host.more_queues}
    return {
        name: {**summary(seen), **more},
        "crews": [*map(_crew, host.queues)],
        "workers": tasks([seen]),
        "hour": _hour(host.hour),
        "events": [_event(seen.written, event) for event in host.events],
    }


def _crew(crew: Crew) -> dict[str, Any]:
    numbers = ("least", "most", "starting", "idle", "running", "quiet", "leaving")
    return {
        **belonging(crew.queue),
        **{name: getattr(crew, name) for name in numbers},
        "restarts": {escaped(cause): number for cause, number in crew.restarts.items()},
        "tally": {escaped(name): number for name, number in crew.tally.items()},
        "busy": crew.busy,
        "cpu": crew.cpu,
    }


def _hour(hour: Hour) -> dict[str, Any] | None:
    """``memory``: in bytes."""
    if not any(each is not None for each in (*hour.cpu, *hour.memory)):
        return None
    memory = [None if mib is None else mib << 20 for mib in hour.memory]
    return {"cpu": _of_an_hour(hour.cpu), "memory": _of_an_hour(memory)}


def _of_an_hour(values: Sequence[int | None]) -> list[int | None]:
    """With those minutes in which there was no supervisor yet."""
    return [*[None] * (HOUR - len(values)), *values]


def _event(written: float, event: Event) -> dict[str, Any]:
    at = round(written - event.seconds, 1)
    return {"at": at, "level": escaped(event.level), "text": escaped(event.text)}


def tasks(sightings: Sequence[Sighting], queue: str = "") -> list[dict[str, Any]]:
    """Those that run, of this queue or of all; who began first comes first."""
    return [_task(task) for task in running(sightings, [queue] if queue else ())]


def _task(task: Task) -> dict[str, Any]:
    worker, host = task.worker, task.host
    plain = ("slot", "pid", "done", "fraction", "cpu", "memory", "children")
    return {
        **{name: getattr(worker, name) for name in plain},
        **belonging(worker.queue),
        "claim": escaped(worker.claim),
        "task": escaped(without_token(worker.claim)),
        "host": escaped(host.host),
        "supervisor": host.pid,
        "document": key_of(task.seen.name),
        "began": round(task.began, 1),
        "text": escaped(worker.text),
        "told": None if worker.told is None else round(task.seen.written - worker.told, 1),
        "leaving": worker.is_leaving,
    }
