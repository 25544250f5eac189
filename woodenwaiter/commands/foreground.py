"""``woodenwaiter run``: one task, here and now."""

from __future__ import annotations

import argparse
import os
import pdb
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

from ..consumer import Consumer
from ..errors import EXIT_UNKNOWN, AppError, StartupError
from ..protocol.link import Link
from ..protocol.looks import Place
from ..protocol.queue import Queue
from ..protocol.single import Found, find_task
from ..protocol.verdict import Failure
from ..text import escaped, escaped_lines, listed, shortened, span
from ..verbs.desk import desk_of_this_process
from ..verbs.foreground import Outcome, Settled, run_here, settle_task
from .application import load_customers
from .documents import document
from .known import require_known
from .project import project_here
from .terminal import complain

EXIT_FAILED = 1

LONGEST = 1000
"""Bytes of what a handler returned, that are shown."""


class NoSuchTask(StartupError):
    """Nothing of that name waits, is delayed, or is dead."""

    exit_code = EXIT_UNKNOWN


def run_task(given: argparse.Namespace, link: Link) -> int:
    with _prints_kept_apart(given):
        consumer = _consumer_of(given)
        task = _found(given, link)
        if task.place is not Place.DEAD:
            complain(f"{task.name} is still in {given.queue}: a worker may run it at the same time")
        link.close()  # a server may drop it meanwhile, and what is forked would share it
        outcome = run_here(consumer, task.raw or b"", task.id, _debug if given.pdb else _look)
    if not given.json:
        _print(given, outcome)
    settled = None
    if given.settle and not outcome.failure:
        settled = settle_task(desk_of_this_process(link), given.queue, task)
    if given.json:
        print(_document(given, task, outcome, settled))
    elif settled:
        print(escaped(_told(given.queue, task, settled)))
    if settled and settled.trouble:
        complain(settled.trouble)
    return EXIT_FAILED if outcome.failure else 0


@contextmanager
def _prints_kept_apart(given: argparse.Namespace) -> Iterator[None]:
    """What the application prints is none of what programs read."""
    if given.json and not given.pdb:
        with redirect_stdout(sys.stderr):
            yield
    else:
        yield


def _consumer_of(given: argparse.Namespace) -> Consumer:
    if not getattr(sys.flags, "safe_path", False):
        sys.path.insert(0, os.getcwd())  # where python -m woodenwaiter.supervisor looks
    app = project_here().app_instead_of(given.app)
    consumers = [customer.consumer for customer in load_customers(app)]
    fitting = [consumer for consumer in consumers if consumer.queue == given.queue]
    if not fitting:
        queues = listed({consumer.queue for consumer in consumers})
        raise AppError(f"{app} has no customer of {given.queue}, but of {queues}")
    if len(fitting) > 1:
        complain(f"{app} has {len(fitting)} customers of {given.queue}: this is the first")
    return fitting[0]


def _found(given: argparse.Namespace, link: Link) -> Found:
    task = find_task(link, given.queue, given.task)
    if task is None:
        require_known(Queue(link, given.queue, lease=1))
        raise NoSuchTask(
            f"nothing in {given.queue} that waits, is delayed or is dead is called {given.task}"
        )
    if task.raw is None:
        raise StartupError(f"dead letter {task.name} has no field payload: it is somebody else's")
    return task


def _look(error: BaseException, failure: Failure) -> None:
    """At nothing more than what is told at the end."""


def _debug(error: BaseException, failure: Failure) -> None:
    print(escaped_lines(failure.traceback or failure.error, margin=""))
    pdb.post_mortem(error.__traceback__)


def _print(given: argparse.Namespace, outcome: Outcome) -> None:
    took = f"after {span(outcome.seconds)}"
    failure = outcome.failure
    if failure is None:
        print(escaped(f"returned {shortened(_spelled(outcome), LONGEST)} {took}"))
        return
    if failure.traceback and not given.pdb:
        print(escaped_lines(failure.traceback.rstrip(), margin=""))
    why = ": ".join(filter(None, (failure.reason, failure.error)))
    print(escaped(f"{why} ({took})"))


def _spelled(outcome: Outcome) -> str:
    """What a handler returned may have any class."""
    try:
        return repr(outcome.returned)
    except Exception as error:
        return f"(no text: its __repr__ raised {type(error).__name__})"


def _told(queue: str, task: Found, settled: Settled) -> str:
    if not settled.is_settled:
        return f"{task.name} is not in {queue} any more: somebody has taken it meanwhile"
    if settled.trash:
        undo = f"woodenwaiter restore {queue} {settled.trash}"
        return f"{task.name} is in the trash; to undo it: {undo}"
    return f"{task.name} is done, and taken out"


def _document(
    given: argparse.Namespace, task: Found, outcome: Outcome, settled: Settled | None
) -> str:
    failure = outcome.failure
    return document(
        queue=given.queue,
        task=task.name,
        place=task.place,
        seconds=outcome.seconds,
        returned=None if failure else _spelled(outcome),
        reason=failure.reason if failure else None,
        error=failure.error if failure else None,
        traceback=failure.traceback if failure else None,
        settled=bool(settled and settled.is_settled),
        trash=settled.trash if settled and settled.is_settled else "",
    )
