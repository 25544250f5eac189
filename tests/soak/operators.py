"""Operators who steer while all else goes wrong: each of their verbs is interrupted now and then by
a server that is away, and done again until it has succeeded."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from woodenwaiter.protocol.letters import Filter
from woodenwaiter.protocol.link import Link, ServerTrouble
from woodenwaiter.protocol.looks import peek
from woodenwaiter.protocol.published import published, running
from woodenwaiter.protocol.trash import trashes_of
from woodenwaiter.protocol.urls import client_at
from woodenwaiter.verbs.cancelling import cancel
from woodenwaiter.verbs.desk import Desk
from woodenwaiter.verbs.hosts import steer
from woodenwaiter.verbs.letters import drop, sought
from woodenwaiter.verbs.pausing import pause, resume
from woodenwaiter.verbs.trash import purge, restore

from .faults import OPERATORS, Scene, fault, pick
from .kinds import QUEUES

T = TypeVar("T")

PATIENCE = 60.0
"""Seconds for which an operator tries again."""

A_WHILE = 20.0
"""Seconds of a pause that nobody ends, should its end be forgotten by a server."""


@contextmanager
def desk_at(url: str) -> Iterator[Desk]:
    link = Link(client_at(url), timeout=2)
    try:
        yield Desk(link, "operator", "soak")
    finally:
        link.close()


def done(verb: Callable[[], T]) -> T:
    """What it returns once it succeeds."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return verb()
        except ServerTrouble:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def restore_all(desk: Desk) -> None:
    """Whatever is in a trash: of some purges nobody has heard."""
    for found in done(lambda: trashes_of(desk.link, QUEUES)):
        for each in [] if isinstance(found, Exception) else found:
            done(lambda each=each: [*restore(desk, each.queue, each.name)])  # type: ignore[misc]


@fault(OPERATORS, lasts=1.0)
def pause_a_queue(scene: Scene, chance: float) -> Iterator[None]:
    queue = QUEUES[int(chance * len(QUEUES))]
    with desk_at(scene.place.url) as desk:
        done(lambda: pause(desk, queue, A_WHILE, "to see what happens"))
        yield
        done(lambda: resume(desk, queue))


@fault(OPERATORS, lasts=1.0, weight=2)
def purge_a_queue_and_restore_it(scene: Scene, chance: float) -> Iterator[None]:
    queue = QUEUES[int(chance * len(QUEUES))]
    with desk_at(scene.place.url) as desk:
        done(lambda: purge(desk, queue))
        yield
        restore_all(desk)


@fault(OPERATORS, lasts=0.5)
def drop_dead_letters_and_restore_them(scene: Scene, chance: float) -> Iterator[None]:
    queue = QUEUES[int(chance * len(QUEUES))]
    with desk_at(scene.place.url) as desk:
        done(lambda: [*drop(desk, queue, sought(desk.link, queue, Filter()))])
        yield
        restore_all(desk)


@fault(OPERATORS, weight=2)
def cancel_what_waits(scene: Scene, chance: float) -> Iterator[None]:
    queue = QUEUES[int(chance * len(QUEUES))]
    with desk_at(scene.place.url) as desk:
        if task := pick(done(lambda: peek(desk.link, queue, 3)), chance):
            done(lambda: cancel(desk, queue, task.name))
            yield


@fault(OPERATORS, weight=2)
def cancel_what_runs(scene: Scene, chance: float) -> Iterator[None]:
    with desk_at(scene.place.url) as desk:
        if task := pick(done(lambda: running(published(desk.link))), chance):
            done(lambda: cancel(desk, task.worker.queue, task.worker.claim))
            yield


@fault(OPERATORS, lasts=1.0)
def quiet_all_hosts_from_afar(scene: Scene, chance: float) -> Iterator[None]:
    with desk_at(scene.place.url) as desk:
        done(lambda: steer(desk, published(desk.link), "quiet"))
        yield
        done(lambda: steer(desk, published(desk.link), "continue"))
