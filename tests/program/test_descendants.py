"""What handlers start: how long it lives, whatever becomes of their worker."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from textwrap import dedent

import psutil
import pytest

from woodenwaiter.processes.tree import find, is_alive

from ..application import Application
from ..support import eventually

KEPT = {
    "ProcessPoolExecutor": """
        from concurrent.futures import ProcessPoolExecutor
        kept.append(ProcessPoolExecutor(2))
        pids = set(kept[0].map(pid, range(20)))
    """,
    "Pool": """
        from multiprocessing import Pool
        kept.append(Pool(2))
        pids = set(kept[0].map(pid, range(20)))
    """,
    "spawned Pool": """
        from multiprocessing import get_context
        kept.append(get_context("spawn").Pool(1))
        pids = set(kept[0].map(os.path.getsize, ["/"])) and {p.pid for p in kept[0]._pool}
    """,
    "forkserver": """
        from multiprocessing import get_context
        kept.append(get_context("forkserver").Pool(1))
        pids = {p.pid for p in kept[0]._pool}
    """,
    "Manager": """
        from multiprocessing import Manager
        kept.append(Manager())
        pids = {kept[0]._process.pid}
    """,
    "daemon process": """
        from multiprocessing import Process
        kept.append(Process(target=time.sleep, args=(300,), daemon=True))
        kept[0].start()
        pids = {kept[0].pid}
    """,
    "Popen": """
        import subprocess
        kept.append(subprocess.Popen(["sleep", "300"]))
        pids = {kept[0].pid}
    """,
    "Popen that ignores SIGTERM": """
        import subprocess
        kept.append(subprocess.Popen(["sh", "-c", "trap '' TERM; echo; while :; do sleep 1; done"],
                                     stdout=subprocess.PIPE))
        kept[0].stdout.readline()
        pids = {kept[0].pid}
    """,
    "own session": """
        import subprocess
        kept.append(subprocess.Popen(["sleep", "300"], start_new_session=True))
        pids = {kept[0].pid}
    """,
    "background job": """
        os.system("sleep 300 & echo $! > pid")
        pids = {int(open("pid").read())}
    """,
    "orphan in a group of its own": """
        if os.fork() == 0:
            if os.fork() == 0:
                os.setpgid(0, 0)
                note("pid", os.getpid())
                time.sleep(300)
            os._exit(0)
        os.wait()
        while not os.path.exists("pid") or not open("pid").read():
            time.sleep(0.01)
        pids = {int(open("pid").read())}
    """,
}

TEXT = """
import concurrent.futures.process, multiprocessing.util

kept = []

def pid(n):
    time.sleep(0.01)
    return os.getpid()
"""


NOTE = """
for each in pids:
    note("kept", each)
note("done", foods["n"])
"""


def keeping(what: str, then: str = "") -> str:
    """A handler's body."""
    return dedent(KEPT[what]) + NOTE + dedent(then)


def kept(app: Application) -> list[psutil.Process]:
    eventually(lambda: app.done)
    processes = [psutil.Process(pid) for pid in app.numbers("kept")]
    assert processes
    assert all(map(is_alive, processes))
    return processes


def ended(processes: list[psutil.Process]) -> bool:
    return not any(map(is_alive, processes))


kinds = pytest.mark.parametrize("what", KEPT)


@kinds
def test_what_a_handler_keeps_ends_with_a_drain(app: Application, what: str) -> None:
    app.push({"n": 0})
    app.write(text=TEXT, handler=keeping(what), processes=1)
    supervisor = app.serve()
    processes = kept(app)
    began = time.monotonic()
    assert supervisor.stop() == 0
    assert time.monotonic() - began < 10
    assert ended(processes)
    assert "is killed" not in supervisor.log


@kinds
def test_what_a_handler_keeps_ends_with_its_worker(app: Application, what: str) -> None:
    app.push({"n": 0})
    app.write(text=TEXT, handler=keeping(what), processes=1, max_tasks=1)
    supervisor = app.serve()
    eventually(lambda: app.done)
    eventually(lambda: not _living(app.numbers("kept")))
    assert supervisor.stop() == 0
    assert "is killed" not in supervisor.log


def _living(pids: list[int]) -> list[int]:
    return [pid for pid in pids if (process := find(pid)) and is_alive(process)]


@pytest.mark.parametrize("what", [what for what in KEPT if what != "own session"])
def test_what_a_handler_keeps_ends_with_a_worker_that_is_killed(
    app: Application, what: str
) -> None:
    """By somebody else: the kernel, short of memory, say."""
    app.push({"n": 0})
    app.write(text=TEXT, handler=keeping(what), processes=1)
    supervisor = app.serve()
    processes = kept(app)
    supervisor.workers()[0].kill()
    eventually(lambda: ended(processes))
    assert supervisor.stop() == 0


@kinds
def test_what_a_handler_keeps_ends_with_a_task_whose_time_is_up(
    app: Application, what: str
) -> None:
    hang = """
        signal.signal(signal.SIGWINCH, signal.SIG_IGN)
        time.sleep(300)
    """
    app.push({"n": 0})
    app.write(
        text=TEXT + "\nfrom woodenwaiter import pace\npace.TIMEOUT_GRACE = 0.1",
        handler=keeping(what, hang),
        processes=1,
        timeout=1,
        max_deliveries=1,
    )
    app.serve()
    eventually(app.letters)
    eventually(lambda: not _living(app.numbers("kept")))
    assert app.noted("kept")


@pytest.mark.parametrize("end", ["drain", "kill"])
def test_daemon_is_nobodys_and_lives_on(app: Application, end: str) -> None:
    handler = """
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                note("kept", os.getpid())
                time.sleep(300)
            os._exit(0)
        os.wait()
        while not os.path.exists("kept"):
            time.sleep(0.01)
        note("done", 0)
    """
    app.push({"n": 0})
    app.write(handler=handler, processes=1)
    supervisor = app.serve()
    [daemon] = kept(app)
    try:
        if end == "kill":
            [worker] = supervisor.workers()
            worker.kill()
            supervisor.logged("SIGKILL")
        assert supervisor.stop() == 0
        assert is_alive(daemon)
    finally:
        daemon.kill()


def test_what_a_handler_keeps_ends_though_the_supervisor_be_killed(app: Application) -> None:
    app.push({"n": 0})
    app.write(text=TEXT, handler=keeping("ProcessPoolExecutor"), processes=1)
    supervisor = app.serve()
    processes = kept(app)
    supervisor.signal(signal.SIGKILL)
    eventually(lambda: ended(processes))


def drained_after(app: Application, handler: str) -> str:
    """The log of a worker's life that is this task and a drain."""
    app.push({"n": 0})
    app.write(handler=handler, processes=1)
    supervisor = app.serve()
    eventually(lambda: app.done)
    assert supervisor.stop() == 0
    return supervisor.log


def test_exit_handlers_of_handlers_come_first(app: Application) -> None:
    """One's own way to end one's children."""
    handler = """
        import atexit, subprocess
        child = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
        atexit.register(lambda: (child.stdin.close(), note("status", child.wait())))
        note("done", 0)
    """
    log = drained_after(app, handler)
    assert app.noted("status") == ["0"]
    assert "left running" not in log


def test_shared_memory_that_a_handler_leaves_is_cleaned_up(app: Application) -> None:
    """By the tracker that multiprocessing runs for it, which must have the time."""
    handler = """
        from multiprocessing.shared_memory import SharedMemory
        kept = SharedMemory(create=True, size=1)
        note("name", kept.name)
        note("done", 0)
    """
    log = drained_after(app, handler)
    [name] = app.noted("name")
    eventually(lambda: not Path("/dev/shm", name).exists())
    assert "left running" not in log


def test_descriptors_that_a_handler_closed_keep_nothing_alive(app: Application) -> None:
    then = """
        from multiprocessing import resource_tracker
        resource_tracker.ensure_running()
        os.close(resource_tracker._resource_tracker._fd)
        import subprocess
        manager.kept = subprocess.Popen(["sleep", "1000"])
    """
    app.write(processes=1, then=then)
    app.push({"n": 0})
    supervisor = app.serve()
    eventually(lambda: app.done)
    assert supervisor.stop() == 0
    assert not supervisor.left_behind()
    assert "Traceback" not in supervisor.log


def test_crowd_that_a_handler_leaves_is_ended_and_told_in_a_line(app: Application) -> None:
    then = 'os.system("for i in $(seq 1000); do sleep 300 & echo $! >> crowd; done")'
    app.write(then=then, processes=1)
    app.push({"n": 0})
    supervisor = app.serve()
    eventually(lambda: app.done)
    crowd = app.numbers("crowd")
    assert all(map(psutil.pid_exists, crowd))
    assert supervisor.stop() == 0
    eventually(lambda: not any(map(psutil.pid_exists, crowd)), "the end of the crowd")
    line = supervisor.logged("left running")
    assert "(1000 in all)" in line
    assert len(line) < 1000
