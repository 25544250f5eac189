"""What handlers and `setup` do to signals, and what their worker needs of them."""

from __future__ import annotations

import os
import signal

import pytest

from ..application import Application, Code
from ..support import eventually

TEXT = """
import asyncio

OURS = ("SIGTERM", "SIGUSR1", "SIGUSR2", "SIGTSTP", "SIGWINCH", "SIGURG", "SIGPIPE")

def set_all(action):
    for name in OURS:
        signal.signal(getattr(signal, name), action)

def block_all():
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())

def go_deaf():
    signal.set_wakeup_fd(-1)

async def _listen():
    loop = asyncio.get_running_loop()
    for name in OURS:
        loop.add_signal_handler(getattr(signal, name), print)

def run_a_loop():
    asyncio.run(_listen())

def leave_a_timer():
    signal.setitimer(signal.ITIMER_REAL, 0.3)
"""

CHANGES = {
    "default": "set_all(signal.SIG_DFL)",
    "ignored": "set_all(signal.SIG_IGN)",
    "blocked": "block_all()",
    "deaf": "go_deaf()",
    "an event loop": "run_a_loop()",
}

changes = pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)


def in_first(change: str) -> str:
    return f"{change} if foods['n'] == 0 else None"


@changes
@pytest.mark.parametrize("where", ["handler", "setup"])
def test_idle_worker_hears_a_drain(app: Application, change: str, where: str) -> None:
    setup = Code(f"lambda: {change}") if where == "setup" else None
    app.push({"n": 0})
    app.write(text=TEXT, then="" if setup else change, setup=setup, processes=1)
    supervisor = app.serve().ready(1)
    eventually(lambda: app.done)
    supervisor.ready(1)
    assert supervisor.stop() == 0
    assert "killed" not in supervisor.log
    assert "died" not in supervisor.log
    assert supervisor.log.count("put right") <= 1


@changes
def test_running_task_is_not_ended_by_a_drain(app: Application, change: str) -> None:
    then = f"""
        {change}
        note("changed", 0)
        while not os.path.exists("go"):
            time.sleep(0.01)
    """
    app.push({"n": 0})
    app.write(text=TEXT, then=then, processes=1)
    supervisor = app.serve()
    eventually(lambda: app.noted("changed"))
    supervisor.signal(signal.SIGTERM)
    supervisor.logged("draining")
    supervisor.signal(signal.SIGTTIN)  # acted on after what the drain had to tell
    (app.folder / "go").touch()
    assert supervisor.wait() == 0
    assert app.begun == app.done == [0]
    assert not app.delayed()


@changes
def test_later_task_has_its_time_limit(app: Application, change: str) -> None:
    then = f"{in_first(change)}\ntime.sleep(300 * foods['n'])"
    app.push({"n": 0})
    app.write(text=TEXT, then=then, processes=1, timeout=0.5, max_deliveries=1)
    app.serve()
    eventually(lambda: app.done)
    app.push({"n": 1})
    [letter] = eventually(app.letters)
    assert b"TaskTimeout" in letter[b"error"]


@changes
def test_report_ends_no_worker(app: Application, change: str) -> None:
    app.push({"n": 0})
    app.write(text=TEXT, then=change + "\ntime.sleep(300)", processes=1)
    supervisor = app.serve()
    [worker] = eventually(lambda: supervisor.titled("since"))
    eventually(lambda: app.begun)
    for number in (signal.SIGUSR1, signal.SIGTSTP, signal.SIGCONT, signal.SIGUSR1):
        supervisor.signal(number)
        supervisor.logged("is here")
    assert worker.is_running()
    eventually(lambda: worker.status() == "sleeping")


def test_timer_that_a_task_left_ends_no_other(app: Application) -> None:
    then = in_first("leave_a_timer()")
    app.push({"n": 0})
    app.write(text=TEXT, then=then, processes=1)
    supervisor = app.serve()
    eventually(lambda: app.done)
    app.push({"n": 1, "sleep": 1})
    eventually(lambda: app.done == [0, 1])
    assert app.begun == [0, 1]
    assert "SIGALRM" in supervisor.logged("put right")
    assert supervisor.stop() == 0


def test_what_setup_arranged_for_itself_stays(app: Application) -> None:
    text = """
        def tick(*_):
            note("ticks", 1)

        def arrange():
            signal.signal(signal.SIGALRM, tick)
            signal.signal(signal.SIGHUP, tick)
            signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
    """
    app.push({"n": 0})
    app.write(text=text, setup=Code("arrange"), processes=1)
    supervisor = app.serve()
    eventually(lambda: app.done)
    before = len(app.noted("ticks"))
    eventually(lambda: len(app.noted("ticks")) > before + 3)
    [worker] = supervisor.workers()
    worker.send_signal(signal.SIGHUP)
    assert supervisor.stop() == 0
    assert "put right" not in supervisor.log


def test_what_was_changed_is_told_once(app: Application) -> None:
    app.write(text=TEXT, then="set_all(signal.SIG_DFL)", processes=1)
    supervisor = app.serve()
    for n in range(3):
        app.push({"n": n})
        eventually(lambda: len(app.done) > n)  # noqa: B023 - it is called at once
    assert supervisor.stop() == 0
    [line] = [line for line in supervisor.log.splitlines() if "put right" in line]
    assert "SIGTERM" in line
    assert "WARNING" in line


def test_worker_may_be_told_to_leave_by_a_person(app: Application) -> None:
    app.push({"n": 0, "sleep": 300})
    app.write(processes=1)
    supervisor = app.serve()
    eventually(lambda: app.begun)
    [worker] = supervisor.workers()
    worker.terminate()
    app.let_go(0)
    eventually(lambda: not worker.is_running())
    eventually(supervisor.workers)
    assert app.done == [0]
    assert supervisor.stop() == 0


@pytest.mark.parametrize("name", ["SIGUSR1", "SIGUSR2", "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGHUP"])
def test_what_a_person_sends_to_all_ends_no_task(app: Application, name: str) -> None:
    """``pkill -USR1 -f woodenwaiter``"""
    app.push({"n": 0, "sleep": 300})
    app.write(processes=1)
    supervisor = app.serve()
    eventually(lambda: app.begun)
    for process in (*supervisor.workers(), supervisor.housekeeper()):
        process.send_signal(getattr(signal, name))
    app.let_go(0)
    eventually(lambda: app.done)
    assert supervisor.stop() == 0
    assert app.begun == app.done == [0]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_setup_may_give_up_privileges(app: Application) -> None:
    app.folder.chmod(0o777)
    app.push(*({"n": n} for n in range(10)))
    app.write(setup=Code("lambda: (os.setgid(65534), os.setuid(65534))"), max_tasks=3)
    supervisor = app.serve()
    eventually(lambda: len(app.done) == 10)
    supervisor.signal(signal.SIGUSR1)
    supervisor.logged("is here")
    assert supervisor.stop() == 0
    assert app.begun == app.done
    assert "PermissionError" not in supervisor.log
