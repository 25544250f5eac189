"""Python's streams on stdout and stderr, whoever reads them, and what stands in their place."""

from __future__ import annotations

import sys
from select import POLLOUT, poll
from typing import Any, TextIO

from .. import pace
from .signals import at_most


def flush(patience: float = 0.0) -> bool:
    """Have stdout and stderr written; returns whether somebody took all of it."""
    are_flushed = [_is_flushed(stream, patience) for stream in (sys.stdout, sys.stderr)]
    return all(are_flushed)


def _is_flushed(stream: Any, patience: float) -> bool:
    # None, closed, nobody reads it, or somebody's own: not the caller's business.
    try:
        with at_most(max(patience, pace.LOG_PATIENCE)):
            if stream and not stream.closed and _takes_some(stream, patience):
                stream.flush()
                return True
    except Exception:
        return False
    return not stream or stream.closed


def _takes_some(stream: Any, patience: float) -> bool:
    room = poll()
    try:
        room.register(stream.fileno(), POLLOUT)
    except (AttributeError, OSError, ValueError):  # it is no file's
        return True
    return bool(room.poll(patience * 1000))


def replace_stdio() -> None:
    """Have streams of our own on stdout and stderr, without what the old ones hold."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and stream is getattr(sys, f"__{name}__"):
            setattr(sys, name, _reopened(stream))


def _reopened(stream: TextIO) -> TextIO | None:
    try:
        return open(
            stream.fileno(),
            "w",
            buffering=1,
            encoding=stream.encoding,
            errors=stream.errors,
            closefd=False,
        )
    except (OSError, ValueError):  # closed by the program
        return None
