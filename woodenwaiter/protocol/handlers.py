"""What handlers of queues are up to, on all hosts together, as far as the hosts' documents tell."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .hosts import Unreadable, parsed, require_counts


@dataclass
class Handlers:
    """Of a queue: how many are ``running``, None where a host does not tell of all of its queues;
    and since the hosts began, how many took how long, as `hosts.Crew.times` has them."""

    running: int | None = 0
    times: list[int] = field(default_factory=list)

    def add(self, running: int, times: Collection[int]) -> None:
        if self.running is not None:
            self.running += running
        self.times += [0] * (len(times) - len(self.times))
        for number, count in enumerate(times):
            self.times[number] += count


def handlers_of(queues: Iterable[str], documents: Iterable[bytes]) -> dict[str, Handlers]:
    """Of each of these queues. Of documents no more is read than that: there may be many. Those
    that cannot be read tell nothing."""
    handlers = {queue: Handlers() for queue in queues}
    is_all = True
    for raw in documents:
        try:
            document = parsed(raw)
            is_all = is_all and not document.get("more_queues")
            for queue, running, times in map(_facts, _crews(document)):
                if queue in handlers:
                    handlers[queue].add(running, times)
        except Unreadable:
            continue
    if not is_all:
        for each in handlers.values():
            each.running = None
    return handlers


def _crews(document: Mapping[str, Any]) -> list[Any]:
    crews = document.get("queues", [])
    if type(crews) is not list:
        raise Unreadable("no document of a host: it has no such queues")
    return crews


def _facts(crew: Any) -> tuple[str, int, list[int]]:
    if type(crew) is dict:
        queue, running, times = crew.get("queue"), crew.get("running", 0), crew.get("times", [])
        if type(queue) is str and type(times) is list:
            require_counts([running, *times])
            return queue, running, times
    raise Unreadable("no document of a host: it has no such queues")
