"""The control groups that this process is in, of both versions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path


def groups(controller: str, root: Path) -> Iterator[tuple[int, Iterator[Path]]]:
    """Of each hierarchy that may have this controller: its version, and the folders of this
    process's group and those above it. In a container, some of them may not be there."""
    try:
        memberships = root / "proc/self/cgroup"
        lines = memberships.read_text(encoding="utf-8", errors="surrogateescape").split("\n")
    except OSError:
        return
    for _, controllers, path in (line.split(":", 2) for line in lines if line.count(":") > 1):
        if not controllers:
            yield 2, _upwards(root / "sys/fs/cgroup", path)
        elif controller in controllers.split(","):
            for mount in {controller, controllers}:  # one is a link to the other, if it is there
                yield 1, _upwards(root / "sys/fs/cgroup" / mount, path)


def _upwards(mount: Path, path: str) -> Iterator[Path]:
    group = mount / path.lstrip("/")
    for folder in (group, *group.parents):
        if not folder.is_relative_to(mount):
            return
        yield folder
