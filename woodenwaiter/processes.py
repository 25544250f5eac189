"""The one place that forks; what every child does first and last; reaping and killing."""

from __future__ import annotations

import atexit
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

import psutil

from .errors import StartupError
from .logs import log
from .scoreboard import UNKNOWN_STATUS

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


def unblock_signals() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        # None, closed, or nobody reads it: not the caller's business.
        with suppress(AttributeError, ValueError, OSError):
            stream.flush()


def leave(code: int) -> NoReturn:
    """End this process after its own exit handlers and buffers, without taking Python apart: that
    takes longer than an idle pool's drain."""
    try:
        atexit._run_exitfuncs()
        logging.shutdown()
        flush()
    finally:
        os._exit(code)


def reap(pid: int) -> tuple[int, int]:
    """The pid and status of this child if it has died, else 0; of any child for -1."""
    try:
        return os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:  # reaped by somebody else; or, for -1, none is left
        return max(pid, 0), UNKNOWN_STATUS


def tell(pid: int, number: int) -> None:
    """Send a signal to a child; if somebody else has reaped it, its end will be noticed soon."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def kill_tree(pid: int) -> None:
    """Kill a child that has not been reaped, and all that it spawned."""
    tell(pid, signal.SIGSTOP)  # it spawns no more while its descendants are looked up
    try:
        descendants = psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        descendants = []
    tell(pid, signal.SIGKILL)
    for process in descendants:
        with suppress(psutil.Error):  # gone by itself; another of its number is not mistaken for it
            process.kill()


def find(pid: int) -> psutil.Process | None:
    """The process that has this number now."""
    try:
        return psutil.Process(pid)
    except psutil.NoSuchProcess:
        return None


def is_alive(process: psutil.Process | None) -> bool:
    """Whether it still runs, and is not another one with its number."""
    try:
        return (
            process is not None
            and process.is_running()
            and process.status() != psutil.STATUS_ZOMBIE
        )
    except psutil.NoSuchProcess:
        return False


def in_main_thread() -> bool:
    """Whether this thread is the one that receives signals."""
    return threading.current_thread() is threading.main_thread()


def _live(main: Callable[[], int]) -> None:
    """Run ``main`` and leave past all that is the parent's: its exit handlers, its frames."""
    code = EXIT_BROKEN
    try:
        atexit._clear()
        code = main()
    except StartupError as error:
        log.error("%s", error)
        code = error.exit_code
    except BaseException:
        log.exception("an error ends this process")
    finally:
        leave(code)
