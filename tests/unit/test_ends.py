"""Why workers ended."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from woodenwaiter.errors import EXIT_SETUP
from woodenwaiter.processes.children import UNKNOWN_STATUS
from woodenwaiter.processes.ends import End, EndCounts, described, end_of
from woodenwaiter.processes.oom import OomKills

KILLED, CRASHED, SETUP = int(signal.SIGKILL), int(signal.SIGSEGV), EXIT_SETUP << 8


@pytest.mark.parametrize(
    ("status", "told", "end"),
    [
        (0, {"may_leave": True}, End.LEFT),
        (0, {"may_leave": True, "limit": End.MAX_TASKS}, End.MAX_TASKS),
        (0, {"may_leave": True, "limit": End.MAX_MEMORY}, End.MAX_MEMORY),
        (0, {}, End.EXITED),
        (0, {"limit": End.MAX_TASKS}, End.EXITED),  # in its last task
        (7 << 8, {"may_leave": True}, End.EXITED),
        (SETUP, {"is_setting_up": True}, End.SETUP_FAILED),
        (SETUP, {}, End.EXITED),
        (CRASHED, {}, End.SIGNALLED),
        (CRASHED, {"killed_for": End.TIMED_OUT}, End.SIGNALLED),  # before it was killed
        (KILLED, {}, End.SIGNALLED),
        (KILLED, {"is_out_of_memory": True}, End.OUT_OF_MEMORY),
        (KILLED, {"killed_for": End.STALLED}, End.STALLED),
        (KILLED, {"killed_for": End.STOPPED, "limit": End.MAX_TASKS}, End.STOPPED),
        (UNKNOWN_STATUS, {}, End.UNSEEN),
        (UNKNOWN_STATUS, {"killed_for": End.STUCK}, End.STUCK),
    ],
)
def test_end_is_found_out(status: int, told: dict[str, End], end: End) -> None:
    known: dict[str, End | bool | None] = {
        "limit": None,
        "killed_for": None,
        "is_out_of_memory": False,
        "may_leave": False,
        "is_setting_up": False,
    }
    assert end_of(status, **{**known, **told}) == end  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("end", "status", "text"),
    [
        (End.LEFT, 0, "left with exit code 0"),
        (End.MAX_TASKS, 0, "left with exit code 0, as it had run max_tasks"),
        (End.MAX_MEMORY, 0, "left with exit code 0, as it was above max_memory"),
        (End.SETUP_FAILED, SETUP, "left with exit code 5, as its setup failed"),
        (End.SIGNALLED, CRASHED | 0x80, "died of signal 11 (SIGSEGV), core dumped"),
        (End.OUT_OF_MEMORY, KILLED, "was killed by the kernel: out of memory"),
        (End.STUCK, KILLED, "was killed, as it did not end"),
        (End.UNSEEN, UNKNOWN_STATUS, "ended unseen"),
    ],
)
def test_end_in_words(end: End, status: int, text: str) -> None:
    assert described(end, status) == text


def test_ends_are_counted_apart() -> None:
    counts = EndCounts(2)
    for queue, end in [(0, End.LEFT), (1, End.STOPPED), (1, End.UNSEEN), (1, End.STOPPED)]:
        counts.count(queue, end)
    assert counts[0] == {End.LEFT: 1}
    assert counts[1] == {End.UNSEEN: 1, End.STOPPED: 2}


GROUPS = {
    "2": ("0::/pool", "pool/memory.events", "low 0\noom 9\noom_kill {}\noom_group_kill 0\n"),
    "2, as a container sees it": ("0::/host/only", "memory.events", "oom_kill {}\n"),
    "1": (
        "9:name=systemd:/\n4:memory:/pool\n0::/",
        "memory/pool/memory.oom_control",
        "oom_kill_disable 0\nunder_oom 0\noom_kill {}\n",
    ),
}


@pytest.mark.parametrize("version", GROUPS)
def test_each_kill_for_want_of_memory_explains_one_death(tmp_path: Path, version: str) -> None:
    cgroup, name, text = GROUPS[version]
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(cgroup)
    counter = tmp_path / "sys/fs/cgroup" / name
    counter.parent.mkdir(parents=True)
    counter.write_text(text.format(3))
    kills = OomKills(tmp_path)
    assert not kills.explain()
    counter.write_text(text.format(5))
    assert [kills.explain() for _ in range(3)] == [True, True, False]
    counter.unlink()
    assert not kills.explain()


def test_system_that_counts_no_such_kills_explains_nothing(tmp_path: Path) -> None:
    assert not OomKills(tmp_path).explain()
