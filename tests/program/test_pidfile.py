"""``--pidfile``: a file with the supervisor's pid, for as long as it runs."""

from __future__ import annotations

import fcntl
import os
import signal
from contextlib import suppress
from pathlib import Path
from textwrap import indent

import psutil
import pytest

from woodenwaiter.errors import EXIT_USAGE, StartupError
from woodenwaiter.processes.fork import fork, leave
from woodenwaiter.processes.tree import await_end, kill_tree
from woodenwaiter.supervisor.pidfile import Pidfile

from ..application import Application, Supervisor
from ..support import eventually, lines
from .test_reload import SLOWLY, age, anew, served


def pid_in(path: Path) -> int:
    return int(path.read_text())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pid"


def serve(app: Application, path: Path, *options: str) -> Supervisor:
    return app.serve("--pidfile", str(path), *options)


def refused(supervisor: Supervisor) -> str:
    """The only line that it prints."""
    assert supervisor.wait() == EXIT_USAGE
    [line] = supervisor.log.splitlines()
    return line


def test_it_is_there_while_the_supervisor_runs(app: Application, path: Path) -> None:
    supervisor = serve(app, path).ready(2)
    assert path.read_text() == f"{supervisor.pid}\n"
    assert path.stat().st_mode & 0o777 == 0o666 & ~_umask()
    assert supervisor.stop() == 0
    assert not path.exists()
    assert not [*path.parent.glob("pid*")]


def _umask() -> int:
    os.umask(mask := os.umask(0o022))
    return mask


@pytest.mark.parametrize("number", [signal.SIGQUIT, signal.SIGXCPU])
def test_it_is_removed_however_the_supervisor_leaves(
    app: Application, path: Path, number: int
) -> None:
    supervisor = serve(app, path).ready(2)
    supervisor.signal(number)
    supervisor.wait()
    assert not path.exists()


def test_path_is_relative_to_where_the_command_was_given(app: Application, path: Path) -> None:
    app.write(text=f"os.chdir('/')\ndef note(file, text): pass\nos.environ['X'] = {str(path)!r}")
    supervisor = serve(app, Path(path.name)).ready(2)
    assert pid_in(path) == supervisor.pid
    assert supervisor.stop() == 0
    assert not path.exists()


def test_second_supervisor_is_refused_in_a_line(app: Application, path: Path) -> None:
    first = serve(app, path).ready(2)
    line = refused(serve(app, path))
    assert f"that of another supervisor, pid {first.pid}, which runs" in line
    assert pid_in(path) == first.pid
    assert first.stop() == 0
    second = serve(app, path).ready(2)
    assert pid_in(path) == second.pid


def test_stale_one_is_replaced_though_workers_of_then_still_run(
    app: Application, path: Path
) -> None:
    app.push({"n": 0, "sleep": 300})
    first = serve(app, path)
    eventually(lambda: app.begun)
    workers = first.workers()
    first.signal(signal.SIGKILL)
    first.wait()
    assert pid_in(path) == first.pid
    second = serve(app, path).ready(1)
    assert pid_in(path) == second.pid
    assert any(worker.is_running() for worker in workers)
    app.let_go(0)
    assert second.stop() == 0
    assert not path.exists()


def test_number_of_another_process_does_not_matter(app: Application, path: Path) -> None:
    path.write_text(f"{os.getpid()}\n")
    supervisor = serve(app, path).ready(2)
    assert pid_in(path) == supervisor.pid


def test_it_stays_through_a_start_on_new_code(app: Application, path: Path) -> None:
    age(app, "old")
    supervisor = serve(app, path).ready(2)
    age(app, "new", text=SLOWLY)
    supervisor.signal(signal.SIGHUP)
    eventually(lambda: len(app.noted("importing")) == 1, "the trial")
    (app.folder / "imported").touch()
    anew(supervisor)
    served(app, "new", 0)
    assert pid_in(path) == supervisor.pid
    assert f"pid {supervisor.pid}, which runs" in refused(serve(app, path))
    assert open_at(supervisor.pid, path) == 1
    assert supervisor.stop() == 0
    assert not path.exists()


def open_at(pid: int, path: Path) -> int:
    """How many descriptors the process has of what is, or was, at the path."""
    files = Path(f"/proc/{pid}/fd").iterdir()
    return sum(os.readlink(file).startswith(str(path)) for file in files)


def test_nobody_takes_it_while_the_new_code_is_loaded(app: Application, path: Path) -> None:
    supervisor = serve(app, path).ready(2)
    (app.folder / "other.py").write_text((app.folder / "app.py").read_text())
    app.write(text=f"if os.getpid() == {supervisor.pid}:\n{indent(SLOWLY, '    ')}")
    supervisor.signal(signal.SIGHUP)
    eventually(lambda: app.noted("importing"), "an import anew")
    assert pid_in(path) == supervisor.pid
    other = app.serve("--pidfile", str(path), app="other")
    assert f"pid {supervisor.pid}, which runs" in refused(other)
    (app.folder / "imported").touch()
    anew(supervisor)
    assert supervisor.ready(2).stop() == 0
    assert not path.exists()


def test_termination_at_the_last_moment_removes_it(app: Application, path: Path) -> None:
    app.push({"n": 0, "sleep": 300})
    supervisor = serve(app, path)
    eventually(lambda: app.begun)
    supervisor.signal(signal.SIGHUP)
    supervisor.logged("draining")
    app.let_go(0)
    assert supervisor.wait_with(signal.SIGTERM) in (0, -signal.SIGTERM)
    assert not path.exists() or pid_in(path) == supervisor.pid


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("nowhere/pid", "cannot be written: No such file or directory"),
        ("folder", "cannot be written: Is a directory"),
        ("app.py", "is something else, and is left as it is"),
        ("fifo", "is something else, and is left as it is"),
        ("link", "cannot be written: Too many levels of symbolic links"),
        ("\N{ESCAPE}[2J/pid", r"\x1b[2J"),
    ],
)
def test_what_it_cannot_be_is_told_in_a_line(
    app: Application, tmp_path: Path, place: str, reason: str
) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("elsewhere")
    code = (app.folder / "app.py").read_text()
    assert reason in refused(serve(app, tmp_path / place))
    assert (app.folder / "app.py").read_text() == code
    assert not [*tmp_path.glob("*.*.*")]


@pytest.mark.parametrize(
    "main",
    [
        "raise SystemExit(manager.run(pidfile='pid'))",
        "manager.launch(pidfile='pid'); time.sleep(300)",
    ],
)
def test_program_may_ask_for_it(app: Application, path: Path, main: str) -> None:
    program = app.run(main)
    pid = int(program.logged(", supervisor, pid ").split()[-1])
    assert eventually(lambda: path.exists() and pid_in(path)) == pid
    program.logged("worker t:d #0")  # by when it hears signals
    psutil.Process(pid).terminate()
    eventually(lambda: not path.exists())


def test_of_many_that_start_at_once_one_has_it(path: Path) -> None:
    """Whatever was there: the others are told that one has it."""
    log = path.parent / "log"

    def start() -> int:
        for _ in range(30):
            with suppress(StartupError):
                pidfile = Pidfile(str(path))
                held = pid_in(path) == os.getpid()
                with log.open("a") as out:
                    fcntl.flock(out, fcntl.LOCK_EX)
                    out.write(f"{held}\n")
                if os.getpid() % 2:
                    pidfile.remove()
                else:
                    os.close(pidfile.keep())  # as if it had been killed
        return 0

    pids = [fork(start, leave) for _ in range(6)]
    try:
        assert all(await_end(pid, 30) for pid in pids)
    finally:
        for pid in pids:
            with suppress(psutil.NoSuchProcess, ProcessLookupError):
                kill_tree(pid)
    assert set(lines(log)) == {"True"}
    assert not [*path.parent.glob("pid.*")]


def test_one_that_was_put_there_by_another_is_not_removed(path: Path) -> None:
    pidfile = Pidfile(str(path))
    path.unlink()
    path.write_text("1\n")
    pidfile.remove()
    assert pid_in(path) == 1
