"""Processes beyond this one's children: what a child has spawned, and whose parent is gone."""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial

import psutil

from .. import pace
from ..logs import log
from ..text import listed
from .children import UNKNOWN_STATUS, reap, send_signal


def kill_tree(pid: int) -> None:
    """Kill a child that has not been reaped, and all that it spawned, but for daemons: what has
    made itself a session of its own and has no parent any more."""
    send_signal(pid, signal.SIGSTOP)  # it spawns no more while its descendants are looked up
    descendants = _descendants(pid)
    send_signal(pid, signal.SIGKILL)
    for process in descendants:
        with suppress(psutil.Error):  # gone by itself; another of its number is not mistaken for it
            process.kill()
    kill_session(pid)


def kill_group(leader: int) -> None:
    with suppress(OSError):  # none is left, or it led none
        os.killpg(leader, signal.SIGKILL)


def kill_session(leader: int) -> None:
    """Kill what is left of the session, and of the group, that this process led."""
    kill_group(leader)  # all that can be done where processes are hidden
    killed: set[int] = set()
    while left := set(_session(leader)) - killed:  # they may have spawned meanwhile
        for pid in left:
            send_signal(pid, signal.SIGKILL)
        killed |= left


def end_descendants() -> None:
    """End what this process, which leads a session, has spawned and left running: first kindly.
    Daemons are nobody's."""
    if not _has_spawned():  # a look at all processes takes longer than an idle pool's drain
        return
    own = os.getpid()
    pids = {process.pid for process in _descendants(own)} | set(_session(own)) - {own}
    _end_those(pids, "handlers")


def end_companions() -> None:
    """End what loading the application has started in this process's session, and left running: the
    last that this process does. Its threads may start others in their place, which end at once."""
    if reap(-1)[1] == UNKNOWN_STATUS:
        return  # likewise
    os.register_at_fork(after_in_child=partial(os._exit, 0))
    pids, session = (process.pid for process in _descendants(os.getpid())), os.getsid(0)
    _end_those({pid for pid in pids if _session_of(pid) == session}, "loading the application")


def _end_those(pids: set[int], whose: str) -> None:
    trackers = _let_go_of_trackers()
    left = list(filter(None, map(find, pids)))
    if names := [_name(process) for process in left if process.pid not in trackers]:
        log.warning("what %s left running is ended: %s", whose, listed(names))
    for process in left:
        with suppress(psutil.Error):
            process.terminate()
    _, stubborn = psutil.wait_procs(left, timeout=pace.PARTING)
    for process in stubborn:
        with suppress(psutil.Error):
            process.kill()


def _has_spawned() -> bool:
    """Whether this process has a child, or had one that it heard the end of."""
    has_children = reap(-1)[1] != UNKNOWN_STATUS
    return has_children or resource.getrusage(resource.RUSAGE_CHILDREN).ru_minflt > 0


def _let_go_of_trackers() -> set[int]:
    """Let the trackers of shared memory, multiprocessing's and loky's, do their last work, as they
    do once nobody holds their pipes; returns their pids. They hear no SIGTERM."""
    modules = [module for name, module in sys.modules.items() if name.endswith("resource_tracker")]
    trackers = [getattr(module, "_resource_tracker", None) for module in modules]
    for tracker in trackers:
        with suppress(OSError, TypeError):  # a handler has closed it; there is none
            os.close(getattr(tracker, "_fd", None))  # type: ignore[arg-type]
    return {getattr(tracker, "_pid", None) or 0 for tracker in trackers}


def _descendants(pid: int) -> list[psutil.Process]:
    """None where they cannot be looked up: of whatever psutil needs, something may be hidden."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except Exception as error:
        if not isinstance(error, psutil.NoSuchProcess):
            log.debug("cannot look for what pid %d has spawned: %s", pid, error)
        return []


def _session(leader: int) -> Iterator[int]:
    """What is in the session that this process leads or led: also what has lost its parent."""
    try:
        pids: Iterable[int] = psutil.pids()
    except Exception:  # hidden, too
        pids = ()
    return (pid for pid in pids if _session_of(pid) == leader)


def _session_of(pid: int) -> int:
    """The leader's pid; 0 where the process is gone, or hidden."""
    try:
        return os.getsid(pid)
    except OSError:
        return 0


def _name(process: psutil.Process) -> str:
    try:
        return f"{process.name()} (pid {process.pid})"
    except psutil.Error:
        return f"pid {process.pid}"


def await_end(pid: int, seconds: float) -> bool:
    """Whether this child ends by then; else it is killed."""
    if _ends(pid, seconds):
        return True
    kill_tree(pid)
    _ends(pid, pace.LOG_PATIENCE)
    return False


def _ends(pid: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not (is_over := bool(reap(pid)[0])) and time.monotonic() < deadline:
        time.sleep(pace.END_CHECK)
    return is_over


def find(pid: int) -> psutil.Process | None:
    """The process that has this number now; None as well where it is hidden."""
    try:
        return psutil.Process(pid)
    except Exception:
        return None


def leads_session(pid: int) -> bool:
    """Whether there is such a process, as far as can be seen where processes are hidden."""
    return _session_of(pid) == pid


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
