"""How many processes of pure computation this machine, or this container, can run at once."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

from .cgroups import groups


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
    """The CPU quotas of this process's cgroup and those above it, in CPUs."""
    for version, folders in groups("cpu", root):
        for folder in folders:
            quota = _quota_v1(folder) if version == 1 else _quota_v2(folder)
            if quota is not None:
                yield quota


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
