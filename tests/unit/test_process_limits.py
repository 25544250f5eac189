"""What a container lets its processes have."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from woodenwaiter.processes.limits import descriptors_at_most, memory_at_most

from ..support import run
from .test_cpus import container


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        ("536870912\n", 512 << 20),
        ("max\n", None),
        ("", None),
        ("nonsense", None),
        ("-1", None),
        ("0", None),
        ("9" * 5000, None),
        ("\u0663", None),
    ],
)
def test_memory_of_cgroup_v2(tmp_path: Path, limit: str, expected: int | None) -> None:
    assert memory_at_most(container(tmp_path, "0::/\n", memory_max=limit)) == expected


def test_least_of_the_groups_above_counts(tmp_path: Path) -> None:
    limits = {"a__memory_max": "1000", "a__b__memory_max": "2000", "c__memory_max": "1"}
    assert memory_at_most(container(tmp_path, "1:cpu:/x\n0::/a/b\n", **limits)) == 1000


@pytest.mark.parametrize("cgroup", ["", "nonsense", "0::/../..\n", "4:memory:/a\n"])
def test_no_limit_where_none_is_told(tmp_path: Path, cgroup: str) -> None:
    assert memory_at_most(container(tmp_path, cgroup)) is None
    assert memory_at_most(tmp_path / "nowhere") is None


def test_descriptors(tmp_path: Path) -> None:
    text = """
        import resource
        from woodenwaiter.processes.limits import descriptors_at_most
        resource.setrlimit(resource.RLIMIT_NOFILE, (50, 60))
        print(descriptors_at_most())
    """
    script = "\n".join(line.strip() for line in text.splitlines())
    assert run(tmp_path, "-c", script).stdout == "60\n"
    assert 0 < descriptors_at_most() <= math.inf
