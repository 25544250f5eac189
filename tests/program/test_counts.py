"""What workers count, and why they end, as the log tells it."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from woodenwaiter import Backoff

from ..application import Application, Supervisor
from ..support import eventually

ONCE = Backoff(0, 0)


def report(supervisor: Supervisor, queue: str = "t:d") -> str:
    """What it tells of a queue."""
    pattern = rf"queue {queue}: .*"
    supervisor.logged("housekeeper (pid ")  # it takes signals by now
    before = len(re.findall(pattern, supervisor.log))
    supervisor.signal(signal.SIGUSR1)
    lines: list[str] = eventually(lambda: re.findall(pattern, supervisor.log)[before:], "a report")
    return lines[-1]


def reported(supervisor: Supervisor, text: str) -> str:
    """The same, once it has this."""
    return eventually(lambda: line if text in (line := report(supervisor)) else None, text)


def kill(process: psutil.Process) -> None:
    process.kill()
    eventually(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)


def has_done(app: Application, least: int) -> bool:
    return len(app.done) >= least


def test_counts_are_exact_though_workers_and_housekeepers_are_killed(app: Application) -> None:
    then = """
        if delivery().number == 1:
            if foods["n"] % 3 == 0: os.kill(os.getpid(), signal.SIGKILL)
            if foods["n"] % 3 == 1: raise ValueError
            if foods["n"] % 6 == 2: raise Retry(0)
    """
    app.write(then=then, backoff=ONCE, max_deliveries=2)
    supervisor = app.serve().ready()
    for start in range(0, 36, 6):
        done = len(app.done)
        app.push(*({"n": n} for n in range(start, start + 6)))
        eventually(partial(has_done, app, done + 1), "another task done")
        kill(supervisor.housekeeper())  # the later, the longer until there is another
    tasks = "tasks done: 36, failed: 24, retried: 30, killed: 12"
    line = reported(supervisor, f"; {tasks};")
    assert "workers replaced: signalled 12" in line
    eventually(lambda: len(supervisor.workers()) == 2)
    assert supervisor.stop() == 0
    supervisor.logged(f"s; {tasks}")


DIES_OF_IT = """
    from woodenwaiter.processes.books import Books
    enter = Books.enter

    def enter_and_die(*given):
        enter(*given)
        if not os.path.exists("entered"):
            note("entered", 0)
            while not os.path.exists("go"):
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGKILL)

    Books.enter = enter_and_die
"""


def test_worker_is_entered_once_though_another_is_found_dead_before_it(app: Application) -> None:
    app.write(text=DIES_OF_IT, then='note("by", os.getpid())')
    supervisor = app.serve().ready(2)
    done = 0
    while len(set(app.noted("by"))) < 2:
        app.push({"n": 0, "sleep": 0.2}, {"n": 1, "sleep": 0.2})
        done += 2
        eventually(partial(has_done, app, done))
    first, second = supervisor.titled(" #0 ") + supervisor.titled(" #1 ")
    kill(second)
    eventually(lambda: app.noted("entered"))
    kill(first)
    supervisor.logged(f"(pid {first.pid}) died of")
    eventually(lambda: len(supervisor.workers()) == 2)  # hence its row says that it is dead
    (app.folder / "go").touch()
    eventually(lambda: supervisor.log.count("housekeeper (pid ") == 3)
    app.push({"n": 2})
    reported(supervisor, f"; tasks done: {done + 1};")
    assert supervisor.stop() == 0
    supervisor.logged(f"s; tasks done: {done + 1}")


def test_task_that_kills_its_worker_is_counted_as_buried(app: Application) -> None:
    app.push({"n": 0, "kill": signal.SIGKILL})
    app.write(processes=1, max_deliveries=1)
    supervisor = app.serve()
    reported(supervisor, "tasks done: 0, failed: 1, buried: 1, killed: 1")
    assert supervisor.stop() == 0


def test_task_that_is_killed_at_a_drain_has_not_failed(app: Application) -> None:
    app.push({"n": 0, "sleep": 300})
    app.write(processes=1)
    supervisor = app.serve("--drain-seconds", "0.5")
    eventually(lambda: app.noted("begun"))
    assert supervisor.stop() == 1
    assert "was killed, as the pool ended" in supervisor.log
    supervisor.logged("s; tasks done: 0, killed: 1")


def test_times_of_tasks_are_told(app: Application) -> None:
    app.push(*({"n": n, "sleep": 0.02} for n in range(20)), {"n": 99, "sleep": 0.8})
    supervisor = app.serve()
    line = reported(supervisor, "tasks done: 21;")
    found = re.search(r"p50 ([\d.]+) ms, p99 ([\d.]+) (m?s)", line)
    assert found
    assert 16 <= float(found[1]) <= 66
    assert 0.5 <= float(found[2]) * (0.001 if found[3] == "ms" else 1) <= 2.1
    assert supervisor.stop() == 0


def test_time_of_each_task_is_counted(app: Application) -> None:
    """Short ones, long ones, and those that fail."""
    handler = """
        if foods["n"] == 500:
            note("counted", sum(delivery()._report.func.__self__._row.diary.times))
        if foods["n"] % 100 == 7:
            time.sleep(0.01)
        if foods["n"] % 100 == 8:
            raise Reject("no")
    """
    app.write(handler=handler, processes=1)
    app.push(*({"n": n} for n in range(501)))
    supervisor = app.serve()
    assert eventually(lambda: app.noted("counted")) == ["500"]
    found = re.search(
        r"; p50 ([\d.]+) µs, p99 ", reported(supervisor, "tasks done: 496, failed: 5")
    )
    assert found
    assert float(found[1]) < 500
    assert supervisor.stop() == 0


ENDS: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "max_tasks": ({"max_tasks": 1}, "", "max tasks 1", "left with exit code 0, as it had run"),
    "exited": ({}, "os._exit(7)", "exited 1", "left with exit code 7"),
    "signalled": ({}, "os.kill(os.getpid(), 11)", "signalled 1", "died of signal 11"),
    "memory": (
        {"max_memory": 150 << 20},
        "global kept; kept = b'x' * (200 << 20)",
        "max memory 1",
        "left with exit code 0, as it was above max_memory",
    ),
    "time": (
        {"timeout": 0.2},
        "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2}); hold()",
        "timed out 1",
        "was killed, as the task went on after its time was up",
    ),
    "silence": (
        {"stall_timeout": 0.2},
        "hold()",
        "stalled 1",
        "was killed, as the task went on after telling nothing for too long",
    ),
}

HOLD = """
    def hold():
        while True:
            try:
                time.sleep(300)
            except BaseException:
                pass
"""


@pytest.mark.parametrize("end", ENDS)
def test_log_and_report_tell_why_a_worker_ended(app: Application, end: str) -> None:
    policy, then, counted, told = ENDS[end]
    app.push({"n": 0})
    app.write(processes=1, max_deliveries=1, text=HOLD, then=then, **policy)
    supervisor = app.serve()
    reported(supervisor, f"; workers replaced: {counted}")
    line = supervisor.logged(f") {told}")
    assert re.search(r"; peak memory: [1-9]\d* MiB$", line)
    assert supervisor.stop() == 0


@pytest.fixture
def small_cgroup() -> Iterator[Path]:
    """One whose processes may have 300 MiB together, swap included."""
    mount = Path("/sys/fs/cgroup")
    is_first = (mount / "memory").is_dir()
    group = (mount / "memory" if is_first else mount) / f"woodenwaiter-test-{os.getpid()}"
    limits = {"memory.max": 300 << 20, "memory.swap.max": 0}
    if is_first:
        limits = dict.fromkeys(("memory.limit_in_bytes", "memory.memsw.limit_in_bytes"), 300 << 20)
    try:
        group.mkdir()
    except OSError:
        pytest.skip("no right to make a cgroup")
    try:
        for name, limit in limits.items():
            (group / name).write_text(str(limit))
    except OSError:
        group.rmdir()
        pytest.skip("no memory controller for a cgroup")
    yield group
    eventually(lambda: not (group / "cgroup.procs").read_text())
    group.rmdir()


def test_kill_for_want_of_memory_is_named_as_one(small_cgroup: Path, app: Application) -> None:
    app.push({"n": 0})
    app.write(processes=1, max_deliveries=1, then="b'x' * (900 << 20)")
    enter = f'echo $$ > {small_cgroup}/cgroup.procs; exec "$0" "$@"'
    supervisor = app.serve(inside=("sh", "-c", enter))
    line = supervisor.logged("was killed by the kernel: out of memory")
    assert re.search(r"; peak memory: [1-3]\d\d MiB$", line)
    reported(supervisor, "; workers replaced: out of memory 1")
    eventually(lambda: "was killed by the kernel: out of memory" in str(app.letters()))
    kill(eventually(supervisor.workers)[0])
    supervisor.logged("died of signal 9 (SIGKILL)")
    reported(supervisor, "; workers replaced: signalled 1, out of memory 1")
    assert supervisor.stop() == 0
