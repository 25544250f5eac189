"""Watches the files of an application, in a process of its own, and has its supervisor start anew
when they change: that runs nothing of it, and waits for nothing."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from importlib.util import find_spec
from typing import NamedTuple

from ..errors import StartupError
from ..logs import log
from ..processes.children import send_signal
from ..text import escaped, listed

PACKAGE = "watchfiles"


class Watched(NamedTuple):
    """Python files in this folder, and in those in it; ``since``: when loading them began, in Unix
    time."""

    folder: str
    since: float


def watched_folder(app: str) -> str:
    """Where Python finds the application, of which nothing is imported for that. Raises
    StartupError where nobody could watch it, or tell."""
    if find_spec(PACKAGE) is None:
        raise StartupError(
            "reload needs the package watchfiles: pip install 'woodenwaiter[reload]'"
        )
    if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
        raise StartupError("reload needs the signal HUP, which is ignored here, as under nohup")
    spec = None
    with suppress(ImportError, ValueError):
        spec = find_spec(app.partition(":")[0].partition(".")[0])
    found = [*(spec.submodule_search_locations or ()), spec.origin or ""] if spec else [""]
    folder = os.path.dirname(found[0])
    return os.path.abspath(folder if os.path.isdir(folder) else os.curdir)


def watch(watched: Watched, supervisor: int, is_over: Callable[[], bool]) -> None:
    """Send HUP to the supervisor, which has this pid, for what changes until it is over, or has
    changed before, since it may have been loaded."""
    from watchfiles import PythonFilter
    from watchfiles import watch as changes_in

    class Over:
        is_set = staticmethod(is_over)

    folder, since = watched
    chosen = PythonFilter()
    is_first = True
    for changes in changes_in(
        folder,
        watch_filter=chosen,
        stop_event=Over(),
        rust_timeout=1000,
        yield_on_timeout=True,
        ignore_permission_denied=True,
    ):
        changed = {path for _, path in changes}
        if is_first:
            is_first = False
            changed |= {*_changed_since(folder, since, chosen.ignore_dirs)}
        if changed and not is_over():
            names = sorted(escaped(os.path.relpath(path, folder)) for path in changed)
            log.info("changed: %s", listed(names))
            send_signal(supervisor, signal.SIGHUP)


def _changed_since(folder: str, since: float, left_out: Iterable[str]) -> Iterable[str]:
    """Not what seems to be of a time to come: it would be so at each start."""
    now = time.time()
    for path, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in left_out]
        for file in (os.path.join(path, name) for name in files if name.endswith(".py")):
            with suppress(OSError):
                if since <= os.stat(file).st_mtime <= now:
                    yield file
