"""Machines that forbid or hide what others have."""

from __future__ import annotations

import os
import signal
import time
from textwrap import dedent

import pytest

from woodenwaiter.errors import EXIT_USAGE

from ..application import Application, Supervisor
from ..support import Server, eventually


def sandbox(app: Application, text: str) -> dict[str, str]:
    """The environment of a Python in which this is done first."""
    (app.folder / "sitecustomize.py").write_text(dedent(text))
    return {"PYTHONPATH": os.pathsep.join([str(app.folder), os.environ.get("PYTHONPATH", "")])}


NO_MEMFD = """
import os
def refuse(*_): raise PermissionError(1, "Operation not permitted")
os.memfd_create = refuse
"""

READ_ONLY = """
import tempfile
def refuse(*_, **__): raise FileNotFoundError(2, "No usable temporary directory found")
tempfile.TemporaryFile = refuse
"""


@pytest.mark.parametrize(
    ("before", "trace"),
    [
        (NO_MEMFD, "in handle"),
        (NO_MEMFD + READ_ONLY, "nobody knows: there is neither memfd_create"),
    ],
    ids=["no memfd", "no file at all"],
)
def test_worker_needs_no_place_for_its_trace(app: Application, before: str, trace: str) -> None:
    app.push({"n": 0, "sleep": 300})
    supervisor = app.serve(**sandbox(app, before))
    eventually(lambda: app.begun)
    supervisor.signal(signal.SIGUSR1)
    supervisor.logged(trace)
    app.let_go(0)
    eventually(lambda: app.done)
    assert supervisor.stop() == 0


HIDDEN = """
import psutil
def hidden(*_, **__): raise {error}
psutil.Process = hidden
"""


@pytest.mark.parametrize(
    "error",
    ["psutil.AccessDenied", "psutil.NoSuchProcess(1)", "PermissionError(13, 'hidepid')"],
)
def test_processes_may_be_hidden(app: Application, error: str) -> None:
    app.write(then="handle.kept = b'x' * (300 * 2**20)", processes=1, max_memory=150 * 2**20)
    app.push({"n": 0}, {"n": 1})
    supervisor = app.serve(**sandbox(app, HIDDEN.format(error=error)))
    supervisor.logged("is replaced: 3")
    eventually(lambda: len(app.done) == 2)
    assert supervisor.stop() == 0
    assert "Traceback" not in supervisor.log


def limited(limits: str) -> tuple[str, ...]:
    """A command inside which these limits hold."""
    return "sh", "-c", f'ulimit {limits}; exec "$@"', "sh"


def test_soft_limit_of_descriptors_is_no_limit_of_workers(app: Application) -> None:
    """But theirs, as they were given it."""
    then = "import resource; note('limit', resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    app.write(then=then, processes=24)
    app.push({"n": 0})
    supervisor = app.serve(inside=limited("-Sn 24"))
    eventually(lambda: len(supervisor.titled(" idle")) == 24)
    assert app.numbers("limit") == [24]
    assert supervisor.stop() == 0
    assert "ERROR" not in supervisor.log


FEW_FORKS = """
import errno, os
fork = os.fork
def fork_for_few():
    if os.path.exists("enough"):
        raise OSError(getattr(errno, "{error}"), os.strerror(getattr(errno, "{error}")))
    if pid := fork():
        open("forks", "a").write("x")
        if os.path.getsize("forks") == 3:
            open("enough", "w")
    return pid
os.fork = fork_for_few
"""

IN_VAIN = 3.5
"""Seconds, in which each worker is tried to be started several times."""


def assert_told_once(app: Application, supervisor: Supervisor, what: str) -> None:
    """While those that could be started work, and the rest follows as soon as it can."""
    line = supervisor.logged("cannot start")
    assert what in line
    until = time.monotonic() + IN_VAIN
    eventually(lambda: time.monotonic() > until)
    app.push({"n": 0})
    eventually(lambda: app.done == [0])
    assert supervisor.log.count("cannot start") == 1


def test_too_few_descriptors_are_told_once(app: Application) -> None:
    app.write(processes=24)
    supervisor = app.serve(inside=limited("-n 24"))
    assert_told_once(app, supervisor, "24 descriptors are allowed (ulimit -n), 24 workers need 112")
    assert supervisor.stop() == 0


@pytest.mark.parametrize(
    ("error", "told"),
    [("EAGAIN", "no more processes are allowed (ulimit -u, pids.max)"), ("ENOMEM", "no memory")],
)
def test_too_few_processes_are_told_once(app: Application, error: str, told: str) -> None:
    app.write(processes=6)
    supervisor = app.serve(**sandbox(app, FEW_FORKS.format(error=error)))
    assert_told_once(app, supervisor, told)
    (app.folder / "enough").unlink()
    eventually(lambda: len(supervisor.workers()) == 6)
    assert supervisor.stop() == 0


def test_more_workers_than_one_supervisor_has_are_refused(app: Application) -> None:
    supervisor = app.serve("--processes", "4097")
    assert supervisor.wait() == EXIT_USAGE
    [line] = supervisor.log.splitlines()
    assert line == "woodenwaiter: 4097 workers: one supervisor has at most 4096"


def test_worker_too_many_is_told_once(app: Application) -> None:
    rows = """
        from woodenwaiter.processes.scoreboard import Scoreboard
        Scoreboard.__init__.__defaults__ = (3, 0)
    """
    app.write(text=rows, processes=2)
    supervisor = app.serve().ready(2)
    supervisor.signal(signal.SIGTTIN)
    supervisor.logged("#2 (pid")
    supervisor.signal(signal.SIGTTIN)
    assert_told_once(app, supervisor, "one supervisor has at most 3 workers")
    supervisor.workers()[0].kill()
    eventually(lambda: supervisor.log.count(") started") == 5)
    assert supervisor.stop() == 0


def test_deaths_that_await_recovery_are_told_apart(app: Application, server: Server) -> None:
    rows = """
        from woodenwaiter.processes.scoreboard import Scoreboard
        Scoreboard.__init__.__defaults__ = (2, 0)
    """
    app.write(text=rows, processes=2)
    supervisor = app.serve().ready(2)
    os.kill(server.pid, signal.SIGSTOP)
    try:
        supervisor.workers()[0].kill()
        supervisor.logged("before the housekeeper has recovered those that died")
    finally:
        os.kill(server.pid, signal.SIGCONT)
    supervisor.ready(2)
    assert supervisor.stop() == 0
