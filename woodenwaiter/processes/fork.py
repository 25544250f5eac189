"""The one place that forks; what every child does first and last."""

from __future__ import annotations

import atexit
import logging
import mmap
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

# As they are at the start: a child whose end somebody has patched away would become another parent,
# and one that somebody else's loop is to watch would end unseen.
from os import _exit
from os import fork as os_fork
from typing import Any, NoReturn

from .. import logs, pace
from ..errors import StartupError
from ..logs import log
from .signals import at_most
from .stdio import flush, replace_stdio
from .tree import await_end, end_companions

AtEnd = Callable[[int], NoReturn]
"""What ends a child, given its exit code."""

MADV_WIPEONFORK = 18
"""Of Linux; Python does not have all of its names."""

EXIT_BROKEN = 70
"""Of a child that an exception ended: EX_SOFTWARE of sysexits.h."""


def fork(main: Callable[[], int], at_end: AtEnd | None = None) -> int:
    """Fork a child that runs ``main`` and leaves with the exit code it returns, by way of
    ``at_end`` (`end_process`); returns its pid.

    The child starts with all signals blocked and calls `unblock_signals` once its handlers are in
    place: none that is sent meanwhile is lost, or handled by code that was written for the parent.
    """
    is_flushed = flush()  # or the child would write it again
    former = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        pid = _fork()
        if pid == 0:
            if not is_flushed:
                replace_stdio()
            _live(main, at_end or end_process)
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


@contextmanager
def alone() -> Iterator[None]:
    """What runs here may fork this process: a fork that comes back from it ends."""
    mark = fork_mark()
    try:
        yield
    finally:
        if not mark[0]:
            _exit(0)


def unblock_signals() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


@contextmanager
def ignored_errors_logged() -> Iterator[None]:
    """Log what Python ignores, an error in an `os.register_at_fork`, say. It would write that to
    stderr, and wait; or call whatever somebody has put there."""
    former = sys.unraisablehook
    sys.unraisablehook = _log_ignored
    try:
        yield
    finally:
        sys.unraisablehook = former


def _log_ignored(ignored: Any) -> None:
    error = (ignored.exc_type, ignored.exc_value, ignored.exc_traceback)
    log.error("%s", ignored.err_msg or "an error is ignored", exc_info=error)


def _fork() -> int:
    """Python warns of threads, which an import may have left; should that raise, nobody would know
    of the child."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os_fork()


def end_process(code: int) -> NoReturn:
    """End this process after its own exit handlers and buffers, without taking Python apart: that
    takes longer than an idle pool's drain."""
    try:
        atexit._run_exitfuncs()
        with at_most(pace.EXIT_GRACE):
            logging.shutdown()
        flush(pace.FLUSH_PATIENCE)
    finally:
        _exit(code)


def _keep_multiprocessing() -> None:
    """Have its processes ended at exit, if the parent has imported it: those of this process."""
    if "multiprocessing.util" in sys.modules:
        from multiprocessing import util

        _disown_children()
        atexit.register(util._exit_function)  # type: ignore[attr-defined]


def _disown_children() -> None:
    """Have multiprocessing forget those of the parent: to wait for them at exit would fail."""
    if "multiprocessing.process" in sys.modules:
        from multiprocessing import process

        process._children.clear()  # type: ignore[attr-defined]


def leave(code: int) -> NoReturn:
    """End a process that has run nothing of the application's, without its exit handlers."""
    try:
        logs.flush()
    finally:
        _exit(code)


def end_program(code: int) -> NoReturn:
    """End the supervisor's program."""
    try:
        conclude()
    finally:
        leave(code)


def conclude() -> None:
    """Do what is to be done at a program's end. What the application registered for that may hang,
    crash, or leave with a code of its own: a process of its own runs it, for a while."""
    with suppress(OSError):  # no memory, say
        if atexit._ncallbacks() > 1 or logs.has_foreign_handlers():  # one is that of `logging`
            _end_aside()
        else:
            flush(pace.FLUSH_PATIENCE)
    end_companions()


def _end_aside() -> None:
    with ignored_errors_logged():
        pid = _fork()
    if pid == 0:
        _disown_children()
        end_process(0)
    await_end(pid, pace.EXIT_GRACE)


def _live(main: Callable[[], int], at_end: AtEnd) -> None:
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
        at_end(code)
