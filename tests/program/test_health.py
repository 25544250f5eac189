"""``python -m woodenwaiter.health``, and the supervisors that it asks."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest

from woodenwaiter import pace
from woodenwaiter.processes.meeting import FOLDER, folders, name_of
from woodenwaiter.supervisor.inquiries import AT_ONCE, Inquiries

from ..application import Application, Code, Supervisor
from ..support import PYTHON, Server, eventually, run
from .test_pid1 import UNSHARE, can_unshare, first

Result = tuple[int, str]

needs_namespaces = pytest.mark.skipif(
    not can_unshare(), reason="this machine lets nobody make a PID namespace"
)

unmeasured = pytest.mark.skipif(
    "coverage" in sys.modules, reason="whoever measures coverage imports and writes more"
)

WAIT = """
def wait():
    while not os.path.exists("set-up"): time.sleep(0.01)
"""


@pytest.fixture(autouse=True)
def meeting(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder where this test's supervisors are found, once one has made it."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        path = Path(folder) / "woodenwaiter"
        monkeypatch.setenv(FOLDER, str(path))
        yield path


def probe(*arguments: str) -> Result:
    """Its exit code, and the line that it says."""
    result = run(Path.cwd(), "-W", "error", "-m", "woodenwaiter.health", *arguments)
    assert not result.stderr
    assert result.stdout.count("\n") == 1
    return result.returncode, result.stdout.rstrip()


def probe_in(container: psutil.Process, *arguments: str) -> Result:
    """As ``docker exec`` does."""
    enter = ("nsenter", "--target", str(container.pid), "--pid", "--mount")
    command = (*enter, *PYTHON, "-m", "woodenwaiter.health", *arguments)
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not result.stderr
    return result.returncode, result.stdout.rstrip()


def becomes(result: Result, ask: Callable[[], Result]) -> None:
    last: list[Result] = []

    def is_so() -> bool:
        last[:] = [ask()]
        return last == [result]

    try:
        eventually(is_so)
    except AssertionError:
        raise AssertionError(f"{last[0]} instead of {result}") from None


def ready(supervisor: Supervisor, workers: int = 2, done: int = 0) -> Result:
    told = f"workers up: {workers} of {workers}; tasks done: {done}"
    return 0, f"supervisor {supervisor.pid} is ready: {told}"


def live(supervisor: Supervisor, and_so: str) -> Result:
    return 0, f"supervisor {supervisor.pid} is live; {and_so}"


def not_ready(supervisor: Supervisor, why: str) -> Result:
    return 1, f"supervisor {supervisor.pid} is not ready: {why}"


# What it says of one.


def test_long_task_does_no_harm(app: Application) -> None:
    supervisor = app.serve()
    app.push({"n": 0, "sleep": 300})
    eventually(lambda: app.begun)
    becomes(ready(supervisor), lambda: probe("--ready"))
    assert probe() == live(supervisor, "ready: workers up: 2 of 2; tasks done: 0")
    app.let_go(0)
    becomes(ready(supervisor, done=1), lambda: probe("--ready"))


def test_stopped_supervisor_does_not_answer(app: Application) -> None:
    supervisor = app.serve().ready(2)
    supervisor.signal(signal.SIGSTOP)
    for arguments in ((), ("--ready",)):
        code, line = probe("--timeout", "0.2", *arguments)
        assert code == 1
        assert line.startswith(f"supervisor {supervisor.pid} does not answer within 0.2 s: ")
    supervisor.signal(signal.SIGCONT)
    assert probe()[0] == 0


def test_not_ready_before_a_worker_is_set_up(app: Application) -> None:
    app.write(setup=Code("wait"), text=WAIT)
    supervisor = app.serve()
    becomes(not_ready(supervisor, "no worker of t:d is up"), lambda: probe("--ready"))
    assert probe()[0] == 0
    (app.folder / "set-up").touch()
    becomes(ready(supervisor), lambda: probe("--ready"))


def test_redis_that_is_away(app: Application, make_server: Callable[..., Server]) -> None:
    server = make_server()
    supervisor = app.at(server).serve("--lease-seconds", "1")
    becomes(ready(supervisor), lambda: probe("--ready"))
    server.kill()
    eventually(lambda: "not ready: Redis has not answered for " in probe("--ready")[1])
    assert probe("--ready")[0] == 1
    assert probe()[0] == 0
    server.start()
    becomes(ready(supervisor), lambda: probe("--ready"))


def test_redis_that_is_silent(app: Application, make_server: Callable[..., Server]) -> None:
    server = make_server()
    app.at(server).serve("--lease-seconds", "1").ready(2)
    os.kill(server.pid, signal.SIGSTOP)
    eventually(lambda: "not ready: Redis has not answered for " in probe("--ready")[1])
    assert probe()[0] == 0


def test_redis_that_was_never_there(app: Application, make_server: Callable[..., Server]) -> None:
    server = make_server()
    server.kill()
    supervisor = app.at(server).serve()
    becomes(not_ready(supervisor, "Redis has not answered yet"), lambda: probe("--ready"))
    assert probe()[0] == 0


def test_idle_pool_stays_ready(app: Application) -> None:
    """Though it asks Redis for next to nothing."""
    supervisor = app.serve("--lease-seconds", "1")
    becomes(ready(supervisor), lambda: probe("--ready"))
    until = time.monotonic() + 3 * pace.answered_lately(1)
    while time.monotonic() < until:
        assert probe("--ready") == ready(supervisor)


def test_draining_is_not_ready(app: Application) -> None:
    supervisor = app.serve()
    app.push({"n": 0, "sleep": 300})
    eventually(lambda: app.begun)
    supervisor.signal(signal.SIGTERM)
    becomes(not_ready(supervisor, "draining"), lambda: probe("--ready"))
    assert probe() == live(supervisor, "not ready: draining")
    app.let_go(0)
    assert supervisor.wait() == 0
    assert probe()[0] == 1


def test_quiet_is_somebodys_wish(app: Application) -> None:
    supervisor = app.serve().ready(2)
    supervisor.signal(signal.SIGTSTP)
    told = f"supervisor {supervisor.pid} is ready: quiet; workers up: 2 of 2; tasks done: 0"
    becomes((0, told), lambda: probe("--ready"))


def test_queue_without_workers_for_now_is_served(app: Application) -> None:
    app.write(processes=(0, 1))
    supervisor = app.serve()
    becomes(ready(supervisor, workers=0), lambda: probe("--ready"))


def test_starting_anew_answers_under_the_same_pid(app: Application) -> None:
    supervisor = app.serve().ready(2)
    supervisor.signal(signal.SIGHUP)
    eventually(lambda: supervisor.log.count(", supervisor, pid ") == 2)
    becomes(ready(supervisor), lambda: probe("--ready"))
    assert supervisor.stop() == 0


def test_application_that_launched_one(app: Application) -> None:
    program = app.run("manager.launch(); time.sleep(300)")
    [supervisor] = eventually(lambda: program.titled("supervisor of"), "a supervisor")
    told = f"supervisor {supervisor.pid} is ready: workers up: 2 of 2; tasks done: 0"
    becomes((0, told), lambda: probe("--ready"))


# Which ones.


def test_without_any(meeting: Path) -> None:
    code, line = probe()
    assert code == 1
    assert line.startswith(f"no supervisor is found in {meeting}: none runs as user {os.geteuid()}")


@pytest.fixture
def everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any of the usual folders will do. Whom else they have, has a namespace of its own."""
    monkeypatch.delenv(FOLDER)
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)


@pytest.mark.usefixtures("everywhere")
def test_usual_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = [f"{folder}/woodenwaiter-{os.geteuid()}" for folder in ("/tmp", "/dev/shm")]
    assert folders() == usual
    monkeypatch.setenv("XDG_RUNTIME_DIR", "relative")
    assert folders() == usual
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1")
    assert folders() == ["/run/user/1/woodenwaiter", *usual]


def test_all_must_be_well_unless_one_is_named(app: Application) -> None:
    one, other = sorted((app.serve().ready(2), app.serve().ready(2)), key=lambda each: each.pid)
    assert probe() == (0, f"2 supervisors are live: {one.pid}, {other.pid}")
    becomes(
        (0, f"2 supervisors are ready: {one.pid}, {other.pid}"),
        lambda: probe("--ready"),
    )
    one.signal(signal.SIGSTOP)
    assert probe("--timeout", "0.2")[0] == 1
    assert probe("--pid", str(other.pid))[0] == 0
    assert probe("--pid", str(one.pid), "--timeout", "0.2")[0] == 1
    one.signal(signal.SIGCONT)


def test_pid_of_nobody(app: Application) -> None:
    app.serve().ready(2)
    code, line = probe("--pid", "1")
    assert code == 1
    assert line.startswith("no supervisor 1 is found in ")


@pytest.mark.parametrize(
    "arguments", [("--pid", "x"), ("--timeout", "0"), ("--timeout", "nan"), ("--red",), ("x",)]
)
def test_usage(arguments: tuple[str, ...]) -> None:
    result = run(Path.cwd(), "-m", "woodenwaiter.health", *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert "Traceback" not in result.stderr


def test_killed_one_is_passed_over_and_cleaned_up_after(app: Application, meeting: Path) -> None:
    """Though its workers live on for a while: what they inherit answers nobody."""
    app.push({"n": 0, "sleep": 300})
    killed = app.serve()
    eventually(lambda: app.begun)
    killed.signal(signal.SIGKILL)
    killed.process.wait()
    assert killed.left_behind()
    assert probe()[1].startswith("no supervisor is found in ")
    [left] = meeting.iterdir()
    supervisor = app.serve().ready(1)
    eventually(lambda: not left.exists())
    assert probe()[1].startswith(f"supervisor {supervisor.pid} is live")
    app.let_go(0)


def test_nothing_is_left_behind(app: Application, meeting: Path) -> None:
    supervisor = app.serve().ready(2)
    [_] = meeting.iterdir()
    assert supervisor.stop() == 0
    assert not [*meeting.iterdir()]


# Whom it trusts.


def open_to_others(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o755)


def of_another_user(folder: Path) -> None:
    folder.mkdir(0o700)
    os.chown(folder, 12345, 12345)


def link(folder: Path) -> None:
    folder.with_name("elsewhere").mkdir(0o700)
    folder.symlink_to("elsewhere")


def plain_file(folder: Path) -> None:
    folder.touch(0o700)


HOSTILE = {
    open_to_others: "is open to others",
    of_another_user: "belongs to another user",
    link: "is no folder",
    plain_file: "is no folder",
}


@pytest.fixture(params=HOSTILE.items(), ids=lambda each: each[0].__name__)
def hostile(request: pytest.FixtureRequest, meeting: Path) -> str:
    """A folder in the place of ours, that somebody else has made; what there is to say of it."""
    make, objection = request.param
    if make is of_another_user and os.geteuid():
        pytest.skip("only root can make folders of others")
    make(meeting)
    return str(objection)


@needs_namespaces
def test_supervisor_is_not_in_a_folder_of_somebody_else(
    app: Application, meeting: Path, hostile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(FOLDER)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(meeting.parent))
    container = app.serve(inside=UNSHARE).ready(2)
    assert not meeting.is_dir() or not [*meeting.iterdir()]
    assert probe_in(first(container))[0] == 0  # it is in the next one
    assert "woodenwaiter.health" not in container.log


def test_answers_from_a_folder_of_somebody_else_are_not_heard(meeting: Path, hostile: str) -> None:
    pid = os.getpid()
    with socket.socket(socket.AF_UNIX) as listener:
        if meeting.is_dir():
            listener.bind(str(meeting / name_of(pid)))
            listener.listen()
        code, line = probe("--timeout", "0.2", "--pid", f"{pid}")
    assert code == 1
    assert f"no supervisor {pid} is found in {meeting} ({hostile}" in line


def mounted(*commands: str) -> tuple[str, ...]:
    """A command inside which these mounts are made."""
    return (*UNSHARE, "sh", "-ec", "; ".join([*commands, 'exec "$@"']), "sh")


NO_TMP = ("mount --bind /tmp /tmp", "mount -o remount,bind,ro /tmp")


@needs_namespaces
@pytest.mark.usefixtures("everywhere")
def test_read_only_machine_is_told_of_once_and_does_no_harm(app: Application) -> None:
    app.write(handler="pass")
    supervisor = app.serve(inside=mounted(*NO_TMP, "mount -t tmpfs -o ro none /dev/shm"))
    supervisor.logged("woodenwaiter.health cannot ask this supervisor: ")
    app.push({"n": 0})
    eventually(lambda: not app.waiting())
    first(supervisor).terminate()
    assert supervisor.wait() == 0
    assert supervisor.log.count("woodenwaiter.health") == 1


@needs_namespaces
@unmeasured
@pytest.mark.usefixtures("everywhere")
def test_read_only_container_needs_no_volume(app: Application) -> None:
    app.write(handler="pass")
    container = app.serve(inside=mounted(*NO_TMP, "mount -t tmpfs none /dev/shm"))
    supervisor = first(container)
    told = "supervisor 1 is ready: workers up: 2 of 2; tasks done: 0"
    becomes((0, told), lambda: probe_in(supervisor, "--ready"))


@needs_namespaces
def test_pid_1(app: Application) -> None:
    """Its folder may be that of other containers, each with a pid 1."""
    one, other = (first(app.serve(inside=UNSHARE)) for _ in range(2))
    for supervisor in (one, other):
        told = "supervisor 1 is live; ready: workers up: 2 of 2; tasks done: 0"
        becomes((0, told), partial(probe_in, supervisor))
    other.suspend()
    assert probe_in(one)[0] == 0
    assert probe_in(other, "--timeout", "0.2")[0] == 1
    assert probe()[0] == 1
    other.resume()


# What it costs.


def address_in(meeting: Path) -> str:
    [path] = eventually(lambda: [*meeting.iterdir()], "a socket")
    return str(path)


def test_flood_holds_up_nobody(app: Application, meeting: Path) -> None:
    supervisor = app.serve().ready(2)
    address, is_over = address_in(meeting), threading.Event()

    def flood() -> None:
        held = []
        while not is_over.is_set():
            asker = socket.socket(socket.AF_UNIX)
            asker.setblocking(False)
            asker.connect_ex(address)
            held.append(asker)
            if len(held) == 100:
                while held:
                    held.pop().close()
        while held:
            held.pop().close()

    threads = [threading.Thread(target=flood) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        assert probe()[0] == 0
        killed = supervisor.workers()[0]
        killed.kill()
        eventually(lambda: len({*supervisor.workers()} - {killed}) == 2, "a replacement")
        app.push({"n": 0})
        eventually(lambda: app.done)
        assert probe()[0] == 0
    finally:
        is_over.set()
        for thread in threads:
            thread.join()
    assert supervisor.stop() == 0


def test_so_many_are_answered_at_once(meeting: Path) -> None:
    inquiries = Inquiries()
    askers = [socket.socket(socket.AF_UNIX) for _ in range(2 * AT_ONCE)]
    for asker in askers:
        asker.connect(address_in(meeting))
    for answered in (AT_ONCE, 2 * AT_ONCE, 2 * AT_ONCE):
        inquiries.answer({*inquiries.watched()}, lambda: "well")
        assert len(select.select(askers, (), (), 0)[0]) == answered
    inquiries.end()
    for asker in askers:
        asker.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits others")
def test_no_spin_where_no_descriptor_is_left(app: Application, meeting: Path) -> None:
    supervisor = app.serve().ready(2)
    address = address_in(meeting)
    process = psutil.Process(supervisor.pid)
    limits = process.rlimit(psutil.RLIMIT_NOFILE)
    process.rlimit(psutil.RLIMIT_NOFILE, (process.num_fds(), limits[1]))
    with socket.socket(socket.AF_UNIX) as asker:
        asker.connect(address)
        asker.settimeout(1.5 * pace.REFORK)
        before = sum(process.cpu_times()[:2])
        with pytest.raises(TimeoutError):
            asker.recv(1)
        assert sum(process.cpu_times()[:2]) - before < 0.3
        process.rlimit(psutil.RLIMIT_NOFILE, limits)
        asker.settimeout(20)
        assert asker.recv(100).startswith(b"ready: ")


@unmeasured
def test_probe_imports_no_package() -> None:
    said = subprocess.run(
        (sys.executable, "-X", "importtime", "-m", "woodenwaiter.health"),
        capture_output=True,
        text=True,
        check=False,
    ).stderr
    imported = {line.rpartition("|")[2].strip() for line in said.splitlines()}
    assert "woodenwaiter.commands.health" in imported
    heavy = {"asyncio", "json", "logging", "multiprocessing", "psutil", "redis", "setproctitle"}
    assert not imported & (heavy | {"subprocess", "threading", "woodenwaiter.logs"})


def test_closed_stdout_changes_no_exit_code(app: Application) -> None:
    app.serve().ready(2)
    command = f"{sys.executable} -m woodenwaiter.health >&-"
    assert subprocess.run(["sh", "-c", command], check=False).returncode == 0
