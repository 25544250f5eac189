"""Where supervisors publish what they tell of themselves, and who looks finds it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, NamedTuple

from .. import pace
from . import scripts
from .calls import answers_to
from .hosts import Host, Running, Unreadable, decoded, encoded
from .keys import HOSTS, host_key, text_of_name
from .link import Command, Link

PORTION = 100
"""Documents that one command asks for, of up to `hosts.MOST_BYTES` each: the server does other
things in between."""


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


INDEX: Sequence[Command] = (("ZRANGE", HOSTS, 0, -1, "WITHSCORES"), ("TIME",))
"""What to ask for first; `Index.of` what it is answered."""


class Index(NamedTuple):
    """Which documents there are, by name; when each was written, in Unix time by the server's
    clock, as well as what that is ``now``."""

    written: Mapping[str, float]
    now: float

    @classmethod
    def of(cls, replies: Sequence[Any]) -> Index:
        flat, (seconds, microseconds) = replies
        moments = (float(moment) / 1000 for moment in flat[1::2])
        written = dict(zip(map(text_of_name, flat[::2]), moments, strict=True))
        return cls(written, int(seconds) + int(microseconds) / 1e6)

    def ago(self, name: str) -> float:
        """How many seconds ago that was."""
        return max(0.0, self.now - self.written[name])

    @property
    def questions(self) -> list[Command]:
        """What to ask for next."""
        keys = [host_key(name) for name in self.written]
        return [("MGET", *keys[n : n + PORTION]) for n in range(0, len(keys), PORTION)]

    def documents(self, replies: Iterable[Sequence[bytes | None]]) -> dict[str, bytes]:
        """What that is answered, by name; but for what is gone by now, or since its host died."""
        found = zip(self.written, chain.from_iterable(replies), strict=True)
        return {name: document for name, document in found if document is not None}


def published(link: Link, known: Iterable[Sighting] = ()) -> list[Sighting]:
    """All that is there, by name, in two round trips; what is ``known`` from before, was not
    written anew, and cannot be gone by now, is not fetched again. Raises what is in
    `link.ServerTrouble`."""
    index = Index.of(answers_to(link, INDEX))
    old = [seen for seen in known if index.written.get(seen.name) == seen.written]
    found = {seen.name: replace(seen, ago=index.ago(seen.name)) for seen in old}
    found = {name: seen for name, seen in found.items() if seen.ago < pace.REPUBLISH}
    new = {name: at for name, at in index.written.items() if name not in found}
    fresh = Index(new, index.now)
    for name, document in fresh.documents(answers_to(link, fresh.questions)).items():
        found[name] = _sighting(index, name, document)
    return [found[name] for name in sorted(found)]


def _sighting(index: Index, name: str, document: bytes) -> Sighting:
    written, ago = index.written[name], index.ago(name)
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
