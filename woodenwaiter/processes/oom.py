"""How often the kernel has killed a process here for want of memory."""

from __future__ import annotations

from pathlib import Path

from .cgroups import groups

COUNTERS = {1: "memory.oom_control", 2: "memory.events"}
"""By the version of cgroups."""


class OomKills:
    """Those in this process's cgroup, from now on: of its children, but also of theirs, so that one
    of theirs may be taken for the next child that somebody kills. None where the system does not
    tell."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._counter = _counter(root)
        self._known = self._count()

    def explain(self) -> bool:
        """Whether one of them may be what has just killed a child: each explains one death."""
        is_new = self._count() > self._known
        self._known += is_new
        return is_new

    def _count(self) -> int:
        return _killed(self._counter) or 0 if self._counter else 0


def _counter(root: Path) -> Path | None:
    """The file of the group itself; in a container, that may be what is mounted."""
    for version, folders in groups("memory", root):
        for folder in folders:
            counter = folder / COUNTERS[version]
            if _killed(counter) is not None:
                return counter
    return None


def _killed(counter: Path) -> int | None:
    try:
        lines = counter.read_text(encoding="ascii").splitlines()
        return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), None)
    except (OSError, ValueError, IndexError):
        return None
