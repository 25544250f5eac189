from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from woodenwaiter.commands.operate import main
from woodenwaiter.processes.cpus import usable_cpus
from woodenwaiter.processes.meeting import FOLDER
from woodenwaiter.protocol.link import Link

from .application import Application
from .counting import CountingQueue
from .proxy import Proxy
from .support import Operate, Programs, Server

# Ignored where the tests run in the background of a script, or under nohup; what they start would
# ignore it, too.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# Else all that the tests start would compile the package anew, a quarter of its time to start.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

hypothesis.settings.register_profile("any machine", deadline=None)  # busy ones take their time
hypothesis.settings.load_profile("any machine")


def pytest_xdist_auto_num_workers() -> int:
    """Most tests wait most of the time."""
    return 2 * usable_cpus()


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for each of the processes that run tests."""
    server = Server(tmp_path_factory.mktemp("server"))
    yield server
    server.close()


@pytest.fixture
def server(shared_server: Server) -> Server:
    """An empty server, to be left as it is but for its data."""
    shared_server.client.flushall()
    return shared_server


@pytest.fixture
def client(server: Server) -> Any:
    return server.client


@pytest.fixture
def make_server(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Makes servers of the test's own, to be stopped and killed."""
    made: list[Server] = []

    def make(password: str | None = None, **environment: str) -> Server:
        made.append(Server(tmp_path / f"server{len(made)}", password, **environment))
        return made[-1]

    yield make
    for server in made:
        server.close()


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    """A stand-in for an empty server."""
    proxy = Proxy(server)
    yield proxy
    proxy.close()


@pytest.fixture
def queue(client: Any) -> Iterator[CountingQueue]:
    """The queue ``t:d`` with leases of 30 s."""
    queue = CountingQueue(Link(client, timeout=10), "t:d", lease=30)
    yield queue
    queue.link.close()


@pytest.fixture
def link(client: Any) -> Iterator[Link]:
    """To an empty server."""
    with closing(Link(client, timeout=10)) as link:
        yield link


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Programs]:
    """Starts programs, and ends them."""
    with Programs(tmp_path) as programs:
        yield programs


@pytest.fixture
def app(programs: Programs, server: Server) -> Application:
    """An application with two workers, to be written otherwise, and to be served."""
    app = Application(programs, server)
    app.write()
    return app


@pytest.fixture
def operate(server: Server, capsys: pytest.CaptureFixture[str]) -> Operate:
    """Runs a command against the server."""

    def operate(*arguments: str) -> tuple[int, str, str]:
        code = main(["--redis", server.url, *arguments])
        return code, *capsys.readouterr()

    return operate


@pytest.fixture
def do(operate: Operate) -> Callable[..., str]:
    """Runs a command that ends with this code; returns what it printed, and what it complained of
    behind that."""

    def do(*arguments: str, code: int = 0) -> str:
        ended, printed, errors = operate(*arguments)
        assert ended == code, errors
        return printed + errors

    return do


@pytest.fixture(scope="session", autouse=True)
def no_supervisor_among_the_users() -> Iterator[None]:
    """Who asks after the health of theirs does not meet a test's."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv(FOLDER, f"{folder}/woodenwaiter")
        yield


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("WOODENWAITER_")]:
        if name not in ("WOODENWAITER_TEST_SERVER", FOLDER):
            monkeypatch.delenv(name)
