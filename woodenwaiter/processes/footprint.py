"""What processes use of the machine, seen from outside."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import psutil


class Footprint(NamedTuple):
    """``memory``: bytes resident, what is shared with others among them; ``cpu``: per cent of one,
    since it was measured before; None the first time. ``children``: processes that it has started,
    and that are still there; None where the system does not tell."""

    memory: int
    cpu: float | None
    children: int | None = None


class Use(NamedTuple):
    """Bytes ``resident``, what is shared with others among them; those that are its ``own``, None
    where the system does not tell; and seconds of ``cpu`` so far."""

    resident: int
    own: int | None
    cpu: float


def use_of(pid: int) -> Use | None:
    """Of a process that is there to be seen. What is its own takes longest to find out: 10 ms, in a
    large one."""
    if not (seen := _seen(pid)):
        return None
    try:
        own: int | None = psutil.Process(pid).memory_full_info().uss
    except Exception:  # as below; or another user's
        own = None
    return Use(seen[0], own, seen[1])


class Footprints:
    """Of processes that are measured now and then: some 0.1 ms each."""

    def __init__(self) -> None:
        self._used: dict[int, tuple[float, float]] = {}  # until when, seconds of CPU

    def measure(self, pids: Iterable[int], now: float) -> dict[int, Footprint]:
        """By pid, as far as they can be seen. ``now``: monotonic seconds."""
        former, self._used, found = self._used, {}, {}
        for pid in pids:
            if seen := _seen(pid):
                memory, used = seen
                self._used[pid] = now, used
                per_cent = _per_cent(former.get(pid), self._used[pid])
                found[pid] = Footprint(memory, per_cent, _children(pid))
        return found


def _seen(pid: int) -> tuple[int, float] | None:
    """Bytes, and seconds of CPU so far."""
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            times, memory = process.cpu_times(), process.memory_info()
    except Exception:  # gone; or hidden, of whatever psutil needs
        return None
    return memory.rss, times.user + times.system


def _children(pid: int) -> int | None:
    """Of its main thread, in which handlers run: to look for those of others takes long."""
    try:
        return len(Path(f"/proc/{pid}/task/{pid}/children").read_bytes().split())
    except OSError:
        return None


def _per_cent(former: tuple[float, float] | None, latest: tuple[float, float]) -> float | None:
    if former is None or latest[0] <= former[0] or latest[1] < former[1]:
        return None  # another process of this number
    return round(100 * (latest[1] - former[1]) / (latest[0] - former[0]), 1)
