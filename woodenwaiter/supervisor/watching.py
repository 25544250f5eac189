"""Has the supervisor start anew when the application's code changes: in a process of its own."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec

from .. import pace
from ..errors import StartupError
from ..logs import log
from ..text import escaped, listed

PACKAGE = "watchfiles"

OTHERS = ("__pycache__", "node_modules", "site-packages")
"""Folders of what no application's author writes, beside those whose names begin with a dot."""


def require_watching() -> None:
    """Raises StartupError where nobody could watch, or the supervisor would not hear of it."""
    if find_spec(PACKAGE) is None:
        raise StartupError(
            f"reload needs the package {PACKAGE}: pip install 'woodenwaiter[reload]'"
        )
    if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
        raise StartupError("reload goes by SIGHUP, which is ignored here, as nohup has it")


def is_code(path: str, folder: str) -> bool:
    """Whether this is a part of an application in ``folder``."""
    *folders, name = os.path.relpath(path, folder).split(os.sep)
    return name.endswith(".py") and all(map(may_have_code, folders))


def may_have_code(folder: str) -> bool:
    return not folder.startswith(".") and folder not in OTHERS


def code_in(folder: str) -> Iterator[str]:
    for path, folders, names in os.walk(folder):
        folders[:] = filter(may_have_code, folders)
        yield from (os.path.join(path, name) for name in names if name.endswith(".py"))


def changed_since(folder: str, moment: float) -> set[str]:
    """The code that was written since then, in Unix time. What is to be written only in future is
    that of another clock."""
    now = time.time()
    return {path for path in code_in(folder) if moment < _written(path) <= now}


def _written(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:  # it is gone
        return 0.0


class Over:
    """What `watchfiles` looks at all the time: whether to end."""

    def __init__(self, is_over: Callable[[], bool]) -> None:
        self.is_set = is_over


def changes(folder: str, since: float, is_over: Callable[[], bool]) -> Iterator[set[str]]:
    """What code has changed, again and again until it is over: at first since then, as it may have
    been read before anybody watched."""
    from watchfiles import watch

    logging.getLogger("watchfiles.main").disabled = True  # its log may be what it sees change
    is_first = True
    for seen in watch(
        folder,
        watch_filter=lambda _, path: is_code(path, folder),
        rust_timeout=int(pace.WATCHING * 1000),
        yield_on_timeout=True,
        stop_event=Over(is_over),
        raise_interrupt=False,
        ignore_permission_denied=True,
    ):
        paths = {path for _, path in seen}
        yield paths | changed_since(folder, since) if is_first else paths
        is_first = False


def watch_for(supervisor: int, folder: str, since: float, is_over: Callable[[], bool]) -> int:
    """Tell the supervisor, which has this pid, until it is over; returns the exit code."""

    def is_over_for_me() -> bool:
        return is_over() or os.getppid() != supervisor

    try:
        for paths in changes(folder, since, is_over_for_me):
            if paths and not is_over_for_me():
                names = [escaped(os.path.relpath(path, folder)) for path in paths]
                log.info("changed: %s", listed(names))
                os.kill(supervisor, signal.SIGHUP)
    except (OSError, RuntimeError) as error:  # the system watches no more files, say
        log.error("%s cannot be watched for changes: %s", escaped(folder), error)
        return 1
    return 0
