"""From consumers and settings to a running loop."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import replace

from setproctitle import setproctitle

from .. import __version__, logs, pace
from ..consumer import Consumer
from ..errors import AppError, Misuse, StartupError
from ..events import about
from ..logs import log
from ..processes.cpus import places_in
from ..processes.leftovers import leftovers, native_threads, open_connections, python_threads
from ..processes.signals import in_main_thread
from ..processes.thread_counts import Share, share_of
from ..protocol.client import connected_descriptors
from ..protocol.link import Link
from ..protocol.urls import client_at
from ..settings import Settings
from ..text import escaped, listed
from .apart import Apart
from .doorway import Doorways, address_of_metrics, page_options
from .hosts import TITLE
from .renewal import Renewal
from .roster import Outline, Roster, most_workers, surveyed
from .supervisor import Supervisor
from .systemd import Systemd


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
    return _run(lambda: surveyed(consumers, settings), settings, lifeline, renewal)


def run_scouted(roster: Roster, settings: Settings, renewal: Renewal) -> int:
    """The same for consumers that are loaded by this process's children only."""
    return _run(lambda: roster, settings, None, renewal)


def _run(
    survey: Callable[[], Roster],
    settings: Settings,
    lifeline: int | None,
    renewal: Renewal | None,
) -> int:
    logs.configure(settings.log_level, settings.log_format)
    with Apart() as apart:
        try:
            return _supervise(survey, settings, apart, lifeline, renewal)
        except StartupError as error:
            if lifeline is None:
                raise
            log.error("%s", error)
            return error.exit_code


def _supervise(
    survey: Callable[[], Roster],
    settings: Settings,
    apart: Apart,
    lifeline: int | None,
    renewal: Renewal | None,
) -> int:
    doorways = Doorways.of(settings)
    roster = _with_share(survey(), settings)
    renewal = renewal or Renewal()
    with renewal.pid_told(settings.pidfile):
        queues = escaped(", ".join(outline.queue for outline in roster.outlines))
        setproctitle(f"{TITLE} {queues:.200}")
        _introduce(roster.outlines, settings)
        client = roster.load()[0].client if roster.is_loaded else client_at("redis://localhost")
        Link(client, pace.CONNECT_WITHIN)  # unopened: loads what each child would load
        threads = _inspect(settings) if lifeline is None and roster.is_loaded else ""
        # One that a program has launched is not the service: that is the program.
        systemd = Systemd.of(os.environ) if lifeline is None else Systemd()
        return Supervisor(
            roster, settings, apart, systemd, lifeline, renewal, threads, doorways
        ).run()


def _introduce(outlines: Sequence[Outline], settings: Settings) -> None:
    """Say who this is, and what it is going to do."""
    who = "woodenwaiter %s, supervisor, pid %d"
    log.info(who, __version__, os.getpid(), extra=about("supervisor.started"))
    for outline in outlines:
        log.info("%s on %s, workers: %s", outline.queue, outline.address, outline.workers)
    if settings.metrics:
        log.info("metrics: %s", address_of_metrics(settings.metrics))
    if settings.web:
        _introduce_page(outlines, settings)
    if settings.cpus != "":
        log.info("workers in all, at most: %d", places_in(settings.cpus))
    for queue in settings.processes_by_queue().keys() - {"", *(o.queue for o in outlines)}:
        log.warning("processes are set for %s, but no customer serves it", queue)


def _introduce_page(outlines: Sequence[Outline], settings: Settings) -> None:
    log.info("page: %s", page_options(settings).url)
    servers = list(dict.fromkeys(settings.redis or o.address for o in outlines))
    if len(servers) > 1:
        log.warning("the page shows %s alone, of %d servers", servers[0], len(servers))


def _with_share(roster: Roster, settings: Settings) -> Roster:
    """Share out the CPUs, and tell of what is loaded by now and does not fit."""
    share = Share.here(share_of(settings.threads, most_workers(roster.outlines, settings)))
    if share.misfits and not share.is_adjustable:
        log.log(
            logging.WARNING if share.found > share.number else logging.INFO,
            "%s was loaded with threads: %d; each worker's share: %d; start with "
            "OMP_NUM_THREADS=%d in the environment, or install threadpoolctl",
            listed(share.misfits),
            share.found,
            share.number,
            share.number,
        )
    return replace(roster, share=share)


def _inspect(settings: Settings) -> str:
    """Tell what loading the application left that a fork would break; returns the threads that only
    may be missed. Raises AppError where workers would get each other's answers."""
    for leftover in leftovers():
        log.warning("loading the application left %s: forked workers must not share it", leftover)
    if peers := shared_connections():
        if not settings.allow_open_connections:
            raise AppError(
                f"loading the application left open connections, to {peers:.200}: workers would "
                "share them, and get each other's answers; connect in setup, or, where no handler "
                "uses them, start with --allow-open-connections"
            )
        log.warning("loading the application left open connections, to %s", peers)
    if native := native_threads():
        message = "loading the application started threads of libraries, not forked: %s"
        log.info(message, listed(native))
    return listed([*python_threads(), *native])


def shared_connections() -> str:
    """The peers of connections that workers would share: those of redis-py connect anew."""
    if not (found := open_connections()):
        return ""  # a search through all objects is saved
    return ", ".join(found[fd] for fd in found.keys() - connected_descriptors())
