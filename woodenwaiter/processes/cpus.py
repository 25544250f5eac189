"""How many processes of pure computation this machine, or this container, can run at once."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


def usable_cpus(root: Path = Path("/")) -> int:
    """The CPUs that this process may use, by its affinity and its cgroups' quotas; at least 1.

    A quota of 1.5 CPUs counts as 2: the second process uses up the half.
    """
    limits = [float(affinity()), *_quotas(root)]
    return max(1, math.ceil(min(limits)))


def number_of(given: int | str) -> int:
    """Where it may be "cpus", which is as many as there are."""
    return usable_cpus() if given == "cpus" else int(given)


def places_in(given: int | str) -> float:
    """Likewise, where "" is as many as one likes."""
    return math.inf if given == "" else number_of(given)


def affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quotas(root: Path) -> Iterator[float]:
    """The CPU quotas of this process's cgroup and those above it, in CPUs; of both versions."""
    try:
        memberships = root / "proc/self/cgroup"
        lines = memberships.read_text(encoding="utf-8", errors="surrogateescape").split("\n")
    except OSError:
        return
    for _, controllers, path in (line.split(":", 2) for line in lines if line.count(":") > 1):
        if not controllers:
            yield from walk(root / "sys/fs/cgroup", path, _quota_v2)
        elif "cpu" in controllers.split(","):
            for mount in {"cpu", controllers}:  # the one is a link to the other, if it is there
                yield from walk(root / "sys/fs/cgroup" / mount, path, _quota_v1)


def walk(mount: Path, path: str, read: Callable[[Path], T | None]) -> Iterator[T]:
    """What is read of a cgroup and those above it, where it is anything."""
    group = mount / path.lstrip("/")
    for folder in (group, *group.parents):
        if not folder.is_relative_to(mount):
            return
        found = read(folder)
        if found is not None:
            yield found


def _quota_v2(group: Path) -> float | None:
    try:
        return _ratio(*(group / "cpu.max").read_text(encoding="ascii").split())
    except (OSError, ValueError, TypeError):
        return None


def _quota_v1(group: Path) -> float | None:
    try:
        quota, period = (group / f"cpu.cfs_{name}_us" for name in ("quota", "period"))
        return _ratio(quota.read_text(encoding="ascii"), period.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _ratio(quota: str, period: str) -> float | None:
    """None where there is no quota: it is "max", -1, or nonsense."""
    share, whole = float(quota), float(period)
    return share / whole if share > 0 and 0 < whole < math.inf else None
