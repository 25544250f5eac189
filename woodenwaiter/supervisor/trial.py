"""Whether an application could be served here: it is loaded for that, in a process of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import StartupError
from ..findings import Finding, Grade, ok, trouble, warning
from ..processes.leftovers import leftovers, native_threads
from ..processes.limits import descriptors_at_most, memory_at_most
from ..settings import IN_WORKER, Settings
from ..text import listed
from .boot import shared_connections
from .roster import Load, Outline, most_workers, surveyed
from .scout import Scout, Told
from .shortage import descriptors_for

LEAST_OF_WORKER = 8 << 20
"""Bytes of its own that a worker takes, however little its application does."""


@dataclass(frozen=True)
class Trial:
    """``queues``: those that it serves, each with the address of its server."""

    findings: tuple[Finding, ...]
    queues: dict[str, str]


def try_out(app: str, load: Load, settings: Settings) -> Trial:
    """Load the application that is called ``app`` in another process, and say what there is to be
    said of it. Raises nothing of what `load` does."""
    try:
        told = Scout(lambda: _told(load, settings)).report(app)
    except StartupError as error:
        told = {"error": str(error)}
    if "error" in told:
        return Trial((trouble("app", told["error"], "Put that right first"),), {})
    outlines = [Outline(*outline) for outline in told["outlines"]]
    findings = (*_of_app(app, outlines), *_of_import(told, settings), *_of_limits(told))
    return Trial(findings, {outline.queue: outline.address for outline in outlines})


def _told(load: Load, settings: Settings) -> Told:
    os.dup2(2, 1)  # what the import prints is no part of the answer
    try:
        roster = surveyed(load(), settings)
    except StartupError as error:
        return {"error": str(error)}
    limits = [c.bounds[1] * c.max_memory for c in roster.load() if c.max_memory]
    return {
        "outlines": roster.outlines,
        "workers": most_workers(roster.outlines, settings),
        "memory": sum(limits),
        "leftovers": [*leftovers()],
        "connections": shared_connections(),
        "threads": native_threads(),
    }


def _of_app(app: str, outlines: list[Outline]) -> Iterator[Finding]:
    served = listed([f"{outline.queue} ({outline.workers})" for outline in outlines])
    yield ok("app", f"{app} can be loaded; queues, and workers of each: {served}")


def _of_import(told: Told, settings: Settings) -> Iterator[Finding]:
    if settings.import_in == IN_WORKER:
        return  # whose own all of it is
    remedy = "Make it in setup, or start with --import-in worker"
    if told["connections"]:
        text = f"the import leaves open connections, to {told['connections']:.200}"
        grade = Grade.WARNING if settings.allow_open_connections else Grade.TROUBLE
        because = "workers would get each other's answers"
        yield Finding(grade, "import", text, f"{remedy}: {because}")
    if told["leftovers"]:
        text = f"the import leaves {listed(told['leftovers'])}"
        yield warning("import", text, f"{remedy}: workers do not have it")
    if told["threads"]:
        text = f"the import has started threads of libraries: {listed(told['threads'])}"
        yield warning("import", text, f"{remedy}, if a first task hangs: workers do not have them")
    if not (told["connections"] or told["leftovers"] or told["threads"]):
        yield ok("import", "it leaves no threads and no connections that a fork would break")


def _of_limits(told: Told) -> Iterator[Finding]:
    workers = told["workers"]
    needed, allowed = descriptors_for(workers), descriptors_at_most()
    text = f"{workers} workers need {needed}, {allowed:g} are allowed here"
    if needed <= allowed:
        yield ok("descriptors", text)
    else:
        yield trouble("descriptors", text, f"Raise the hard limit: ulimit -Hn {needed}")
    yield _memory(workers, told["memory"], memory_at_most())


def _memory(workers: int, wanted: int, limit: int | None) -> Finding:
    """``wanted``: bytes that workers may have by their own limits; ``limit``: all of them."""
    if limit is None:
        return ok("cgroup", "sets no limit of memory")
    text = f"its limit of memory is {_size(limit)}"
    if workers * LEAST_OF_WORKER > limit:
        return trouble("cgroup", f"{text}, for {workers} workers", "Raise it, or take fewer")
    if wanted > limit:
        told = f"{text}, and max_memory allows the workers {_size(wanted)} in all"
        return warning("cgroup", told, "Raise it, or lower max_memory")
    return ok("cgroup", text)


def _size(number: int) -> str:
    return f"{number / 2**20:,.0f} MiB"
