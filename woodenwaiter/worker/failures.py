"""What an exception from a handler means for its task."""

from __future__ import annotations

import traceback

from ..errors import BadEntry, Reject, Retry, TaskTimeout, text_of
from ..protocol.verdict import Failure


def failure_of(error: BaseException) -> Failure:
    """A failed delivery, another one asked for, or the end of a task that is none."""
    text = text_of(error)
    if isinstance(error, Reject):
        return Failure("rejected", error=text, final=True)
    if isinstance(error, Retry):
        return Failure("retry asked for by the handler", error=text, after=error.after)
    if isinstance(error, BadEntry):
        return Failure("unreadable entry", error=text, final=True)
    timed_out = isinstance(error, TaskTimeout)
    return Failure(
        "the time limit was exceeded" if timed_out else "the handler failed",
        error=type(error).__name__ + (f": {text}" if text else ""),
        traceback="".join(traceback.format_exception(error)),
    )
