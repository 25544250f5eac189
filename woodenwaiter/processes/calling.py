"""Others' functions, called so that they do no harm: they may fail, hang, fork, leave, and change
signals."""

from __future__ import annotations

import faulthandler
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# As it is at the start: a fork that comes back must end, whatever somebody has patched.
from os import _exit
from typing import TypeVar

from .. import logs, pace
from ..errors import TaskTimeout
from ..events import about
from ..logs import log
from .signals import at_most

T = TypeVar("T")


class Caller:
    """Calls them in this process, of which ``mark`` is the `fork_mark`. ``told``: the kinds of
    failure that the log has."""

    def __init__(self, mark: memoryview) -> None:
        self._mark = mark
        self.told: set[str] = set()

    def call(self, name: str, function: Callable[[T], object], argument: T) -> None:
        try:
            with _watched():
                try:
                    with at_most(pace.HOOK, TaskTimeout):
                        function(argument)
                finally:
                    if not self._mark[0]:
                        _exit(0)  # the function had forked this process, and it came back
        except BaseException as error:  # a SystemExit is no reason to leave, either
            trace = error.__traceback__
            error.__traceback__ = (trace and trace.tb_next) or trace  # its own
            self.tell(name, type(error).__name__, error)

    def tell(self, name: str, kind: str, error: BaseException | None = None) -> None:
        """Log it, once of its kind."""
        if (told := f"{name}: {kind}") not in self.told:
            self.told.add(told)
            extra = about("hook.failed", cause=kind)
            log.error("%s fails: %s; this is said once", name, kind, exc_info=error, extra=extra)


@contextmanager
def _watched() -> Iterator[None]:
    """End this process should this go on after its time is up: in C code, or as it swallows what
    was raised. Where it hangs is written to stderr."""
    faulthandler.dump_traceback_later(
        pace.HOOK + pace.TIMEOUT_GRACE, exit=True, file=logs.stderr_fileno()
    )
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
