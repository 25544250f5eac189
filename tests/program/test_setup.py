"""Setups that fail, and how tasks are counted."""

from __future__ import annotations

import signal

import pytest

from woodenwaiter.errors import EXIT_SETUP
from woodenwaiter.processes.tree import is_alive

from ..application import Application, Code, customer
from ..support import eventually

FAILS = "def setup(): raise ValueError('no licence')"


def test_setup_that_fails_is_told_once_and_ends_the_supervisor_in_time(app: Application) -> None:
    app.write(customer("t:d", processes=2, setup=Code("setup")), customer("t:e"), text=FAILS)
    supervisor = app.serve("--setup-wait", "3")
    assert supervisor.wait() == EXIT_SETUP
    log = supervisor.log
    assert log.count("Traceback") == log.count("ValueError: no licence") == 1
    assert log.count("worker t:d #0 (pid") == 2  # started and left
    assert log.count("worker t:d #1 (pid") == 1
    assert "no worker of t:d got through its setup in 3 s" in log
    assert len(log.splitlines()) < 40


def test_setup_that_fails_for_a_while_is_tried_until_it_succeeds(app: Application) -> None:
    text = """
        def setup():
            note("tried", os.getpid())
            with open("tried") as tried:
                if len(tried.readlines()) < 4:
                    sys.exit("not yet")
    """
    app.write(processes=1, setup=Code("setup"), text=text)
    app.push({"n": 1})
    supervisor = app.serve()
    eventually(lambda: app.done == [1])
    assert supervisor.stop() == 0
    assert supervisor.log.count("Traceback") == 1


def test_tasks_are_counted_by_what_became_of_them(app: Application) -> None:
    then = """
        if foods["n"] == 2: raise Reject("no")
        if foods["n"] == 3: raise Retry(after=1000)
    """
    app.write(processes=1, then=then)
    app.push(*({"n": n} for n in range(4)))
    supervisor = app.serve()
    eventually(lambda: app.letters() and app.delayed() and app.done == [0, 1])
    supervisor.signal(signal.SIGUSR1)
    supervisor.logged("is waiting; tasks done: 2, failed: 1, retried: 1, buried: 1")
    assert supervisor.stop() == 0
    supervisor.logged("exit code 0; tasks done: 2, failed: 1, retried: 1, buried: 1")
    supervisor.logged("s; tasks done: 2, failed: 1, retried: 1, buried: 1")


HELD_UP = {
    "an exit function": "atexit.register(time.sleep, 1000)",
    "a process": "multiprocessing.Process(target=time.sleep, args=(1000,)).start()",
}


@pytest.mark.parametrize("by", HELD_UP)
def test_setup_that_fails_and_is_held_up_is_tried_again(app: Application, by: str) -> None:
    text = f"""
        import atexit, multiprocessing
        def setup():
            note("tried", os.getpid())
            {HELD_UP[by]}
            raise ValueError
    """
    app.write(processes=1, setup=Code("setup"), text=text)
    supervisor = app.serve("--setup-wait", "5", "--drain-seconds", "1")
    assert supervisor.wait() == EXIT_SETUP
    assert len(app.noted("tried")) > 1
    assert not supervisor.left_behind()


def test_process_that_a_setup_forks_does_not_become_a_worker(app: Application) -> None:
    text = """
        def setup():
            if os.fork() == 0:
                note("child", os.getpid())
    """
    app.write(processes=1, setup=Code("setup"), text=text)
    supervisor = app.serve("--drain-seconds", "1").ready()
    [worker] = supervisor.workers()
    eventually(lambda: app.noted("child"))
    app.push({"n": 0, "sleep": 4})
    eventually(lambda: app.done)
    assert len(app.begun) == 1
    assert is_alive(worker)
    assert supervisor.stop() == 0
    assert "killed" not in supervisor.log
