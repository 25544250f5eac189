"""Where supervisors publish what they tell of themselves, and who looks finds it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

from .. import pace
from . import scripts
from .hosts import Host, Running, Unreadable, decoded, encoded
from .keys import HOSTS, host_key, text_of_name
from .link import Command, Link

PORTION = 100
"""Documents that are asked for at once, of up to `hosts.MOST_BYTES` each."""


def publication(name: str, host: Host) -> Command:
    """Publish this document under that name. By its source: it is shorter than what there would be
    to do where the server does not know the script."""
    source, lifetime = scripts.PUBLISH.source.encode(), int(pace.PUBLISHED * 1000)
    return ("EVAL", source, 2, HOSTS, host_key(name), name, encoded(host), lifetime)


def withdrawal(name: str) -> list[Command]:
    """Have it gone. Not by DEL: who publishes may not delete queues."""
    return [("ZREM", HOSTS, name), ("SET", host_key(name), "", "PX", 1)]


@dataclass(frozen=True)
class Sighting:
    """What was found of one supervisor: its document's ``name``; when that was written, in
    ``written`` seconds of Unix time by the server's clock, and how many seconds ``ago``; and what
    it says. Where it cannot be read there is no ``host``, but ``trouble`` says why."""

    name: str
    written: float
    ago: float
    host: Host | None
    trouble: str = ""


class Task(NamedTuple):
    """A task that runs, or did when its supervisor was ``seen``: of ``host``, by ``worker``."""

    seen: Sighting
    host: Host
    worker: Running

    @property
    def began(self) -> float:
        """In seconds of Unix time by the server's clock."""
        return self.seen.written - self.worker.seconds


def published(link: Link) -> list[Sighting]:
    """All that is there, by name. Raises what is in `link.ServerTrouble`."""
    flat, (seconds, microseconds) = _answered(
        link, ("ZRANGE", HOSTS, 0, -1, "WITHSCORES"), ("TIME",)
    )
    now = int(seconds) + int(microseconds) / 1e6
    moments = zip(map(text_of_name, flat[::2]), map(float, flat[1::2]), strict=True)
    return sorted(_sightings(link, iter(moments), now), key=lambda found: found.name)


def _sightings(link: Link, moments: Iterator[tuple[str, float]], now: float) -> Iterator[Sighting]:
    while portion := [*islice(moments, PORTION)]:
        documents = link.call("MGET", *(host_key(name) for name, _ in portion))
        for (name, moment), document in zip(portion, documents, strict=True):
            if document is not None:  # gone meanwhile, or since its host died
                written = moment / 1000
                yield _sighting(name, written, max(0.0, now - written), document)


def _sighting(name: str, written: float, ago: float, document: bytes) -> Sighting:
    try:
        return Sighting(name, written, ago, decoded(document))
    except Unreadable as unreadable:
        return Sighting(name, written, ago, None, str(unreadable))


def running(sightings: Iterable[Sighting], queues: Collection[str] = ()) -> list[Task]:
    """The tasks that run, of these queues or of all; who began first comes first."""
    tasks = [
        Task(seen, seen.host, worker)
        for seen in sightings
        if seen.host
        for worker in seen.host.workers
        if not queues or worker.queue in queues
    ]
    return sorted(tasks, key=lambda task: task.began)


def _answered(link: Link, *commands: Command) -> list[Any]:
    replies = link.exchange(commands)
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
    return replies
