"""What a tree of processes costs."""

from __future__ import annotations

import signal
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil


def tree(roots: Iterable[psutil.Process]) -> list[psutil.Process]:
    """These processes and all below them."""
    found = []
    for root in roots:
        with suppress(psutil.NoSuchProcess):
            found += [root, *root.children(recursive=True)]
    return found


def cpu_seconds(processes: Iterable[psutil.Process]) -> float:
    """CPU time that they have used, and their children that ended."""
    return sum(map(_cpu_seconds, processes))


def _cpu_seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
        ended = times.children_user + times.children_system
        return (_scheduled_seconds(process.pid) or times.user + times.system) + float(ended)
    except psutil.NoSuchProcess:
        return 0.0


def _scheduled_seconds(pid: int) -> float:
    """The scheduler's own account, finer than the clock ticks of the other; 0 if there is none."""
    total = 0
    for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with suppress(OSError):
            total += int(path.read_text().split()[0])
    return total / 1e9


def pss(processes: Iterable[psutil.Process]) -> float:
    """Their memory in MiB, what they share counted once."""
    total = 0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            total += process.memory_full_info().pss
    return total / 2**20


def kill(processes: Iterable[psutil.Process]) -> None:
    """End them at once, in this order."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGKILL)
