"""--pidfile: one supervisor has it, and no other."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from woodenwaiter.errors import EXIT_APP, EXIT_USAGE

from ..application import Application, Code, Supervisor, kill_all
from ..support import eventually, run, title
from .test_reload import age, anew, served


def pid_in(app: Application) -> int:
    """Whoever reads it sees a number, and never half of one."""
    path = app.folder / "x.pid"

    def whole() -> str:
        text = path.read_text() if path.exists() else ""
        assert not path.exists() or text.endswith("\n")
        return text

    return int(eventually(whole, "a pidfile"))


def refused(app: Application, *options: str) -> str:
    """The line that a supervisor leaves with."""
    supervisor = app.serve(*options)
    assert supervisor.wait() == EXIT_USAGE
    [line] = [each for each in supervisor.log.splitlines() if each.startswith("woodenwaiter: ")]
    assert "Traceback" not in supervisor.log
    return line


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if "x.pid" in path.name)


def test_has_the_pid_while_it_runs(app: Application) -> None:
    supervisor = app.serve("--pidfile", "x.pid").ready(2)
    assert pid_in(app) == supervisor.pid
    assert (app.folder / "x.pid").stat().st_mode & 0o777 == 0o644
    assert left_in(app.folder) == ["x.pid"]
    assert supervisor.stop() == 0
    assert left_in(app.folder) == []


def test_second_supervisor_is_refused(app: Application) -> None:
    supervisor = app.serve("--pidfile", "x.pid").ready(2)
    line = refused(app, "--pidfile", "x.pid")
    assert f"another supervisor, pid {supervisor.pid}, has the pidfile" in line
    assert pid_in(app) == supervisor.pid
    assert supervisor.stop() == 0
    assert app.serve("--pidfile", "x.pid", "--once").wait() == 0


def test_one_of_many_that_start_at_once_has_it(app: Application) -> None:
    (app.folder / "x.pid").write_text("1\n")
    supervisors = [app.serve("--pidfile", "x.pid") for _ in range(6)]
    eventually(lambda: sum(s.process.poll() == EXIT_USAGE for s in supervisors) == 5)
    [winner] = [s for s in supervisors if s.process.poll() is None]
    winner.ready(2)
    assert pid_in(app) == winner.pid
    assert winner.stop() == 0


@pytest.mark.parametrize("content", ["", "\n", "999999999\n", "{living}\n", "{own}"])
def test_stale_one_is_replaced(app: Application, content: str) -> None:
    """Also where the number has become that of another process, or of another's supervisor."""
    other = app.serve().ready(2)
    told = content.format(living=other.pid, own=os.getpid())
    path = app.folder / "x.pid"
    path.write_text(told)
    supervisor = app.serve("--pidfile", "x.pid")
    eventually(lambda: path.read_text() == f"{supervisor.pid}\n")
    assert supervisor.stop() == other.stop() == 0


def test_who_is_killed_leaves_a_stale_one_though_its_workers_go_on(app: Application) -> None:
    app.push({"n": 0, "sleep": 300})
    first = app.serve("--pidfile", "x.pid")
    eventually(lambda: app.begun)
    workers = first.workers()
    first.signal(signal.SIGKILL)
    first.process.wait()
    assert pid_in(app) == first.pid
    second = app.serve("--pidfile", "x.pid")
    eventually(lambda: pid_in(app) == second.pid)
    assert any(worker.is_running() for worker in workers)
    app.let_go(0)
    eventually(lambda: app.done == [0])
    assert second.stop() == 0
    assert left_in(app.folder) == []


def test_what_handlers_and_embedded_servers_start_has_no_part_in_it(app: Application) -> None:
    then = "import subprocess; subprocess.Popen(['sleep', '300'], close_fds=False)"
    app.write(then=then)
    app.push({"n": 0})
    supervisor = app.serve("--pidfile", "x.pid")
    eventually(lambda: app.done)
    kill_all_but_sleepers(supervisor)
    second = app.serve("--pidfile", "x.pid")
    eventually(lambda: pid_in(app) == second.pid)
    assert second.stop() == 0


def kill_all_but_sleepers(supervisor: Supervisor) -> None:
    sleepers = [process for process in supervisor.tree() if title(process).startswith("sleep ")]
    assert sleepers
    family = [psutil.Process(supervisor.pid), *supervisor.tree()]
    for process in family:
        if process not in sleepers:
            process.kill()
    supervisor.wait()
    assert all(process.is_running() for process in sleepers)


def test_survives_a_start_anew(app: Application) -> None:
    age(app, "old")
    supervisor = app.serve("--pidfile", "x.pid").ready(2)
    inode = (app.folder / "x.pid").stat().st_ino
    with watched(app.folder / "x.pid") as looks:
        for times in (1, 2):
            age(app, f"new {times}")
            supervisor.signal(signal.SIGHUP)
            anew(supervisor, times)
            supervisor.ready(2)
            served(app, f"new {times}", times)
            assert pid_in(app) == supervisor.pid
        assert next(looks) > 10
    assert (app.folder / "x.pid").stat().st_ino == inode
    assert "another supervisor" in refused(app, "--pidfile", "x.pid")
    assert "HELD" not in "".join(psutil.Process(supervisor.workers()[0].pid).environ())
    assert supervisor.stop() == 0
    assert left_in(app.folder) == []


WATCH = """
import fcntl, os, sys
fd, looks = os.open(sys.argv[1], os.O_RDONLY), 0
while os.path.exists(sys.argv[1]) and not os.path.exists("enough"):
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        looks += 1
    else:
        sys.exit("nobody has it")
print(looks)
"""


@contextmanager
def watched(path: Path) -> Iterator[Iterator[int]]:
    """Somebody tries to lock it all the time; then tells how often that was in vain."""
    command = [sys.executable, "-c", WATCH, str(path)]
    with subprocess.Popen(command, cwd=path.parent, stdout=subprocess.PIPE, text=True) as process:
        try:

            def looks() -> Iterator[int]:
                (path.parent / "enough").touch()
                yield int(process.communicate(timeout=20)[0])

            yield looks()
        finally:
            process.kill()


def test_termination_in_the_last_moment_removes_it(app: Application) -> None:
    app.push({"n": 0, "sleep": 300})
    supervisor = app.serve("--pidfile", "x.pid")
    eventually(lambda: app.begun)
    supervisor.signal(signal.SIGHUP)
    supervisor.logged("draining")
    supervisor.signal(signal.SIGTERM)
    app.let_go(0)
    assert supervisor.wait() == 0
    assert left_in(app.folder) == []


def test_application_that_goes_elsewhere_takes_it_nowhere(app: Application) -> None:
    app.write(text="os.chdir('/')")
    supervisor = app.serve("--pidfile", "x.pid").ready(2)
    assert pid_in(app) == supervisor.pid
    assert supervisor.stop() == 0
    assert left_in(app.folder) == []


def test_file_of_another_kind_is_left_alone(app: Application) -> None:
    before = (app.folder / "app.py").read_text()
    assert "app.py is no pidfile" in refused(app, "--pidfile", "app.py")
    assert (app.folder / "app.py").read_text() == before


def test_link_is_left_alone(app: Application) -> None:
    (app.folder / "target").touch()
    (app.folder / "x.pid").symlink_to("target")
    assert "cannot be used" in refused(app, "--pidfile", "x.pid")
    assert (app.folder / "x.pid").is_symlink()


@pytest.mark.parametrize(
    ("path", "why"),
    [("no/where/x.pid", "No such file"), (".", "is no pidfile"), ("pipe", "is no pidfile")],
)
def test_place_that_cannot_be_written(app: Application, path: str, why: str) -> None:
    os.mkfifo(app.folder / "pipe")
    line = refused(app, "--pidfile", path)
    assert why in line


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_folder_of_others(app: Application) -> None:
    assert "Permission denied" in refused(app, "--pidfile", "/x.pid")


def test_none_is_left_by_who_cannot_start(app: Application) -> None:
    app.write(text="1 / 0")
    assert app.serve("--pidfile", "x.pid").wait() == EXIT_APP
    app.write()
    assert app.serve(
        "--pidfile", "x.pid", "--redis-wait", "0", WOODENWAITER_REDIS_URL="redis://127.0.0.1:1"
    ).wait()
    assert app.serve("--pidfile", "x.pid", "--metrics", "256.1.1.1:1").wait() == EXIT_USAGE
    assert left_in(app.folder) == []


@pytest.mark.parametrize(
    "main",
    [
        "raise SystemExit(manager.run(pidfile='x.pid', once=True))",
        "manager.launch(pidfile='x.pid', once=True)",
    ],
)
def test_in_python(app: Application, main: str) -> None:
    app.push({"n": 0, "sleep": 300})
    program = app.run(main)
    pid = int(program.logged(", supervisor, pid ").split()[-1])
    assert pid_in(app) == pid
    with (app.folder / "x.pid").open() as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    app.let_go(0)
    assert program.wait() == 0
    assert left_in(app.folder) == []


def test_second_launch_says_so_in_the_log(app: Application) -> None:
    supervisor = app.serve("--pidfile", "x.pid").ready(2)
    program = app.run("manager.launch(pidfile='x.pid')")
    program.logged("has the pidfile")
    program.wait()
    assert supervisor.stop() == 0


def test_probe_needs_none(app: Application) -> None:
    """Whoever has a pidfile can ask by it."""
    app.write(setup=Code("setup"), text="def setup(): pass")
    supervisor = app.serve("--pidfile", "x.pid").ready(2)
    probe = ("-m", "woodenwaiter.health", "--ready", "--pid", str(pid_in(app)))
    began = time.monotonic()
    assert run(app.folder, *probe).returncode == 0, time.monotonic() - began
    kill_all(supervisor)
