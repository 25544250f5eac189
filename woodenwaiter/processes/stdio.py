"""Python's streams on stdout and stderr, whoever reads them, and what stands in their place."""

from __future__ import annotations

import select
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from .. import pace
from .signals import in_main_thread


def flush(patience: float = 0.0) -> bool:
    """Have stdout and stderr written; returns whether somebody took all of it."""
    are_flushed = [_is_flushed(stream, patience) for stream in (sys.stdout, sys.stderr)]
    return all(are_flushed)


def _is_flushed(stream: Any, patience: float) -> bool:
    # None, closed, nobody reads it, or somebody's own: not the caller's business.
    try:
        with _at_most(patience + pace.LOG_PATIENCE):
            if stream and not stream.closed and _takes_some(stream, patience):
                stream.flush()
                return True
    except Exception:
        return False
    return not stream or stream.closed


def _takes_some(stream: Any, patience: float) -> bool:
    poll = select.poll()
    try:
        poll.register(stream.fileno(), select.POLLOUT)
    except (AttributeError, OSError, ValueError):  # it is no file's
        return True
    return bool(poll.poll(patience * 1000))


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """Raise TimeoutError then, where signals can."""
    if not in_main_thread():
        yield
        return

    def ring(*_: object) -> None:
        raise TimeoutError

    former = signal.signal(signal.SIGALRM, ring)
    mask = signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGALRM,))
    timer = signal.setitimer(signal.ITIMER_REAL, seconds, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, *timer)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGALRM, signal.SIG_DFL if former is None else former)


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
