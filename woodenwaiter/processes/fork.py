"""The one place that forks; what every child does first and last."""

from __future__ import annotations

import atexit
import logging
import mmap
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from ..errors import StartupError
from ..logs import log

MADV_WIPEONFORK = 18
"""Of Linux; Python does not have all of its names."""

EXIT_BROKEN = 70
"""Of a child that an exception ended: EX_SOFTWARE of sysexits.h."""


def fork(main: Callable[[], int]) -> int:
    """Fork a child that runs ``main`` and leaves with the exit code it returns; returns its pid.

    The child starts with all signals blocked and calls `unblock_signals` once its handlers are in
    place: none that is sent meanwhile is lost, or handled by code that was written for the parent.
    """
    flush()  # or the child would write it again
    former = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        pid = os.fork()
        if pid == 0:
            _live(main)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)
    return pid


def fork_mark() -> memoryview:
    """A byte that is 1 in this process and 0 in all that are forked from it, also behind Python's
    back where Linux wipes the page. To ask for the pid would cost a tenth of a no-op task."""
    page = mmap.mmap(-1, mmap.PAGESIZE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with suppress(AttributeError, ValueError, OSError):
        page.madvise(MADV_WIPEONFORK)
    mark = memoryview(page)[:1]
    mark[0] = 1
    os.register_at_fork(after_in_child=lambda: mark.__setitem__(0, 0))
    return mark


def unblock_signals() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        # None, closed, or nobody reads it: not the caller's business.
        with suppress(AttributeError, ValueError, OSError):
            stream.flush()


def end_process(code: int) -> NoReturn:
    """End this process after its own exit handlers and buffers, without taking Python apart: that
    takes longer than an idle pool's drain."""
    try:
        atexit._run_exitfuncs()
        logging.shutdown()
        flush()
    finally:
        os._exit(code)


def _keep_multiprocessing() -> None:
    """Have its processes ended at exit, if the parent has imported it: those of this process."""
    if "multiprocessing.util" in sys.modules:
        from multiprocessing import process, util

        process._children.clear()  # type: ignore[attr-defined]
        atexit.register(util._exit_function)  # type: ignore[attr-defined]


def _live(main: Callable[[], int]) -> None:
    """Run ``main`` and leave past all that is the parent's: its exit handlers, its frames."""
    code = EXIT_BROKEN
    try:
        atexit._clear()
        _keep_multiprocessing()
        code = main()
    except StartupError as error:
        log.error("%s", error)
        code = error.exit_code
    except BaseException:
        log.exception("an error ends this process")
    finally:
        end_process(code)
