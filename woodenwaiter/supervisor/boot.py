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
from ..processes.leftovers import leftovers, native_threads, open_connections
from ..processes.scoreboard import ROWS
from ..processes.signals import in_main_thread
from ..protocol.client import address_of, client_at, connected_descriptors
from ..protocol.link import Link
from ..settings import Settings
from ..text import escaped
from .apart import Apart
from .embedded import server_for
from .hosts import TITLE
from .renewal import Renewal
from .supervisor import Supervisor


def run(
    consumers: Sequence[Consumer],
    settings: Settings,
    lifeline: int | None = None,
    renewal: Renewal | None = None,
) -> int:
    """Be the supervisor of these consumers; returns the exit code.

    ``lifeline``: becomes readable when the program that launched this process is gone.
    ``renewal``: how to start anew. Raises Misuse outside the main thread, StartupError where it
    cannot start.
    """
    if not in_main_thread():
        raise Misuse("run() receives signals: it must be called in the main thread")
    logs.configure(settings.log_level, settings.log_format)
    with Apart() as apart:
        try:
            return _supervise(consumers, settings, apart, lifeline, renewal)
        except StartupError as error:
            if lifeline is None:
                raise
            log.error("%s", error)
            return error.exit_code


def _supervise(
    consumers: Sequence[Consumer],
    settings: Settings,
    apart: Apart,
    lifeline: int | None,
    renewal: Renewal | None,
) -> int:
    consumers = _settled(consumers, settings)
    if not consumers:
        raise AppError("there is nothing to supervise: add a WoodenCustomer to the manager")
    server = server_for(consumers[0].client, settings)
    queues = escaped(", ".join(consumer.queue for consumer in consumers))
    setproctitle(f"{TITLE} {queues:.200}")
    _introduce(consumers, settings)
    Link(consumers[0].client, pace.CONNECT_WITHIN)  # unopened: loads what each child would load
    threads = _inspect(settings) if lifeline is None else ""
    return Supervisor(consumers, settings, apart, server, lifeline, renewal, threads).run()


def _settled(consumers: Sequence[Consumer], settings: Settings) -> list[Consumer]:
    """The consumers as they are run under these settings, their processes counted."""
    try:
        client = client_at(settings.redis) if settings.redis else None  # one for all
    except WrongValue as error:
        raise StartupError(f"this is no URL of a Redis server: {error}") from None
    under = [consumer.under(settings, client) for consumer in consumers]
    settled = [replace(c, processes=usable_cpus()) if c.processes == "cpus" else c for c in under]
    if (workers := sum(int(consumer.processes) for consumer in settled)) > ROWS:
        raise StartupError(f"{workers} workers: one supervisor has at most {ROWS}")
    return settled


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


def _inspect(settings: Settings) -> str:
    """Tell what loading the application left that a fork would break; returns the threads that only
    may be missed. Raises AppError where workers would get each other's answers."""
    for leftover in leftovers():
        log.warning("loading the application left %s: forked workers must not share it", leftover)
    if peers := _shared_connections():
        if not settings.allow_open_connections:
            raise AppError(
                f"loading the application left open connections, to {peers:.200}: workers would "
                "share them, and get each other's answers; connect in setup, or, where no handler "
                "uses them, start with --allow-open-connections"
            )
        log.warning("loading the application left open connections, to %s", peers)
    if threads := native_threads():
        log.info("loading the application started threads of libraries, not forked: %s", threads)
    return threads


def _shared_connections() -> str:
    if not (found := open_connections()):
        return ""  # a search through all objects is saved
    return ", ".join(found[fd] for fd in found.keys() - connected_descriptors())
