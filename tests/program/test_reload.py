"""SIGHUP: the supervisor starts anew on new code, under the same pid; or it drains, where it is not
for it to say how the program starts."""

from __future__ import annotations

import os
import pty
import signal
import sys

import psutil
import pytest

from woodenwaiter.errors import EXIT_SETUP
from woodenwaiter.processes.tree import find, is_alive, kill_tree

from ..application import Application, Code, Supervisor
from ..support import PYTHON, Server, eventually, free_port, path_with
from .test_pid1 import UNSHARE, can_unshare, first

SLOWLY = 'note("importing", os.getpid())\nwhile not os.path.exists("imported"): time.sleep(0.01)'
"""For an import that takes until it is let go."""


def age(app: Application, version: str, **parts: str) -> None:
    """Have the application's handlers say which version they are of."""
    app.write(then=f'note("by", "{version}")', **parts)


def served(app: Application, version: str, number: int) -> None:
    """See a task run by this version."""
    app.push({"n": number})
    eventually(lambda: number in app.done, f"task {number}")
    assert app.noted("by")[-1] == version


def anew(supervisor: Supervisor, times: int = 1) -> None:
    """Wait until it has started so often, besides the first time."""
    eventually(lambda: supervisor.log.count(", supervisor, pid ") > times, f"start {times + 1}")


def test_new_code_runs_under_the_same_pid(app: Application, server: Server) -> None:
    spoil = f"""
        os.environ["SET"] = "x"
        os.chdir("/")
        sys.argv.clear()
        sys.executable = "/nowhere"
        def note(file, text, note=note):
            note(os.path.join({str(app.folder)!r}, file), text)
    """
    age(app, "old", text=spoil)
    options = ("--redis", server.url, "--processes", "t:d=3", "--drain-seconds", "7")
    supervisor = app.serve(*options, WOODENWAITER_REDIS_URL="redis://nowhere.invalid").ready(3)
    served(app, "old", 0)
    age(app, "new", text='note("set", os.environ.get("SET"))')
    supervisor.signal(signal.SIGHUP)
    anew(supervisor)
    supervisor.ready(3)
    served(app, "new", 1)
    assert set(app.noted("set")) == {"None"}
    assert supervisor.process.poll() is None
    supervisor.signal(signal.SIGTERM)
    assert "up to 7 s" in supervisor.logged("draining: running tasks have up to 7 s")
    assert supervisor.wait() == 0
    assert not supervisor.left_behind()


def test_reload_loses_and_charges_nothing(app: Application) -> None:
    app.write(max_deliveries=1)
    app.push(*({"n": n, "sleep": 0.005} for n in range(600)))
    supervisor = app.serve()
    for times in range(1, 4):
        eventually(lambda: len(app.done) >= 100 * times, "progress")  # noqa: B023
        supervisor.signal(signal.SIGHUP)
        anew(supervisor, times)
    eventually(lambda: len(app.done) == 600)
    assert supervisor.stop() == 0
    assert app.begun == app.done == list(range(600))
    assert not app.letters()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1 / 0", "importing it fails: ZeroDivisionError"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "died of signal 9"),
        ("os._exit(0)", "left with exit code 0"),
    ],
)
def test_old_pool_goes_on_where_new_code_cannot_be_loaded(
    app: Application, text: str, reason: str
) -> None:
    age(app, "old")
    supervisor = app.serve().ready(2)
    workers = supervisor.workers()
    age(app, "new", text=text)
    supervisor.signal(signal.SIGHUP)
    line = supervisor.logged("the old goes on")
    assert "ERROR" in line
    assert reason in line
    assert supervisor.log.count("ERROR") == 1
    served(app, "old", 0)
    assert supervisor.workers() == workers
    age(app, "newer")
    supervisor.signal(signal.SIGHUP)
    anew(supervisor)
    served(app, "newer", 1)
    assert supervisor.stop() == 0


def test_new_code_that_cannot_be_loaded_in_time_is_given_up(app: Application) -> None:
    age(app, "old")
    (app.folder / "sitecustomize.py").write_text("from woodenwaiter import pace\npace.TRIAL = 3")
    supervisor = app.serve(PYTHONPATH=path_with(app.folder)).ready(2)
    age(app, "new", text='note("trial", os.getpid()); time.sleep(300)')
    supervisor.signal(signal.SIGHUP)
    assert "takes longer than 3 s" in supervisor.logged("the old goes on")
    [trial] = map(int, app.noted("trial"))
    eventually(lambda: not psutil.pid_exists(trial), "the end of the trial")
    served(app, "old", 0)
    assert supervisor.stop() == 0


def test_trial_does_not_outlive_for_ever_a_supervisor_that_is_killed(app: Application) -> None:
    (app.folder / "sitecustomize.py").write_text("from woodenwaiter import pace\npace.TRIAL = 3")
    supervisor = app.serve(PYTHONPATH=path_with(app.folder)).ready(2)
    app.write(text=SLOWLY)
    supervisor.signal(signal.SIGHUP)
    [trial] = map(int, eventually(lambda: app.noted("importing")))
    supervisor.signal(signal.SIGKILL)
    eventually(lambda: not is_alive(find(trial)), "the end of the trial")


def test_several_at_once_are_one_more(app: Application) -> None:
    age(app, "old")
    supervisor = app.serve().ready(2)
    age(app, "new", text=SLOWLY)
    supervisor.signal(signal.SIGHUP)
    eventually(lambda: app.noted("importing"))
    for _ in range(5):
        supervisor.signal(signal.SIGHUP)
        served(app, "old", len(app.done))
    age(app, "newest", text='note("importing", os.getpid())')
    (app.folder / "imported").touch()
    anew(supervisor)
    served(app, "newest", 10)
    assert len(app.noted("importing")) == 3  # two attempts, and the supervisor
    assert supervisor.stop() == 0
    assert supervisor.log.count(", supervisor, pid ") == 2


def test_one_that_comes_while_the_application_is_loaded_counts(app: Application) -> None:
    age(app, "old", text=SLOWLY)
    supervisor = app.serve()
    eventually(lambda: app.noted("importing"))
    age(app, "new")
    supervisor.signal(signal.SIGHUP)
    (app.folder / "imported").touch()
    anew(supervisor)
    served(app, "new", 0)
    assert supervisor.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_termination_wins_while_new_code_is_tried(app: Application, number: int) -> None:
    supervisor = app.serve().ready(2)
    app.write(text=SLOWLY)
    supervisor.signal(signal.SIGHUP)
    [trial] = map(int, eventually(lambda: app.noted("importing")))
    supervisor.signal(number)
    assert supervisor.wait() == 0
    eventually(lambda: not psutil.pid_exists(trial), "the end of the trial")
    assert supervisor.log.count(", supervisor, pid ") == 1


def test_termination_wins_in_the_drain(app: Application) -> None:
    app.push({"n": 0, "sleep": 300})
    supervisor = app.serve()
    eventually(lambda: app.begun)
    supervisor.signal(signal.SIGHUP)
    supervisor.logged("draining")
    supervisor.signal(signal.SIGTERM)
    supervisor.signal(signal.SIGHUP)
    app.let_go(0)
    assert supervisor.wait() == 0
    assert supervisor.log.count(", supervisor, pid ") == 1
    assert app.done == [0]


def test_embedded_server_is_started_anew(app: Application) -> None:
    url = f"redis://127.0.0.1:{free_port()}/0"
    supervisor = app.serve("--redis", url, "--embedded", "data").ready(2)
    supervisor.signal(signal.SIGHUP)
    anew(supervisor)
    supervisor.ready(2)
    assert supervisor.stop() == 0
    assert "ERROR" not in supervisor.log


@pytest.mark.skipif(not can_unshare(), reason="this machine lets nobody make a PID namespace")
def test_as_pid_1(app: Application) -> None:
    age(app, "old")
    container = app.serve(inside=UNSHARE).ready(2)
    age(app, "new")
    first(container).send_signal(signal.SIGHUP)
    anew(container)
    served(app, "new", 0)
    first(container).terminate()
    assert container.wait() == 0
    assert container.log.count("supervisor, pid 1\n") == 2


def test_ignored_under_nohup(app: Application) -> None:
    supervisor = app.serve(inside=("nohup",)).ready(2)
    supervisor.signal(signal.SIGHUP)
    supervisor.signal(signal.SIGUSR1)
    supervisor.logged("is here")
    assert supervisor.log.count(", supervisor, pid ") == 1
    assert supervisor.stop() == 0


@pytest.mark.parametrize("is_trying", [False, True])
def test_terminal_that_closes_drains(app: Application, is_trying: bool) -> None:
    app.push({"n": 0, "sleep": 300})
    folder, log = app.folder, app.folder / "log"
    trying: list[psutil.Process] = []
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.environ["WOODENWAITER_REDIS_URL"] = app.url
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT), 2)
        os.execv(sys.executable, [*PYTHON, "-m", "woodenwaiter.supervisor", "app"])
    supervisor = psutil.Process(pid)
    try:
        eventually(lambda: app.begun)
        if is_trying:  # as the terminal is there
            app.write(text=SLOWLY)
            os.kill(pid, signal.SIGHUP)
            [trial] = map(int, eventually(lambda: app.noted("importing")))
            trying = [psutil.Process(trial)]
            assert "draining" not in log.read_text()
        os.close(terminal)
        eventually(lambda: "draining" in log.read_text(), "a drain")
        (folder / "imported").touch()
        eventually(lambda: not any(map(is_alive, trying)), "the end of the trial")
        app.let_go(0)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    finally:
        if supervisor.is_running():
            kill_tree(pid)
            os.waitpid(pid, 0)
        print(log.read_text())
    assert app.done == [0]


@pytest.mark.parametrize(
    "main", ["raise SystemExit(manager.run())", "manager.launch(); time.sleep(300)"]
)
def test_without_a_command_line_of_its_own_it_drains(app: Application, main: str) -> None:
    app.push({"n": 0, "sleep": 300})
    program = app.run(main)
    eventually(lambda: app.begun)
    os.kill(int(program.logged(", supervisor, pid ").split()[-1]), signal.SIGHUP)
    program.logged("draining")
    app.let_go(0)
    program.logged("drained")
    assert app.done == [0]


def test_password_on_the_command_line_is_hidden_while_loading(
    app: Application, server: Server
) -> None:
    app.write(text=SLOWLY)
    supervisor = app.serve("--redis", server.url.replace("://", "://default:s3cret@"))
    [pid] = map(int, eventually(lambda: app.noted("importing")))
    assert "s3cret" not in " ".join(psutil.Process(pid).cmdline())
    assert pid == supervisor.pid


HANGS = """
    import logging
    class Hangs(logging.Handler):
        def emit(self, record):
            if "{word}" in record.getMessage(): time.sleep(1000)
    logging.getLogger("woodenwaiter").addHandler(Hangs())
"""


@pytest.mark.parametrize("word", ["", "starting anew"])
def test_starts_anew_though_the_applications_logging_hangs(app: Application, word: str) -> None:
    app.write(text=HANGS.format(word=word))
    supervisor = app.serve()
    eventually(supervisor.workers)
    age(app, "new")
    supervisor.signal(signal.SIGHUP)
    anew(supervisor)
    served(app, "new", 1)
    assert supervisor.stop() == 0
    assert not supervisor.left_behind()


def test_trial_ends_with_a_supervisor_that_gives_up(app: Application) -> None:
    app.write(setup=Code("setup"), text="def setup(): raise ValueError")
    supervisor = app.serve("--setup-wait", "4")
    supervisor.logged("setup failed")
    app.write(text=SLOWLY)
    supervisor.signal(signal.SIGHUP)
    [trial] = map(int, eventually(lambda: app.noted("importing")))
    assert supervisor.wait() == EXIT_SETUP
    eventually(lambda: not psutil.pid_exists(trial), "the end of the trial", 5)


@pytest.mark.parametrize("number", [signal.SIGXCPU, signal.SIGPWR])
def test_last_moments_are_no_time_to_start_anew(app: Application, number: int) -> None:
    app.push({"n": 0, "sleep": 300})
    supervisor = app.serve()
    eventually(lambda: app.begun)
    supervisor.signal(signal.SIGHUP)
    supervisor.logged("draining")
    supervisor.signal(number)
    app.let_go(0)
    assert supervisor.wait() == 0
    assert supervisor.log.count(", supervisor, pid ") == 1
