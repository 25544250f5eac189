"""Setups that fail, and how tasks are counted."""

from __future__ import annotations

import signal

from woodenwaiter.errors import EXIT_SETUP

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
    supervisor.logged("is waiting; 2 tasks done, 1 failed, 1 buried")
    assert supervisor.stop() == 0
    supervisor.logged("after 2 tasks done, 1 failed, 1 buried")
    supervisor.logged("s; 2 tasks done, 1 failed, 1 buried in all")
