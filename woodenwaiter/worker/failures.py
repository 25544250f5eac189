"""What an exception from a handler means for its task."""

from __future__ import annotations

import os
import traceback
from dataclasses import replace
from types import TracebackType

from ..errors import (
    BadEntry,
    Reject,
    Retry,
    TaskCancelled,
    TaskInterrupted,
    TaskStalled,
    TaskTimeout,
    text_of,
)
from ..processes.diary import Failures
from ..processes.row import Row
from ..protocol.verdict import CANCELLED, DeadLetter, Failure, Verdict
from ..text import shortened

LONGEST_ERROR = 16 << 10
LONGEST_TRACEBACK = 64 << 10
"""Bytes of an exception's message and of its traceback that are kept: a message may quote all that
the handler had in memory."""


def interruption_of(row: Row) -> TaskInterrupted:
    """What to raise in the handler of the claim that is overdue."""
    who = row.cancellation.by(row.overdue)
    if who is not None:
        return TaskCancelled(f"by {who}")
    return TaskStalled() if row.was_silent else TaskTimeout()


def failure_of(
    error: BaseException, seconds: float | None = None, canceller: str | None = None
) -> Failure:
    """A failed delivery, another one asked for, or the end of a task that is none; ``seconds``:
    that its handler took; ``canceller``: who wants no other delivery, whatever was raised."""
    failure = replace(_failure_of(error), worker_pid=os.getpid(), seconds=seconds)
    if canceller is None:
        return failure
    return replace(failure, reason=CANCELLED, error=f"by {canceller}", final=True)


def _failure_of(error: BaseException) -> Failure:
    text = shortened(text_of(error), LONGEST_ERROR)
    if isinstance(error, Reject):
        return Failure("rejected", error=text, final=True)
    if isinstance(error, Retry):
        return Failure("retry asked for by the handler", error=text, after=error.after)
    if isinstance(error, BadEntry):
        return Failure("unreadable entry", error=text, final=True)
    error.__traceback__ = _from_handler(error.__traceback__) or error.__traceback__
    lines = (shortened(line, LONGEST_TRACEBACK) for line in traceback.format_exception(error))
    return Failure(
        _reason(error),
        error=type(error).__name__ + (f": {text}" if text else ""),
        traceback=shortened("".join(lines), LONGEST_TRACEBACK),
        final=isinstance(error, TaskCancelled),
    )


def with_one(failures: Failures, seq: int, error: BaseException, verdict: Verdict) -> Failures:
    """And that of claim number ``seq``."""
    _, failed, retried, buried, timed_out = failures
    is_burial = isinstance(verdict, DeadLetter)
    return Failures(
        seq,
        failed + (not isinstance(error, Retry)),
        retried + (not is_burial),
        buried + is_burial,
        timed_out + isinstance(error, TaskTimeout),
    )


def _reason(error: BaseException) -> str:
    if isinstance(error, TaskCancelled):
        return CANCELLED
    if isinstance(error, TaskStalled):
        return "no progress was reported within stall_timeout"
    if isinstance(error, TaskTimeout):
        return "the time limit was exceeded"
    return "the handler failed"


def _from_handler(trace: TracebackType | None) -> TracebackType | None:
    """Without the frames that lead to the handler: they are ours, and an event loop's."""
    while trace and _package_of(trace) in ("woodenwaiter", "asyncio"):
        trace = trace.tb_next
    return trace


def _package_of(trace: TracebackType) -> str:
    return str(trace.tb_frame.f_globals.get("__name__")).partition(".")[0]
