"""The server for those who have none."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from woodenwaiter.errors import RedisUnusable
from woodenwaiter.settings import Settings
from woodenwaiter.supervisor.embedded import (
    EmbeddedServer,
    is_listening,
    server_for,
    stop,
)

from ..application import Application, Supervisor
from ..support import Server, eventually, free_port, run

SECRET = 'p"w\\ #1'
SECRETS = ("a\nrename-command PING NOPE", "a\r\0b", "\x80é桌", "'\"' \\x41", " ", "#", "\x1b")
Start = Callable[[EmbeddedServer], int]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts embedded servers and returns their pids; ends them with the test."""
    pids = []

    def start(server: EmbeddedServer) -> int:
        pids.append(server.start())
        return pids[-1]

    yield start
    for pid in pids:
        with suppress(ChildProcessError):  # it has ended already
            if os.waitpid(pid, os.WNOHANG) == (0, 0):
                stop(pid)


def test_installed_program_serves_as_well(tmp_path: Path) -> None:
    (tmp_path / "redis-server").touch(mode=0o755)
    script = """
import importlib.util
importlib.util.find_spec = lambda name: None
from woodenwaiter.supervisor.embedded import find_program
print(find_program())
"""
    found = run(tmp_path, "-c", script, PATH=str(tmp_path))
    assert found.stdout == f"{tmp_path}/redis-server\n", found.stderr
    missing = run(tmp_path, "-c", script, PATH="")
    assert "pip install 'woodenwaiter[embedded]'" in missing.stderr


def test_data_outlives_a_stop_and_a_new_start(make_server: Callable[..., Server]) -> None:
    server = make_server()
    server.client.lpush("t:d", "1", "2")
    server.stop()
    assert not is_listening("127.0.0.1", server.port)
    server.start()
    assert server.client.lrange("t:d", 0, -1) == [b"2", b"1"]


def test_data_outlives_a_kill(make_server: Callable[..., Server]) -> None:
    server = make_server()
    server.client.lpush("t:d", "1", "2")
    server.kill()
    server.start()
    assert server.client.lrange("t:d", 0, -1) == [b"2", b"1"]


def test_password_is_for_the_server_alone(start: Start, tmp_path: Path) -> None:
    port = free_port()
    pid = start(EmbeddedServer(tmp_path / "data", "127.0.0.1", port, SECRET))
    with closing(redis.Redis(port=port, password=SECRET)) as client:
        assert client.ping()
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(port=port, password="another", retry=Retry(NoBackoff(), 0)).ping()
    process = psutil.Process(pid)
    assert SECRET not in " ".join(process.cmdline())
    assert SECRET not in str(process.environ())
    shown = {
        path.name: path.stat().st_mode & 0o077 for path in [tmp_path / "data", *within(tmp_path)]
    }
    assert "server.log" in shown
    assert not any(shown.values()), shown
    assert not [path for path in within(tmp_path) if b"requirepass" in path.read_bytes()]


def within(folder: Path) -> list[Path]:
    """The files there, however deep."""
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("secret", SECRETS, ids=ascii)
def test_password_may_have_any_characters(start: Start, tmp_path: Path, secret: str) -> None:
    start(EmbeddedServer(tmp_path, "127.0.0.1", port := free_port(), secret))
    with closing(redis.Redis(port=port, password=secret)) as client:
        assert client.ping()


def test_folder_that_is_there_is_closed_to_others(start: Start, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    (tmp_path / "lock").touch(mode=0o644)
    start(EmbeddedServer(tmp_path, "127.0.0.1", port := free_port()))
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700
    with closing(redis.Redis(port=port)) as client:
        client.lpush("t:d", "x")
    assert (tmp_path / "appendonlydir").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("name", ["lock", "server.log", "server.conf"])
def test_link_is_not_followed(start: Start, tmp_path: Path, name: str) -> None:
    (tmp_path / "victim").write_text("precious")
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / name).symlink_to(tmp_path / "victim")
    with suppress(RedisUnusable):
        start(EmbeddedServer(folder, "127.0.0.1", free_port()))
    assert (tmp_path / "victim").read_text() == "precious"


def test_configuration_that_somebody_made_is_not_used(start: Start, tmp_path: Path) -> None:
    (tmp_path / "server.conf").write_text("no configuration")
    start(EmbeddedServer(tmp_path, "127.0.0.1", free_port(), SECRET))
    assert (tmp_path / "server.conf").read_text() == "no configuration"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("name", ["", "lock", "server.log", "appendonlydir"])
def test_folder_of_somebody_else_is_refused(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    path = folder / name
    if name:
        path.touch()
    os.chown(path, 65534, 65534)
    told = f"data cannot be used: {name or 'it'} belongs to another user; name a folder of your own"
    with pytest.raises(RedisUnusable, match=told):
        EmbeddedServer(folder, "127.0.0.1", free_port()).start()
    assert sorted(entry.name for entry in folder.iterdir()) in (
        [],
        ["lock"],
        sorted({name, "lock"}),
    )


def test_server_has_a_session_of_its_own(make_server: Callable[..., Server]) -> None:
    server = make_server()
    assert os.getsid(server.pid) == server.pid != os.getsid(0)


def test_folder_may_have_any_name(start: Start, tmp_path: Path) -> None:
    folder = tmp_path / 'my "data" é\\n\n[a]*?'
    start(EmbeddedServer(folder, "localhost", port := free_port()))
    client: Any
    with closing(redis.Redis(port=port)) as client:
        assert Path(client.config_get("dir")["dir"]) == folder
    assert (folder / "server.log").exists()


def test_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RedisUnusable, match="folder cannot be used"):
        EmbeddedServer(tmp_path / "file", "127.0.0.1", free_port()).start()


def test_taken_port_is_told(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        with pytest.raises(RedisUnusable, match=r"does not start: see .*server\.log"):
            EmbeddedServer(tmp_path, "127.0.0.1", taken.getsockname()[1]).start()
    assert "bind" in (tmp_path / "server.log").read_text()


def test_is_not_started_where_none_is_asked_for_or_one_is(server: Server) -> None:
    with closing(redis.Redis(port=free_port())) as client:
        assert server_for(client, Settings(embedded=None)) is None
    assert server_for(server.client, Settings(embedded="")) is None


def test_supervisor_runs_it_and_keeps_its_data(app: Application) -> None:
    url = f"redis://:pw@localhost:{free_port()}/0"
    for starts in (1, 2):
        supervisor = app.serve("--redis", url, "--embedded", "data").ready()
        with closing(redis.Redis.from_url(url)) as client:
            assert client.incr("starts") == starts
            client.lpush("t:d", f'{{"n": {starts}}}')
        eventually(lambda n=starts: n in app.done)  # type: ignore[misc]
        assert supervisor.stop() == 0
        assert not supervisor.left_behind()
        assert "pw@" not in supervisor.log


def test_data_belongs_to_one_server(start: Start, tmp_path: Path) -> None:
    first = EmbeddedServer(tmp_path, "127.0.0.1", free_port())
    pid = start(first)
    with pytest.raises(RedisUnusable, match="another embedded server has its data in"):
        start(EmbeddedServer(tmp_path, "127.0.0.1", free_port()))
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    start(first)


def test_told_to_leave_while_its_server_starts(app: Application) -> None:
    url = f"redis://localhost:{free_port()}"
    supervisor = app.serve("--redis", url, "--embedded", "data")
    eventually((app.folder / "data" / "server.log").exists)
    assert supervisor.stop() == 0, supervisor.log
    supervisor.logged("drained in")
    assert not is_listening("localhost", int(url.rpartition(":")[2]))


LOADING = """#!{python}
import socket
with socket.create_server(("127.0.0.1", {port})) as server:
    while True:
        connection, _ = server.accept()
        connection.recv(100)
        connection.sendall(b"-LOADING Redis is loading the dataset in memory\\r\\n")
        connection.close()
"""


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 0), (signal.SIGQUIT, 131)]
)
def test_told_to_leave_while_its_server_loads_its_data(
    app: Application, number: int, code: int
) -> None:
    port = free_port()
    program = app.folder / "loading-server"
    program.write_text(LOADING.format(python=sys.executable, port=port))
    program.chmod(0o755)
    text = f"""
        from woodenwaiter.supervisor import embedded
        embedded.find_program = lambda: "{program}"
    """
    app.write(text=text)
    supervisor = app.serve("--redis", f"redis://127.0.0.1:{port}", "--embedded", "data")
    eventually(lambda: is_listening("127.0.0.1", port))
    supervisor.signal(number)
    assert supervisor.wait(15) == code
    assert not is_listening("127.0.0.1", port)


@pytest.fixture
def starting_together(app: Application) -> Iterator[tuple[Supervisor, int, int]]:
    """A supervisor, the port for its server, and the lock that another one has on the data."""
    port = free_port()
    (app.folder / "data").mkdir()
    lock = os.open(app.folder / "data" / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    options = ("--redis", f"redis://127.0.0.1:{port}", "--embedded", "data")
    supervisor = app.serve(*options, "--redis-wait", "60")
    supervisor.logged("embedded server at")
    yield supervisor, port, lock
    with suppress(OSError):
        os.close(lock)


Together = tuple[Supervisor, int, int]


def test_supervisors_that_start_together_share_a_server(
    starting_together: Together, start: Start, tmp_path: Path
) -> None:
    supervisor, port, _ = starting_together
    start(EmbeddedServer(tmp_path / "elsewhere", "127.0.0.1", port))
    supervisor.ready()
    supervisor.logged("is used")
    assert supervisor.stop() == 0
    assert is_listening("127.0.0.1", port)


def test_server_that_ends_leaves_its_data_to_the_next(starting_together: Together) -> None:
    supervisor, port, lock = starting_together
    os.close(lock)
    supervisor.ready()
    assert supervisor.stop() == 0
    assert not is_listening("127.0.0.1", port)


def test_told_to_leave_while_another_has_the_data(starting_together: Together) -> None:
    supervisor, _, _ = starting_together
    assert supervisor.stop(15) == 0


def test_data_that_another_server_keeps_is_told(
    app: Application, start: Start, tmp_path: Path
) -> None:
    start(EmbeddedServer(tmp_path / "data", "127.0.0.1", free_port()))
    url = f"redis://127.0.0.1:{free_port()}"
    supervisor = app.serve("--redis", url, "--embedded", "data", "--redis-wait", "0.1")
    assert supervisor.wait() == 4
    assert "another embedded server has its data in data" in supervisor.log
