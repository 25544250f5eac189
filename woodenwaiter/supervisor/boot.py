"""From consumers and settings to a running loop."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

from setproctitle import setproctitle

from .. import __version__, logs, pace
from ..consumer import Consumer
from ..errors import AppError, Misuse, StartupError, WrongValue
from ..logs import log
from ..processes.cpus import usable_cpus
from ..processes.leftovers import leftovers
from ..processes.signals import in_main_thread
from ..protocol.client import address_of, client_at
from ..protocol.link import Link
from ..settings import Settings
from ..text import escaped
from .embedded import server_for
from .supervisor import Supervisor


def run(consumers: Sequence[Consumer], settings: Settings, lifeline: int | None = None) -> int:
    """Be the supervisor of these consumers; returns the exit code.

    ``lifeline``: becomes readable when the program that launched this process is gone. Raises
    Misuse outside the main thread, StartupError where it cannot start.
    """
    if not in_main_thread():
        raise Misuse("run() receives signals: it must be called in the main thread")
    logs.configure(settings.log_level, settings.log_format)
    consumers = _settled(consumers, settings)
    if not consumers:
        raise AppError("there is nothing to supervise: add a WoodenCustomer to the manager")
    server = server_for(consumers[0].client, settings)
    queues = escaped(", ".join(consumer.queue for consumer in consumers))
    setproctitle(f"woodenwaiter: supervisor of {queues:.200}")
    _introduce(consumers, settings)
    Link(consumers[0].client, pace.CONNECT_WITHIN)  # unopened: loads what each child would load
    supervisor = Supervisor(consumers, settings, server, lifeline)
    for leftover in leftovers() if lifeline is None else ():
        log.warning("loading the application left %s: forked workers must not share it", leftover)
    return supervisor.run()


def _settled(consumers: Sequence[Consumer], settings: Settings) -> list[Consumer]:
    """The consumers as they are run under these settings, their processes counted."""
    try:
        client = client_at(settings.redis) if settings.redis else None  # one for all
    except WrongValue as error:
        raise StartupError(f"this is no URL of a Redis server: {error}") from None
    under = [consumer.under(settings, client) for consumer in consumers]
    return [replace(c, processes=usable_cpus()) if c.processes == "cpus" else c for c in under]


def _divided(consumers: Sequence[Consumer]) -> list[str]:
    """The queues whose customers do not do the same."""
    handlers: dict[str, list[object]] = {}
    for consumer in consumers:
        handlers.setdefault(consumer.queue, []).append(consumer.handler)
    return [queue for queue, known in handlers.items() if any(h != known[0] for h in known)]


def _introduce(consumers: Sequence[Consumer], settings: Settings) -> None:
    """Say who this is, and what it is going to do."""
    log.info("woodenwaiter %s, supervisor, pid %d", __version__, os.getpid())
    for consumer in consumers:
        server = address_of(consumer.client)
        log.info("%s on %s, workers: %s", consumer.queue, server, consumer.processes)
    for queue in _divided(consumers):
        log.warning("%s has customers with several handlers: any may get a task", queue)
    for queue in settings.processes_by_queue().keys() - {"", *(c.queue for c in consumers)}:
        log.warning("processes are set for %s, but no customer serves it", queue)
