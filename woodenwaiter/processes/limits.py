"""What this process, and those that it starts, may have."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path

from .cgroups import groups


def descriptors_at_most() -> float:
    """As far as a process may raise that itself."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return float("inf") if hard == resource.RLIM_INFINITY else hard


def memory_at_most(root: Path = Path("/")) -> int | None:
    """Bytes, by the limits of this process's cgroup (of version 2) and those above it; None where
    there is none."""
    return min(_memory_limits(root), default=None)


def _memory_limits(root: Path) -> Iterator[int]:
    for version, folders in groups("memory", root):
        if version == 2:
            yield from filter(None, map(_limit, folders))


def _limit(group: Path) -> int | None:
    """None where it is "max", or there is no such file."""
    try:
        limit = int((group / "memory.max").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return limit if limit > 0 else None
