"""Launching a supervisor from a program that goes on with its own work, in threads maybe.

As with 0.0.4's threads, the program goes on serving when its main part has ended. Its end by an
error or a signal drains the workers, and so does any end of somebody else's program: see `hosts`.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType

from .. import logs
from ..consumer import Consumer
from ..errors import AppError
from ..logs import log
from ..processes.children import UNKNOWN_STATUS, reap, send_signal
from ..processes.fork import fork, leave
from ..processes.signals import in_main_thread
from ..processes.stdio import replace_stdio
from ..settings import Settings
from .boot import run
from .hosts import is_hosted, is_interactive, owns_termination, relieve_reloader

GOES_ON = (
    "the main part of this program has ended, and its workers go on; Ctrl-C, or SIGTERM to pid %d, "
    "drains them"
)

_living: set[Launched] = set()

_held: set[int] = set()
"""Descriptors that this program alone holds: their closing tells the supervisors of its death."""

_main_has_ended = False

_is_told_of_end = False
"""Whether Python says when the main part of this program has ended, before it waits for threads."""

_is_hosted = False
"""Whether the end of this program is that of its workers."""


class Launched:
    """A supervisor process, seen from the program that launched it."""

    def __init__(self, pid: int, held: int) -> None:
        global _is_hosted, _is_told_of_end
        _is_hosted |= is_hosted(_on_terminate)
        self._pid = pid
        self._held = held
        self._status: int | None = None
        self._was_told = False
        _living.add(self)
        atexit.unregister(_at_exit)  # one is enough, and the latest: exit handlers go backwards
        atexit.register(_at_exit)
        with suppress(AttributeError, RuntimeError):
            # Called before the program's threads are waited for, where exit handlers come after:
            # a SystemExit would only be printed there. Not public, though Python itself uses it.
            threading._register_atexit(_note_end_of_main)  # type: ignore[attr-defined]
            _is_told_of_end = True
        if in_main_thread() and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
            signal.signal(signal.SIGTERM, _on_terminate)

    def is_alive(self) -> bool:
        if self._status is None:
            pid, status = reap(self._pid)
            if pid:
                self._note_end(status)
        return self._status is None

    def goes_on(self) -> bool:
        return self.is_alive() and not self._was_told

    def terminate(self) -> None:
        """Drain, and return when all processes have left."""
        self.tell_to_drain()
        self.wait()

    def tell_to_drain(self) -> None:
        self._was_told = True
        if self.is_alive():
            send_signal(self._pid, signal.SIGTERM)

    def wait(self) -> None:
        while self._status is None:
            try:
                self._note_end(os.waitpid(self._pid, 0)[1])
            except ChildProcessError:
                self._note_end(UNKNOWN_STATUS)
            except KeyboardInterrupt:
                _tell_all_to_drain()

    def _note_end(self, status: int) -> None:
        self._status = status
        with suppress(KeyError):  # another thread has noted it, or this is a fork of the program
            _living.remove(self)
            _held.remove(self._held)
            os.close(self._held)


def launch(consumers: Sequence[Consumer], settings: Settings) -> Launched:
    """Fork a supervisor from this program, which may have threads."""
    if not consumers:
        raise AppError("there is nothing to launch: add a WoodenCustomer to the manager")
    lifeline, held = os.pipe()
    _held.add(held)

    relieve_reloader()

    def supervise() -> int:
        if is_interactive():
            os.setpgid(0, 0)  # Ctrl-C is not for it
        replace_stdio()  # another thread may hold the old ones' locks
        logs.set_role("supervisor")
        return run(consumers, settings, lifeline)

    # Other threads may hold locks now. Those of stdio and logging are made anew in the child;
    # handlers are arbitrary objects, and only a fork can carry them over.
    pid = fork(supervise, leave)
    os.close(lifeline)
    return Launched(pid, held)


def _tell_all_to_drain() -> None:
    for launched in tuple(_living):
        launched.tell_to_drain()


def _on_terminate(number: int, _: FrameType | None) -> None:
    _tell_all_to_drain()
    if not _main_has_ended:
        raise SystemExit(128 + number)


def _note_end_of_main() -> None:
    global _main_has_ended
    _main_has_ended = True
    if in_main_thread() and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # From here on Python would print a KeyboardInterrupt, and go on as if there had been none.
        signal.signal(signal.SIGINT, _on_terminate)


def _at_exit() -> None:
    """Go on serving after the main part has ended; but not after an error has ended it, nor where
    the program is somebody else's, nor where an interrupt, which Python only prints there, came
    before the end could be told of."""
    was_interrupted = _is_told_of_end and not _main_has_ended
    _note_end_of_main()
    if (
        hasattr(sys, "last_value")
        or was_interrupted
        or _is_hosted
        or owns_termination(_on_terminate)
    ):
        _tell_all_to_drain()
    elif any(launched.goes_on() for launched in tuple(_living)):
        log.warning(GOES_ON, os.getpid())
    for launched in tuple(_living):
        launched.wait()


def _let_go() -> None:
    """Leave a fork of the program without what is the program's alone."""
    global _main_has_ended, _is_hosted
    _main_has_ended = _is_hosted = False
    _living.clear()
    while _held:
        os.close(_held.pop())


os.register_at_fork(after_in_child=_let_go)
