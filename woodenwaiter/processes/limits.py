"""What this process, and those that it starts, may have."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path


def descriptors_at_most() -> float:
    """As far as a process may raise that itself."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return float("inf") if hard == resource.RLIM_INFINITY else hard


def memory_at_most(root: Path = Path("/")) -> int | None:
    """Bytes, by the limits of this process's cgroup (of version 2) and those above it; None where
    there is none."""
    return min(_memory_limits(root), default=None)


def _memory_limits(root: Path) -> Iterator[int]:
    mount = root / "sys/fs/cgroup"
    try:
        lines = (root / "proc/self/cgroup").read_text(errors="surrogateescape").split("\n")
    except OSError:
        return
    for path in (line.removeprefix("0::/") for line in lines if line.startswith("0::/")):
        group = mount / path
        for folder in (group, *group.parents):
            if folder.is_relative_to(mount) and (limit := _limit(folder)) is not None:
                yield limit


def _limit(group: Path) -> int | None:
    try:
        return int((group / "memory.max").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None  # it is "max", or there is no such file
