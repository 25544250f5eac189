"""Running single tasks in the calling process."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from ..consumer import Consumer
from ..errors import EXIT_SETUP, StartupError, text_of
from ..protocol.entry import foods
from ..protocol.looks import Place
from ..protocol.single import Found, settle
from ..protocol.trash import discard, new_name
from ..protocol.verdict import Failure
from ..worker.awaiting import Awaiting
from ..worker.failures import failure_of
from ..worker.handling import delivering
from .audit import audited
from .desk import Desk

Examine = Callable[[BaseException, Failure], None]
"""Looks at what a handler raised, before anything is torn down."""


class SetupFailed(StartupError):
    """The customer's ``setup`` raised something, or its ``teardown`` did."""

    exit_code = EXIT_SETUP

    def __init__(self, name: str, error: BaseException) -> None:
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{last.filename}, line {last.lineno}"
        super().__init__(f"{name} failed: {type(error).__name__}: {text_of(error)} ({where})")


@dataclass(frozen=True)
class Outcome:
    """What a handler ``returned``, or else its ``failure``; and how long it took."""

    seconds: float
    returned: Any = None
    failure: Failure | None = None


@dataclass(frozen=True)
class Settled:
    """``is_settled``: the task is gone from its place, a dead letter to this ``trash``; else
    somebody was faster. ``trouble``: why it stands in no audit, if it doesn't."""

    is_settled: bool
    trash: str = ""
    trouble: str = ""


def run_here(consumer: Consumer, raw: bytes, name: str, examine: Examine) -> Outcome:
    """Run a handler on this entry, between the customer's ``setup`` and ``teardown``, without a
    limit of time; nothing is settled. Raises SetupFailed."""
    with closing(Awaiting()) as awaiting:
        _call(consumer.setup, "setup", awaiting)
        try:
            with delivering(raw, name, consumer.policy):
                outcome = _outcome(consumer, raw, awaiting, examine)
        finally:
            _call(consumer.teardown, "teardown", awaiting)
    return outcome


def _call(function: Callable[[], Any] | None, name: str, awaiting: Awaiting) -> None:
    try:
        if function:
            awaiting.result_of(function())
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise SetupFailed(name, error) from error


def _outcome(consumer: Consumer, raw: bytes, awaiting: Awaiting, examine: Examine) -> Outcome:
    begun = time.monotonic()
    try:
        returned = awaiting.result_of(consumer.handler(foods(raw)))
    except KeyboardInterrupt:  # of the person at the keyboard: not the task's fault
        raise
    except BaseException as error:
        seconds = time.monotonic() - begun
        failure = failure_of(error, seconds)
        examine(error, failure)
        return Outcome(seconds, failure=failure)
    return Outcome(time.monotonic() - begun, returned)


def settle_task(desk: Desk, queue: str, task: Found) -> Settled:
    """Have a task that was run elsewhere be done: a dead letter goes to a trash, what waits or is
    delayed is taken out and counted. Raises what is in `link.ServerTrouble`."""
    trash = new_name() if task.place is Place.DEAD else ""
    with audited(desk, "run", queue, task.name) as doing:
        if trash:
            doing.count = discard(desk.link, queue, trash, [task.name], desk.name)
        elif task.raw is not None:
            doing.count = int(settle(desk.link, queue, task.raw))
    return Settled(bool(doing.count), trash, doing.trouble)
