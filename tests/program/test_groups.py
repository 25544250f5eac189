"""Signals between a handler, what it starts, and the service."""

from __future__ import annotations

import signal
from functools import partial

import psutil
import pytest

from woodenwaiter.processes.tree import is_alive

from ..application import Application, Supervisor
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


def test_handler_that_kills_its_group_kills_its_worker_alone(app: Application) -> None:
    handler = """
        if foods["n"] == 0:
            os.killpg(0, signal.SIGKILL)
        note("done", foods["n"])
    """
    app.push(*({"n": n} for n in range(4)))
    app.write(handler=handler, processes=1, max_deliveries=1)
    supervisor = app.serve()
    [letter] = eventually(app.letters)
    assert b"SIGKILL" in letter[b"reason"]
    eventually(lambda: app.done == [1, 2, 3])
    assert supervisor.stop() == 0


REPORT = """
    import multiprocessing, subprocess
    from concurrent.futures import ThreadPoolExecutor
    from textwrap import dedent

    PROGRAM = [sys.executable, "program.py"]

    SHOW = '''
    import signal
    numbers = (1, 2, 3, 10, 12, 14, 15, 20, 21, 22, 23, 28)
    changed = {n for n in numbers if signal.getsignal(n) is not signal.SIG_DFL} - {2}
    usual = signal.getsignal(2) is signal.default_int_handler
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    print(changed, usual, mask, signal.set_wakeup_fd(-1))
    '''

    def show():
        sys.stdout = open(f"spawned-{os.getpid()}", "w")
        exec(dedent(SHOW))
        sys.stdout.close()
        os.rename(sys.stdout.name, f"done-{os.getpid()}")

    def shown_by(process):
        process.start()
        process.join()
        return open(f"done-{process.pid}").read().strip()
"""


STARTS = {
    "Popen": "subprocess.check_output(PROGRAM, text=True)",
    "Popen with close_fds off": "subprocess.check_output(PROGRAM, text=True, close_fds=False)",
    "Popen with preexec_fn": "subprocess.check_output(PROGRAM, text=True, preexec_fn=int)",
    "Popen in a thread": """ThreadPoolExecutor().submit(
        subprocess.check_output, PROGRAM, text=True
    ).result()""",
    "system": "(os.system(f'{sys.executable} program.py > out'), open('out').read())[1]",
    "posix_spawn": """(os.waitpid(os.posix_spawn(sys.executable, PROGRAM, os.environ, file_actions=[
        (os.POSIX_SPAWN_OPEN, 1, "out", os.O_WRONLY | os.O_CREAT, 0o600)
    ]), 0), open('out').read())[1]""",
    "fork": "shown_by(multiprocessing.get_context('fork').Process(target=show))",
    "spawn": "shown_by(multiprocessing.get_context('spawn').Process(target=show))",
    "forkserver": "shown_by(multiprocessing.get_context('forkserver').Process(target=show))",
}


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_what_a_handler_starts_has_the_default_signals(app: Application, start: str) -> None:
    handler = f"""
        open("program.py", "w").write(dedent(SHOW))
        note("said", ({start}).strip())
        note("done", 0)
    """
    app.push({"n": 0})
    app.write(text=REPORT, handler=handler, processes=1, max_deliveries=1)
    supervisor = app.serve()
    eventually(lambda: app.done)
    assert app.noted("said") == ["set() True set() -1"]
    assert supervisor.stop() == 0


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


DRAINING = [number for number in (signal.SIGXCPU, signal.SIGPWR) if number in ENDING]
MEANINGLESS = [number for number in (*ENDING, signal.SIGRTMIN + 5) if number not in DRAINING]


def busy(app: Application) -> Supervisor:
    """With a task that takes long, of an application that did not care for signals, or meddled."""
    app.write(
        text="for n in (signal.SIGPIPE, signal.SIGXFSZ): signal.signal(n, signal.SIG_DFL)",
        processes=1,
    )
    app.push({"n": 0, "sleep": 300})
    supervisor = app.serve()
    eventually(lambda: app.begun)
    return supervisor


def assert_drains(app: Application, supervisor: Supervisor) -> None:
    """With no death on the way."""
    app.let_go(0)
    assert supervisor.wait() == 0
    assert app.done == [0]
    assert "housekeeper (pid" not in supervisor.log.partition("draining")[0].partition("started")[2]


def test_signals_that_mean_nothing_end_nothing(app: Application) -> None:
    """Though the default of each is to kill."""
    supervisor = busy(app)
    for count, number in enumerate(MEANINGLESS, 1):
        supervisor.housekeeper().send_signal(number)
        supervisor.signal(number)
        eventually(partial(is_told, supervisor, count), f"what signal {number} means")
    supervisor.signal(signal.SIGTERM)
    assert_drains(app, supervisor)


def is_told(supervisor: Supervisor, count: int) -> bool:
    return supervisor.log.count("means nothing") == count


@pytest.mark.parametrize("number", DRAINING)
def test_signal_that_ends_the_service_drains_it(app: Application, number: int) -> None:
    supervisor = busy(app)
    supervisor.housekeeper().send_signal(number)
    supervisor.signal(number)
    supervisor.logged("draining")
    assert_drains(app, supervisor)


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
