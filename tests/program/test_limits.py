"""Time limits and recycling."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path

import psutil
import pytest

from woodenwaiter.pace import TIMEOUT_GRACE

from ..support import Server, Supervisor, eventually, lines
from .test_supervisor import APP, numbers, push


def app(options: str, body: str = "") -> str:
    source = APP.replace("processes=2", options)
    return source.replace('        note("done"', f'        {body}\n        note("done"')


def started(supervisor: Supervisor, number: int) -> list[int]:
    """The pids that the log tells of in a worker's slot."""
    return [int(pid) for pid in re.findall(rf"#{number} \(pid (\d+)\) started", supervisor.log)]


def test_timeout_is_raised_in_the_handler(server: Server, tmp_path: Path) -> None:
    push(server.client, {"n": 0, "sleep": 300}, {"n": 1})
    source = app("timeout=0.3, max_deliveries=1")
    with Supervisor(tmp_path, source, "--redis", server.url) as supervisor:
        eventually(lambda: server.client.xlen("{t:d}:dead"))
        eventually(lambda: lines(tmp_path / "done") == ["1"])
        workers = supervisor.workers()
        assert supervisor.stop() == 0
        assert len(workers) == 1
    [(_, letter)] = server.client.xrange("{t:d}:dead")
    assert letter[b"reason"] == b"the time limit was exceeded"
    assert b"in handle" in letter[b"traceback"]


def test_time_of_one_task_is_not_charged_to_the_next(server: Server, tmp_path: Path) -> None:
    push(server.client, *({"n": n, "sleep": 0.2} for n in range(8)))
    with Supervisor(tmp_path, app("timeout=1"), "--redis", server.url) as supervisor:
        eventually(lambda: len(lines(tmp_path / "done")) == 8)
        assert supervisor.stop() == 0
    assert len(lines(tmp_path / "begun")) == 8


def test_next_task_has_a_time_limit_of_its_own(server: Server, tmp_path: Path) -> None:
    """Though the one before it may still be given time to heed its own."""
    push(server.client, *({"n": n, "sleep": 300} for n in range(4)))
    source = app("timeout=0.3, max_deliveries=1")
    with Supervisor(tmp_path, source, "--redis", server.url) as supervisor:
        eventually(lambda: server.client.xlen("{t:d}:dead") == 4, seconds=2 * TIMEOUT_GRACE)
        assert supervisor.stop() == 0


def test_handler_that_swallows_its_timeout_is_killed_with_its_children(
    server: Server, tmp_path: Path
) -> None:
    push(server.client, {"n": 0}, {"n": 1})
    body = """if foods["n"] == 0:
            import subprocess
            note("child", subprocess.Popen(["sleep", "300"]).pid)
            while True:
                try:
                    time.sleep(300)
                except BaseException:
                    pass"""
    source = app("timeout=1, max_deliveries=1", body)
    with Supervisor(tmp_path, source, "--redis", server.url) as supervisor:
        [child] = eventually(lambda: numbers(tmp_path / "child"))
        eventually(lambda: server.client.xlen("{t:d}:dead"))
        eventually(lambda: lines(tmp_path / "done") == ["1"])
        assert not psutil.pid_exists(child) or psutil.Process(child).status() == "zombie"
        assert supervisor.stop() == 0
    [(_, letter)] = server.client.xrange("{t:d}:dead")
    assert b"its time was up" in letter[b"reason"]


slow_forks = pytest.mark.parametrize(
    "more",
    [
        "",
        "    os.register_at_fork(after_in_parent=lambda: time.sleep(0.2))",
        "    os.register_at_fork(after_in_child=lambda: time.sleep(0.2))",
    ],
    ids=["", "slow supervisor", "slow worker"],
)


@slow_forks
def test_worker_leaves_after_max_tasks(server: Server, tmp_path: Path, more: str) -> None:
    push(server.client, *({"n": n} for n in range(50)))
    source = app("processes=2, max_tasks=10", 'note("pids", os.getpid())') + more
    with Supervisor(tmp_path, source, "--redis", server.url) as supervisor:
        eventually(lambda: len(lines(tmp_path / "done")) == 50)
        assert supervisor.stop() == 0
        assert "ERROR" not in supervisor.log
    pids = lines(tmp_path / "pids")
    assert max(pids.count(pid) for pid in set(pids)) <= 10
    assert numbers(tmp_path / "begun") == list(range(50))


@slow_forks
def test_one_task_per_process_while_others_run(server: Server, tmp_path: Path, more: str) -> None:
    push(server.client, *({"n": n, "sleep": 300} for n in range(4)))
    source = app("processes=2, max_tasks=1", 'note("pids", os.getpid())') + more
    with Supervisor(tmp_path, source, "--redis", server.url) as supervisor:
        eventually(lambda: len(lines(tmp_path / "begun")) == 2)
        eventually(lambda: len(supervisor.titled(" quiet")) == 2, "two successors that stand by")
        assert len(lines(tmp_path / "begun")) == 2
        for n in range(4):
            (tmp_path / f"go-{n}").touch()
        eventually(lambda: len(lines(tmp_path / "done")) == 4)
        assert supervisor.stop() == 0
    assert len(set(lines(tmp_path / "pids"))) == 4


def test_failure_that_redis_does_not_hear_of_is_not_late(server: Server, tmp_path: Path) -> None:
    body = 'note("ended", 0)\n        raise Reject("no")'
    source = app("timeout=1", body).replace("import Wooden", "import Reject, Wooden")
    source += """
    from woodenwaiter import pace
    pace.TIMEOUT_GRACE = 0.1
    """
    push(server.client, {"n": 0, "sleep": 300})
    with Supervisor(tmp_path, source, "--redis", server.url) as supervisor:
        eventually(lambda: lines(tmp_path / "begun"))
        os.kill(server.pid, signal.SIGSTOP)
        (tmp_path / "go-0").touch()
        eventually(lambda: lines(tmp_path / "ended"))
        until = time.monotonic() + 2
        eventually(lambda: time.monotonic() > until, "a time that would be too long for a task")
        os.kill(server.pid, signal.SIGCONT)
        eventually(lambda: server.client.xlen("{t:d}:dead"))
        assert supervisor.stop() == 0
        assert "killed" not in supervisor.log
    [(_, letter)] = server.client.xrange("{t:d}:dead")
    assert letter[b"reason"] == b"rejected"


def test_worker_that_does_not_end_is_relieved_all_the_same(server: Server, tmp_path: Path) -> None:
    push(server.client, *({"n": n} for n in range(3)))
    source = app("max_tasks=1, teardown=lambda: time.sleep(300)")
    options = ("--redis", server.url, "--drain-seconds", "1")
    with Supervisor(tmp_path, source, *options).ready(1) as supervisor:
        eventually(lambda: len(lines(tmp_path / "done")) == 3)
        eventually(lambda: supervisor.log.count("does not end") == 3)
        eventually(lambda: len(supervisor.workers()) == 1)


def test_worker_leaves_when_it_has_grown(server: Server, tmp_path: Path) -> None:
    source = app(
        "max_memory=150 * 2**20",
        'note("pids", os.getpid())\n        handle.kept = bytearray(foods.get("bytes", 0))',
    )
    push(server.client, {"n": 0, "bytes": 300 * 2**20}, {"n": 1, "sleep": 1}, {"n": 2})
    with Supervisor(tmp_path, source, "--redis", server.url) as supervisor:
        supervisor.logged("left with exit code 0")
        eventually(lambda: len(lines(tmp_path / "done")) == 3)
        assert supervisor.stop() == 0
        assert "ERROR" not in supervisor.log
    assert len(set(lines(tmp_path / "pids"))) == 2


def test_worker_is_retired_with_its_successor(server: Server, tmp_path: Path) -> None:
    body = "handle.kept = bytearray(300 * 2**20)"
    source = app("processes=2, max_memory=150 * 2**20, setup=setup", body).replace(
        "def handle",
        """def setup():
        while os.path.exists("hold"):
            time.sleep(0.01)

    def handle""",
    )
    with Supervisor(tmp_path, source, "--redis", server.url).ready(2) as supervisor:
        (tmp_path / "hold").touch()
        push(server.client, {"n": 0, "sleep": 300}, {"n": 1, "sleep": 300})
        eventually(lambda: len(lines(tmp_path / "begun")) == 2)
        (tmp_path / "go-0").touch()
        (tmp_path / "go-1").touch()
        eventually(lambda: len(started(supervisor, 0)) == len(started(supervisor, 1)) == 2)
        supervisor.signal(signal.SIGTTOU)
        supervisor.logged("workers now: 1")
        os.kill(started(supervisor, 1)[1], signal.SIGKILL)
        (tmp_path / "hold").unlink()
        eventually(lambda: len(supervisor.workers()) == 1)
        push(server.client, {"n": 2})
        eventually(lambda: len(lines(tmp_path / "done")) == 3)
        assert supervisor.stop() == 0


def test_worker_born_over_its_limit_says_so_once_and_works(server: Server, tmp_path: Path) -> None:
    push(server.client, *({"n": n, "sleep": 0.15} for n in range(5)))
    source = app("max_memory=2**20", 'note("pids", os.getpid())')
    with Supervisor(tmp_path, source, "--redis", server.url) as supervisor:
        eventually(lambda: len(lines(tmp_path / "done")) == 5)
        assert supervisor.stop() == 0
        assert supervisor.log.count("over max_memory") == 1
    assert len(set(lines(tmp_path / "pids"))) == 1


def test_timed_out_entry_keeps_its_reason(server: Server, tmp_path: Path) -> None:
    push(server.client, {"n": 0, "sleep": 300})
    source = app("timeout=0.2, backoff=Backoff(first=1e8, longest=1e8)").replace(
        "WoodenCustomer,", "Backoff, WoodenCustomer,", 1
    )
    with Supervisor(tmp_path, source, "--redis", server.url) as supervisor:
        [entry] = eventually(lambda: server.client.zrange("{t:d}:delayed", 0, -1))
        header = json.loads(entry[1:].split(b"\n")[0])
        assert header["deliveries"] == 1
        assert header["reason"] == "the time limit was exceeded"
        assert supervisor.stop() == 0
