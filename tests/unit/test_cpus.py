"""How many processes this machine, or this container, can run at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from woodenwaiter.processes import cpus
from woodenwaiter.processes.cpus import usable_cpus

from ..support import run


@pytest.fixture(autouse=True)
def eight_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpus, "affinity", lambda: 8)


def container(root: Path, cgroup: str, **files: str) -> Path:
    """A file system with this ``/proc/self/cgroup`` and these files below ``/sys/fs/cgroup``."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(cgroup)
    for name, text in files.items():
        path = root / "sys/fs/cgroup" / name.replace("__", "/").replace("_max", ".max")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    ("quota", "expected"),
    [
        ("max 100000", 8),
        ("300000 100000", 3),
        ("150000 100000", 2),
        ("5000 100000", 1),
        ("1600000 100000", 8),
        ("25000 50000", 1),
        ("nonsense", 8),
        ("", 8),
        ("100000 0", 8),
        ("100000 -100000", 8),
        ("-100000 100000", 8),
        ("0 100000", 8),
        ("100000", 8),
        ("1 2 3", 8),
        ("nan 100000", 8),
        ("\u0663 \u0661", 8),
        ("9" * 400 + " 1", 8),
        ("1 " + "9" * 400, 8),
        ("9" * 5000 + " 1", 8),
        ("\xff\xfe", 8),
    ],
)
def test_quota_of_cgroup_v2(tmp_path: Path, quota: str, expected: int) -> None:
    assert usable_cpus(container(tmp_path, "0::/\n", cpu_max=quota)) == expected


def test_the_tightest_quota_on_the_way_up_counts(tmp_path: Path) -> None:
    root = container(
        tmp_path,
        "0::/slice/pod\n",
        slice__pod__cpu_max="max 100000",
        slice__cpu_max="200000 100000",
        cpu_max="400000 100000",
    )
    assert usable_cpus(root) == 2


@pytest.mark.parametrize(("quota", "expected"), [("300000", 3), ("-1", 8), ("120000", 2)])
def test_quota_of_cgroup_v1(tmp_path: Path, quota: str, expected: int) -> None:
    root = container(
        tmp_path,
        "5:memory:/docker/1\n4:cpu,cpuacct:/docker/1\n1:cpuset:/\n",
        **{"cpu__cpu.cfs_quota_us": quota, "cpu__cpu.cfs_period_us": "100000"},
    )
    assert usable_cpus(root) == expected


@pytest.mark.parametrize("mount", ["cpu", "cpu,cpuacct"])
@pytest.mark.parametrize(
    ("quota", "period", "expected"),
    [
        ("300000", "100000", 3),
        ("100000", "0", 8),
        ("100000", "-1", 8),
        ("0", "100000", 8),
        ("9" * 400, "1", 8),
        ("", "", 8),
        ("max", "100000", 8),
    ],
)
def test_odd_quotas_of_cgroup_v1(
    tmp_path: Path, mount: str, quota: str, period: str, expected: int
) -> None:
    files = {f"{mount}__cpu.cfs_quota_us": quota, f"{mount}__cpu.cfs_period_us": period}
    assert usable_cpus(container(tmp_path, "4:cpu,cpuacct:/docker/1\n", **files)) == expected


def test_lines_that_are_none_are_left_out(tmp_path: Path) -> None:
    lines = "\ngarbage\n:\n::\n1:cpu\n0::/a\0b\n0::/\xff\n0::/" + "x" * 5000 + "\n0::/\n"
    assert usable_cpus(container(tmp_path, lines, cpu_max="300000 100000")) == 3


def test_cgroups_that_are_no_utf_8(tmp_path: Path) -> None:
    root = container(tmp_path, "", cpu_max="300000 100000")
    (root / "proc/self/cgroup").write_bytes(b"1:name=\xff:/\xfe\n0::/\xff\n")
    assert usable_cpus(root) == 3


@pytest.mark.parametrize("cgroup", ["0::/../../other\n", "0::/gone\n", "1:name=systemd:/x\n", ""])
def test_cgroup_that_cannot_be_seen_limits_nothing(tmp_path: Path, cgroup: str) -> None:
    assert usable_cpus(container(tmp_path, cgroup)) == 8


def test_no_cgroups(tmp_path: Path) -> None:
    assert usable_cpus(tmp_path) == 8


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no CPU affinity here")
def test_affinity_counts(tmp_path: Path) -> None:
    script = """
import os
from pathlib import Path
from woodenwaiter.processes.cpus import usable_cpus
os.sched_setaffinity(0, list(os.sched_getaffinity(0))[:1])
print(usable_cpus(Path("no cgroups here")))
"""
    assert run(tmp_path, "-c", script).stdout == "1\n"
