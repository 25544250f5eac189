"""Whom a supervisor serves, and who has them: it has loaded the application itself, or leaves that
to its children, and knows only what it needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from ..consumer import Consumer
from ..errors import AppError, StartupError, WrongValue
from ..logs import log
from ..processes.cpus import number_of, places_in
from ..processes.scoreboard import ROWS
from ..processes.thread_counts import Share
from ..protocol.client import address_of
from ..protocol.urls import client_at
from ..settings import Settings
from .embedded import EmbeddedServer, server_for

Load = Callable[[], Sequence[Consumer]]

EVEN = Share()
"""Of a worker that nobody has reckoned with yet."""

CHANGED = (
    "the application has changed since the start: send SIGHUP to the supervisor, which starts anew "
    "on what is there now"
)


class Outline(NamedTuple):
    """What a supervisor needs to know of a consumer: plain data, to be told."""

    queue: str
    least: int  # workers
    most: int
    share: float
    timeout: float | None
    stall_timeout: float | None
    has_setup: bool
    address: str

    @classmethod
    def of(cls, consumer: Consumer) -> Outline:
        return cls(
            consumer.queue,
            *consumer.bounds,
            consumer.share,
            None if consumer.timeout is None else float(consumer.timeout),
            None if consumer.stall_timeout is None else float(consumer.stall_timeout),
            consumer.setup is not None,
            address_of(consumer.client),
        )

    @property
    def workers(self) -> str:
        """As people are told."""
        return f"{self.least}" if self.least == self.most else f"{self.least} to {self.most}"

    @property
    def essence(self) -> Outline:
        """What must stay as it is while the supervisor runs."""
        return self._replace(least=0, most=0, share=0.0, has_setup=False)


@dataclass(frozen=True)
class Roster:
    """The consumers of one supervisor; ``server``: to be run beside them; ``is_loaded``: whether
    `load`, which a child calls, only hands over what is here; ``share``: of each worker."""

    outlines: Sequence[Outline]
    load: Load
    server: EmbeddedServer | None = None
    is_loaded: bool = True
    share: Share = EVEN


def surveyed(consumers: Sequence[Consumer], settings: Settings) -> Roster:
    """The roster of these consumers, where they have been loaded."""
    consumers = _settled(consumers, settings)
    if not consumers:
        raise AppError("there is nothing to supervise: add a WoodenCustomer to the manager")
    for queue in _divided(consumers):
        log.warning("%s has customers with several handlers: any may get a task", queue)
    server = server_for(consumers[0].client, settings)
    return Roster([Outline.of(consumer) for consumer in consumers], lambda: consumers, server)


def loaded_by_children(
    outlines: Sequence[Outline], server: EmbeddedServer | None, load: Load, settings: Settings
) -> Roster:
    """The roster of consumers that are in no process so far."""

    def load_the_same() -> Sequence[Consumer]:
        consumers = _settled(load(), settings)
        if [Outline.of(c).essence for c in consumers] != [o.essence for o in outlines]:
            raise AppError(CHANGED)
        return consumers

    return Roster(outlines, load_the_same, server, is_loaded=False)


def _settled(consumers: Sequence[Consumer], settings: Settings) -> list[Consumer]:
    """The consumers as they are run under these settings, their processes counted."""
    url, file = settings.redis, settings.redis_password_file
    try:
        client = client_at(url, file) if url else None  # one for all
    except WrongValue as error:
        raise StartupError(f"this is no URL of a Redis server: {error}") from None
    under = [consumer.under(settings, client) for consumer in consumers]
    settled = [_counted(consumer) for consumer in under]
    _require_room([*map(Outline.of, settled)], settings)
    return settled


def _counted(consumer: Consumer) -> Consumer:
    """From how many to how many processes, where it says so by the CPUs that there are."""
    given = consumer.processes if isinstance(consumer.processes, tuple) else (consumer.processes,)
    least, most = number_of(given[0]), number_of(given[-1])
    return replace(consumer, processes=(least, max(least, most)))


def most_workers(outlines: Sequence[Outline], settings: Settings) -> int:
    """That there may be at once."""
    return int(min(sum(outline.most for outline in outlines), places_in(settings.cpus)))


def _require_room(outlines: Sequence[Outline], settings: Settings) -> None:
    least, places = sum(outline.least for outline in outlines), places_in(settings.cpus)
    if least > places:
        raise StartupError(
            f"the queues are to have {least} workers at least, and cpus={places} allows fewer: "
            f"give some a range, as in processes=(0, {places}) or --processes 0-{places}"
        )
    if (workers := most_workers(outlines, settings)) > ROWS:
        raise StartupError(f"{workers} workers: one supervisor has at most {ROWS}")


def _divided(consumers: Sequence[Consumer]) -> list[str]:
    """The queues whose customers do not do the same."""
    handlers: dict[str, list[object]] = {}
    for consumer in consumers:
        handlers.setdefault(consumer.queue, []).append(consumer.handler)
    return [queue for queue, known in handlers.items() if any(h != known[0] for h in known)]
