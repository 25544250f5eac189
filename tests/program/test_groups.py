"""Signals between a handler, what it starts, and the service."""

from __future__ import annotations

import signal

import psutil
import pytest

from woodenwaiter.processes.tree import is_alive

from ..application import Application
from ..support import eventually


@pytest.mark.parametrize("number", ["SIGTERM", "SIGHUP", "SIGALRM", "SIGINT", "SIGQUIT", "SIGUSR2"])
def test_handler_that_signals_its_group_ends_no_service(app: Application, number: str) -> None:
    """A common way to end one's children."""
    handler = f"""
        if foods["n"] == 0:
            os.killpg(0, signal.{number})
            time.sleep(0.2)
        note("done", foods["n"])
    """
    app.push(*({"n": n} for n in range(4)))
    app.write(handler=handler, processes=1, max_deliveries=1)
    supervisor = app.serve()
    eventually(lambda: {1, 2, 3} <= set(app.done))
    assert "draining" not in supervisor.log
    assert supervisor.process.poll() is None
    assert supervisor.stop() == 0


REPORT = """
    import subprocess

    SHOW = '''
    import signal
    numbers = (1, 2, 3, 10, 12, 14, 15, 20, 21, 22)
    ignored = [n for n in numbers if signal.getsignal(n) is signal.SIG_IGN]
    print(ignored, signal.pthread_sigmask(signal.SIG_BLOCK, []))
    '''
"""


def test_what_a_handler_starts_ignores_no_signal(app: Application) -> None:
    handler = """
        show = subprocess.check_output([sys.executable, "-c", SHOW], text=True)
        note("spawned", show.strip())
        if os.fork() == 0:
            sys.stdout = open("forked", "w")
            exec(SHOW)
            sys.stdout.close()
            os._exit(0)
        os.wait()
        note("done", 0)
    """
    app.push({"n": 0})
    app.write(text=REPORT, handler=handler, processes=1)
    app.serve()
    eventually(lambda: app.done)
    assert app.noted("spawned") == app.noted("forked") == ["[] set()"]


def test_what_a_killed_worker_had_started_is_killed_though_its_parent_be_gone(
    app: Application,
) -> None:
    app.push({"n": 0})
    app.write(
        text="from woodenwaiter import pace\npace.TIMEOUT_GRACE = 0.1",
        handler="""
            os.system("sleep 300 & echo $! > child")
            signal.signal(signal.SIGWINCH, signal.SIG_IGN)  # what rings when time is up
            time.sleep(300)
        """,
        processes=1,
        timeout=0.5,
        max_deliveries=1,
    )
    app.serve()
    child = psutil.Process(int(eventually(lambda: app.noted("child"))[0]))
    eventually(app.letters)
    eventually(lambda: not is_alive(child))


ENDING = sorted(
    {
        getattr(signal, name)
        for name in (
            *("SIGALRM", "SIGVTALRM", "SIGPROF", "SIGPIPE", "SIGPOLL", "SIGIO", "SIGSTKFLT"),
            *("SIGXCPU", "SIGXFSZ", "SIGPWR", "SIGUSR2", "SIGRTMIN", "SIGRTMAX"),
        )
        if hasattr(signal, name)
    }
)


@pytest.mark.parametrize("number", [*ENDING, signal.SIGRTMIN + 5])
def test_no_signal_ends_the_service_without_a_drain(app: Application, number: int) -> None:
    """What has a default that kills, of an application that did not care, or meddled."""
    app.write(
        text="for n in (signal.SIGPIPE, signal.SIGXFSZ): signal.signal(n, signal.SIG_DFL)",
        processes=1,
    )
    app.push({"n": 0, "sleep": 300})
    supervisor = app.serve()
    eventually(lambda: app.begun)
    supervisor.housekeeper().send_signal(number)
    supervisor.signal(number)
    if number in (signal.SIGXCPU, signal.SIGPWR):
        supervisor.logged("draining")
    else:
        supervisor.logged("means nothing")
        supervisor.signal(signal.SIGTERM)
    app.let_go(0)
    assert supervisor.wait() == 0
    assert app.done == [0]
    assert "housekeeper (pid" not in supervisor.log.partition("draining")[0].partition("started")[2]


def test_applications_own_handlers_are_its_workers(app: Application) -> None:
    """Of signals that the supervisor guards against."""
    text = """
        signal.signal(signal.SIGALRM, lambda *_: note("alarmed", os.getpid()))
        signal.alarm(1)
    """
    app.write(text=text, then="signal.setitimer(signal.ITIMER_REAL, 0.1); time.sleep(1.5)")
    app.push({"n": 0})
    supervisor = app.serve()
    supervisor.logged("means nothing")
    eventually(lambda: app.done)
    assert supervisor.pid not in app.numbers("alarmed")
    assert len(app.noted("alarmed")) == 1
    assert supervisor.stop() == 0
