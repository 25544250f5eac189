"""Processes beyond this one's children: what a child has spawned, and whose parent is gone."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

import psutil

from .. import pace
from .children import reap, send_signal


def kill_tree(pid: int) -> None:
    """Kill a child that has not been reaped, and all that it spawned, unless that has a group of
    its own and no parent any more."""
    send_signal(pid, signal.SIGSTOP)  # it spawns no more while its descendants are looked up
    try:
        descendants = psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        descendants = []
    send_signal(pid, signal.SIGKILL)
    with suppress(OSError):  # it leads no group
        os.killpg(pid, signal.SIGKILL)
    for process in descendants:
        with suppress(psutil.Error):  # gone by itself; another of its number is not mistaken for it
            process.kill()


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
