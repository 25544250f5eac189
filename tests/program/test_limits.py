"""Time limits and recycling."""

from __future__ import annotations

import json
import os
import re
import signal
import time

import pytest

from woodenwaiter import Backoff
from woodenwaiter.pace import TIMEOUT_GRACE
from woodenwaiter.processes.tree import find, is_alive

from ..application import Application, Code, Supervisor
from ..support import Server, eventually

NOTE_PID = 'note("pids", os.getpid())'


HASTE = """
    from woodenwaiter import pace
    pace.TIMEOUT_GRACE = 0.1
"""


def started(supervisor: Supervisor, number: int) -> list[int]:
    """The pids that the log tells of in a worker's slot."""
    return [int(pid) for pid in re.findall(rf"#{number} \(pid (\d+)\) started", supervisor.log)]


def test_timeout_is_raised_in_the_handler(app: Application) -> None:
    app.push({"n": 0, "sleep": 300}, {"n": 1})
    app.write(processes=1, timeout=0.3, max_deliveries=1)
    supervisor = app.serve()
    eventually(app.letters)
    eventually(lambda: app.done == [1])
    workers = supervisor.workers()
    assert supervisor.stop() == 0
    assert len(workers) == 1
    [letter] = app.letters()
    assert letter[b"reason"] == b"the time limit was exceeded"
    assert b"in handle" in letter[b"traceback"]


def test_time_of_one_task_is_not_charged_to_the_next(app: Application) -> None:
    app.push(*({"n": n, "sleep": 0.2} for n in range(8)))
    app.write(processes=1, timeout=1)
    supervisor = app.serve()
    eventually(lambda: len(app.done) == 8)
    assert supervisor.stop() == 0
    assert len(app.begun) == 8


def test_next_task_has_a_time_limit_of_its_own(app: Application) -> None:
    """Though the one before it may still be given time to heed its own."""
    app.push(*({"n": n, "sleep": 300} for n in range(4)))
    app.write(processes=1, timeout=0.3, max_deliveries=1)
    supervisor = app.serve()
    eventually(lambda: len(app.letters()) == 4, seconds=2 * TIMEOUT_GRACE)
    assert supervisor.stop() == 0


def test_handler_that_swallows_its_timeout_is_killed_with_its_children(app: Application) -> None:
    app.push({"n": 0}, {"n": 1})
    then = """
        if foods["n"] == 0:
            import subprocess
            note("child", subprocess.Popen(["sleep", "300"]).pid)
            while True:
                try:
                    time.sleep(300)
                except BaseException:
                    pass
    """
    app.write(text=HASTE, then=then, processes=1, timeout=1, max_deliveries=1)
    supervisor = app.serve()
    [child] = eventually(lambda: app.numbers("child"))
    eventually(app.letters)
    eventually(lambda: app.done == [1])
    assert not is_alive(find(child))
    assert supervisor.stop() == 0
    [letter] = app.letters()
    assert b"its time was up" in letter[b"reason"]


slow_forks = pytest.mark.parametrize(
    "text",
    [
        "",
        "os.register_at_fork(after_in_parent=lambda: time.sleep(0.2))",
        "os.register_at_fork(after_in_child=lambda: time.sleep(0.2))",
    ],
    ids=["", "slow supervisor", "slow worker"],
)


@slow_forks
def test_worker_leaves_after_max_tasks(app: Application, text: str) -> None:
    app.push(*({"n": n} for n in range(50)))
    app.write(text=text, then=NOTE_PID, max_tasks=10)
    supervisor = app.serve()
    eventually(lambda: len(app.done) == 50)
    assert supervisor.stop() == 0
    assert "ERROR" not in supervisor.log
    assert "is replaced: max_tasks is 10\n" in supervisor.log
    pids = app.noted("pids")
    assert max(pids.count(pid) for pid in set(pids)) <= 10
    assert app.begun == list(range(50))


@slow_forks
def test_one_task_per_process_while_others_run(app: Application, text: str) -> None:
    app.push(*({"n": n, "sleep": 300} for n in range(4)))
    app.write(text=text, then=NOTE_PID, max_tasks=1)
    supervisor = app.serve()
    eventually(lambda: len(app.begun) == 2)
    eventually(lambda: len(supervisor.titled(" quiet")) == 2, "two successors that stand by")
    assert len(app.begun) == 2
    app.let_go(*range(4))
    eventually(lambda: len(app.done) == 4)
    assert supervisor.stop() == 0
    assert len(set(app.noted("pids"))) == 4


def test_failure_that_redis_does_not_hear_of_is_not_late(app: Application, server: Server) -> None:
    then = 'note("ended", 0); raise Reject("no")'
    app.write(text=HASTE, then=then, processes=1, timeout=1)
    app.push({"n": 0, "sleep": 300})
    supervisor = app.serve()
    eventually(lambda: app.begun)
    os.kill(server.pid, signal.SIGSTOP)
    app.let_go(0)
    eventually(lambda: app.noted("ended"))
    until = time.monotonic() + 2
    eventually(lambda: time.monotonic() > until, "a time that would be too long for a task")
    os.kill(server.pid, signal.SIGCONT)
    eventually(app.letters)
    assert supervisor.stop() == 0
    assert "killed" not in supervisor.log
    [letter] = app.letters()
    assert letter[b"reason"] == b"rejected"


def test_worker_that_does_not_end_is_relieved_all_the_same(app: Application) -> None:
    app.push(*({"n": n} for n in range(3)))
    app.write(processes=1, max_tasks=1, teardown=Code("lambda: time.sleep(300)"))
    supervisor = app.serve("--drain-seconds", "1").ready(1)
    eventually(lambda: len(app.done) == 3)
    eventually(lambda: supervisor.log.count("does not end") == 3)
    eventually(lambda: len(supervisor.workers()) == 1)


def test_workers_that_end_slowly_do_not_pile_up(app: Application) -> None:
    app.write(processes=1, max_tasks=1, teardown=Code("lambda: time.sleep(0.3)"))
    supervisor = app.serve().ready(1)
    app.push(*({"n": n} for n in range(6)))
    most = 0
    while len(app.done) < 6:
        most = max(most, len(supervisor.workers()))
    assert most == 2
    assert supervisor.stop() == 0


def test_worker_leaves_when_it_has_grown(app: Application) -> None:
    then = NOTE_PID + '; handle.kept = bytearray(foods.get("bytes", 0))'
    app.write(then=then, processes=1, max_memory=150 * 2**20)
    app.push({"n": 0, "bytes": 300 * 2**20}, {"n": 1, "sleep": 1}, {"n": 2})
    supervisor = app.serve()
    supervisor.logged("left with exit code 0")
    eventually(lambda: len(app.done) == 3)
    assert supervisor.stop() == 0
    assert "ERROR" not in supervisor.log
    assert re.search(r"is replaced: 3\d\d MiB of its own, max_memory is 150 MiB\n", supervisor.log)
    assert len(set(app.noted("pids"))) == 2


DATA = "data = b'x' * (200 * 2**20)"


def test_what_is_shared_with_the_supervisor_does_not_count(app: Application) -> None:
    then = NOTE_PID + '; handle.kept = b"x" * foods.get("bytes", 0)'
    app.write(text=DATA, then=then, processes=1, max_memory=150 * 2**20)
    app.push(*({"n": n, "sleep": 0.15} for n in range(3)))
    supervisor = app.serve()
    eventually(lambda: len(app.done) == 3)
    assert len(set(app.noted("pids"))) == 1
    app.push({"n": 3, "bytes": 300 * 2**20})
    supervisor.logged("is replaced: 3")
    assert supervisor.stop() == 0
    assert "ERROR" not in supervisor.log


def test_worker_is_retired_with_its_successor(app: Application) -> None:
    text = """
        def setup():
            while os.path.exists("hold"):
                time.sleep(0.01)
    """
    then = "handle.kept = bytearray(300 * 2**20)"
    app.write(text=text, then=then, max_memory=150 * 2**20, setup=Code("setup"))
    supervisor = app.serve().ready(2)
    (app.folder / "hold").touch()
    app.push({"n": 0, "sleep": 300}, {"n": 1, "sleep": 300})
    eventually(lambda: len(app.begun) == 2)
    app.let_go(0, 1)
    eventually(lambda: len(started(supervisor, 0)) == len(started(supervisor, 1)) == 2)
    supervisor.signal(signal.SIGTTOU)
    supervisor.logged("workers now: 1")
    os.kill(started(supervisor, 1)[1], signal.SIGKILL)
    (app.folder / "hold").unlink()
    eventually(lambda: len(supervisor.workers()) == 1)
    app.push({"n": 2})
    eventually(lambda: len(app.done) == 3)
    assert supervisor.stop() == 0


def test_worker_born_over_its_limit_says_so_and_is_replaced_when_it_grows(app: Application) -> None:
    setup = f"def setup():\n    global data\n    {DATA}"
    then = NOTE_PID + '; handle.kept = b"x" * foods.get("bytes", 0)'
    app.write(text=setup, then=then, processes=2, max_memory=100 * 2**20, setup=Code("setup"))
    app.push(*({"n": n, "sleep": 0.15} for n in range(6)))
    supervisor = app.serve()
    eventually(lambda: len(app.done) == 6)
    assert len(set(app.noted("pids"))) == 2
    assert supervisor.log.count("before its first task") == 1
    app.push({"n": 6, "bytes": 150 * 2**20})
    supervisor.logged("max_memory is 100 MiB more than the 2")
    assert supervisor.stop() == 0


def test_timed_out_entry_keeps_its_reason(app: Application) -> None:
    app.push({"n": 0, "sleep": 300})
    app.write(processes=1, timeout=0.2, backoff=Backoff(first=1e8, longest=1e8))
    supervisor = app.serve()
    [entry] = eventually(app.delayed)
    header = json.loads(entry[1:].split(b"\n")[0])
    assert header["deliveries"] == 1
    assert header["reason"] == "the time limit was exceeded"
    assert supervisor.stop() == 0
