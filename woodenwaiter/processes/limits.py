"""What this process, and those that it starts, may have."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path

from .cpus import walk


def descriptors_at_most() -> float:
    """As far as a process may raise that itself."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return float("inf") if hard == resource.RLIM_INFINITY else hard


def memory_at_most(root: Path = Path("/")) -> int | None:
    """Bytes, by the limits of this process's cgroup (of version 2) and those above it; None where
    there is none."""
    return min(_memory_limits(root), default=None)


def _memory_limits(root: Path) -> Iterator[int]:
    try:
        memberships = (root / "proc/self/cgroup").read_text(errors="surrogateescape")
    except OSError:
        return
    for line in memberships.split("\n"):
        if line.startswith("0::"):
            yield from walk(root / "sys/fs/cgroup", line.removeprefix("0::"), _limit)


def _limit(group: Path) -> int | None:
    """None where it is "max", or there is no such file."""
    try:
        limit = int((group / "memory.max").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return limit if limit > 0 else None
