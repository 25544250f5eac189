"""``python -m woodenwaiter.supervisor``: what it says of itself and of its user's mistakes."""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from woodenwaiter import __version__
from woodenwaiter.errors import EXIT_APP, EXIT_REDIS, EXIT_USAGE

from ..application import Application, customer, source
from ..proxy import Proxy
from ..support import Programs, Server, eventually, free_port, run

SECRET = "s3cret"


def supervise(
    folder: Path, *arguments: str, **environment: Any
) -> subprocess.CompletedProcess[str]:
    """Run a supervisor to its end, where there is an application."""
    (folder / "app.py").write_text(source())
    return run(folder, "-m", "woodenwaiter.supervisor", *arguments, **environment)


def error_of(result: subprocess.CompletedProcess[str]) -> str:
    """The one line on stderr."""
    assert result.stdout == ""
    [line] = result.stderr.splitlines()
    return line


def test_version(tmp_path: Path) -> None:
    result = supervise(tmp_path, "--version")
    assert (result.stdout, result.returncode) == (f"woodenwaiter {__version__}\n", 0)


def test_help_tells_all_and_fits_the_screen(tmp_path: Path) -> None:
    result = supervise(tmp_path, "--help", COLUMNS="80")
    assert result.returncode == 0
    assert max(map(len, result.stdout.splitlines())) <= 100
    told = ["--redis", "--processes", "--drain-seconds", "--redis-wait", "--lease-seconds"]
    told += ["--log-level", "--log-format", "--embedded", "--allow-open-connections"]
    told += ["--import-in {supervisor,worker}"]
    told += ["--version", "module:factory()"]
    told += ["TTIN", "exit codes"]
    assert [text for text in told if text not in result.stdout] == []


@pytest.mark.parametrize(
    ("app", "message"),
    [
        ("missing", "there is no module 'missing' here"),
        ("app.sub:x", "there is no module 'app.sub' here"),
        ("", "there is no module '' here"),
        ("./app.py", "such as tasks or shop.tasks:manager"),
        ("app:nothing", "has no 'nothing'"),
        ("app:WoodenCustomer", "is a type"),
        ("broken", "importing it fails: ZeroDivisionError"),
        ("exits", "importing it fails: SystemExit"),
        ("empty", "no WoodenCustomer in it"),
        ("two", "more than one WoodenManager"),
        ("bad_number", "the number of processes must be at least 1"),
        ("wrong_type", "waiter must be a WoodenWaiter"),
        ("nul", "must be UTF-8 without NUL"),
        ("surrogate", "must be UTF-8 without NUL"),
        ("nowhere", "no name of a host: 'a..b'"),
        ("hostile", r"importing it fails: ValueError: \x1b[2J\nforged"),
    ],
)
def test_app_that_cannot_be_loaded(tmp_path: Path, app: str, message: str) -> None:
    sources = {
        "broken": "1 / 0",
        "exits": "raise SystemExit",
        "empty": "",
        "two": source(text="another = WoodenManager()"),
        "bad_number": source(processes=0),
        "wrong_type": source(customer(waiter="None")),
        "nul": source(customer("t\0:d")),
        "surrogate": source(customer("t:\ud800")),
        "nowhere": source(customer(waiter="WoodenWaiter('a..b')")),
        "hostile": r"raise ValueError('\x1b[2J\nforged')",
    }
    for name, text in sources.items():
        (tmp_path / f"{name}.py").write_text(text)
    result = supervise(tmp_path, app)
    assert message in error_of(result)
    assert "woodenwaiter.py" not in error_of(result)
    assert error_of(result).startswith("woodenwaiter: ")
    assert result.returncode == EXIT_APP


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.11 brought them")
@pytest.mark.parametrize("safely", [("-P",), ()], ids=["-P", "PYTHONSAFEPATH"])
def test_where_the_application_is_looked_for(tmp_path: Path, safely: tuple[str, ...]) -> None:
    here = f"is looked for from the current folder, {tmp_path}"
    assert here in error_of(supervise(tmp_path, "missing"))
    (tmp_path / "app.py").write_text(source())
    safe_path = "" if safely else "1"
    command = (*safely, "-m", "woodenwaiter.supervisor", "app")
    line = error_of(run(tmp_path, *command, PYTHONSAFEPATH=safe_path))
    assert "there is no module 'app' here" in line
    assert "not in the current folder, as -P, -I or PYTHONSAFEPATH says" in line


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("woodenwaiter.supervisor", "redis"),
        ("woodenwaiter.supervisor", "queue"),
        ("woodenwaiter.supervisor", "argparse"),
        ("woodenwaiter.supervisor", "psutil"),
        ("woodenwaiter", "redis"),
    ],
)
@pytest.mark.parametrize("text", ["", "from woodenwaiter import WoodenManager"])
def test_file_that_hides_a_package_is_named(
    tmp_path: Path, command: str, name: str, text: str
) -> None:
    (tmp_path / f"{name}.py").write_text(text)
    result = run(tmp_path, "-m", command, "status")
    assert f"'{tmp_path}/{name}.py' is imported instead of the package {name!r}" in error_of(result)
    assert result.returncode == EXIT_APP


def test_package_of_the_applications_that_hides_one_is_named(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("from colorsys import rgb_to_hsv")
    (tmp_path / "colorsys").mkdir()
    (tmp_path / "colorsys" / "__init__.py").touch()
    result = run(tmp_path, "-m", "woodenwaiter.supervisor", "app")
    assert "importing it fails: ImportError" in error_of(result)
    assert "colorsys/__init__.py' is imported instead of the package 'colorsys'" in error_of(result)
    assert result.returncode == EXIT_APP


def test_error_that_no_hidden_package_explains_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text("1 / 0")
    result = run(tmp_path, "-m", "woodenwaiter.supervisor", "code")
    assert "importing it fails: ZeroDivisionError" in error_of(result)
    assert "instead of" not in result.stderr


@pytest.mark.parametrize("module", ["eventlet", "an_imitation"])
def test_application_that_replaces_threads(tmp_path: Path, module: str) -> None:
    (tmp_path / "an_imitation.py").write_text(
        "import select\ndef monkey_patch():\n    del select.poll"
    )
    if importlib.util.find_spec(module) is None and module == "eventlet":
        pytest.skip("eventlet is not installed")
    text = f"import {module}\n{module}.monkey_patch()"
    (tmp_path / "app.py").write_text(source(text=text))
    result = run(tmp_path, "-W", "ignore", "-m", "woodenwaiter.supervisor", "app")
    assert "as eventlet.monkey_patch() does" in error_of(result)
    assert result.returncode == EXIT_APP


@pytest.mark.parametrize("options", ["-O", "-OO", "-X dev", "-bb", "-P"])
def test_runs_under_options_of_python(app: Application, programs: Programs, options: str) -> None:
    if options == "-P" and sys.version_info < (3, 11):
        pytest.skip("Python 3.11 brought it")
    app.write(processes=1)
    app.push({"n": 0})
    command = (*options.split(), "-m", "woodenwaiter.supervisor", "app", "--redis", app.url)
    path = os.pathsep.join([str(app.folder), os.environ.get("PYTHONPATH", "")])
    program = programs.start(*command, PYTHONPATH=path)
    eventually(lambda: app.done == [0], "the task")
    assert program.stop() == 0
    assert "Warning" not in program.log


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_an_import_without_a_traceback(app: Application, number: int) -> None:
    app.write(text='note("importing", 1); time.sleep(300)')
    supervisor = app.serve()
    eventually(lambda: app.noted("importing"))
    supervisor.signal(number)
    assert supervisor.wait() == -number  # 128 + number, as shells tell it
    assert supervisor.log == ""


def test_interrupt_of_our_own_imports_leaves_no_traceback(app: Application) -> None:
    (app.folder / "redis.py").write_text(
        "import time\nprint('importing', flush=True)\ntime.sleep(300)"
    )
    supervisor = app.serve()
    supervisor.logged("importing")
    supervisor.signal(signal.SIGINT)
    assert supervisor.wait() == -signal.SIGINT
    assert supervisor.log == "importing\n"


@pytest.mark.parametrize(
    "wrong",
    [
        "WoodenCustomer('t', 'd', None, print)",
        "WoodenCustomer('t', 'd', WoodenWaiter(), lambda: 0)",
        "WoodenCustomer('t', 'd', WoodenWaiter(), print, max_memory=500)",
        "WoodenCustomer('t', 'd', WoodenWaiter(), print, backoff=Backoff(-1))",
        "WoodenWaiter('redis://h')",
        "WoodenWaiter.from_url('redis://h?db=x')",
        "WoodenWaiter(port='x')",
        "WoodenManager().add_customer(3)",
        "WoodenManager(1)",
        "json.loads('x')",
    ],
)
def test_mistake_is_told_with_the_line_in_the_application(tmp_path: Path, wrong: str) -> None:
    text = (
        "import json\nfrom woodenwaiter import *\n\n\ndef make():\n    " + wrong + "\n\n\nmake()\n"
    )
    (tmp_path / "mistaken.py").write_text(text)
    result = supervise(tmp_path, "mistaken")
    where = f" ({tmp_path / 'mistaken.py'}, line 6"
    assert (where in error_of(result)) == ("json" not in wrong)
    assert ("mistaken.py" in error_of(result)) == ("json" not in wrong)


def test_customers_of_one_queue_are_told_apart_and_that_they_differ_is_told(
    app: Application, server: Server
) -> None:
    app.write(
        customer("t:d"),
        customer("t:d"),
        "WoodenCustomer('t', 'd', WoodenWaiter(), print)",
        customer("t:e"),
        customer("t:e"),
    )
    supervisor = app.serve().ready(workers=5)
    assert supervisor.stop() == 0
    told = [
        name for name in ("d #0", "d #1", "d #2", "e #0", "e #1") if f"t:{name} (" in supervisor.log
    ]
    assert len(told) == 5
    assert supervisor.log.count("has customers with several handlers") == 1
    supervisor.logged("t:d has customers with several handlers")


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("app", "another"),
        ("app", "--drain-seconds", "soon"),
        ("app", "--log-level", "loud"),
        ("app", "--log-format", "xml"),
        ("app", "--unknown"),
        ("app", "--drain", "3"),
    ],
)
def test_wrong_usage_is_told_in_a_line(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    result = supervise(tmp_path, *arguments)
    [line] = result.stderr.splitlines()
    assert line.startswith(("python -m woodenwaiter.supervisor: error: ", "woodenwaiter: APP is "))
    assert result.returncode == EXIT_USAGE


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--processes", "0"), "number of processes"),
        (("--processes", "many"), "number of processes"),
        (("--processes", "t:d=-1"), "number of processes"),
        (("--processes", "2", "--processes", "t:d=x"), "number of processes"),
        (("--drain-seconds", "-1"), "drain_seconds"),
        (("--drain-seconds", "nan"), "drain_seconds"),
        (("--redis-wait", "-1"), "redis_wait"),
        (("--lease-seconds", "0"), "lease_seconds"),
        (("--lease-seconds", "inf"), "lease_seconds"),
        (("--redis", "nonsense"), "URL"),
        (("--redis", "redis://h?foo=1"), "no option of a connection: 'foo'"),
        (("--redis", "redis://h?cache_config=1"), "no option of a connection: 'cache_config'"),
        (("--redis", "redis://h:99999"), "1 to 65535"),
        (("--redis", "rediss://h?ssl_cert_reqs=maybe"), "Requirements Flag"),
        (("--redis", "http://localhost"), "URL"),
        (("--redis", "redis://localhost:port"), "URL"),
    ],
)
def test_impossible_option(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    result = supervise(tmp_path, "app", *arguments)
    assert message in error_of(result)
    assert result.returncode == EXIT_USAGE


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DRAIN_SECONDS", "soon"),
        ("REDIS_WAIT", "-1"),
        ("LEASE_SECONDS", ""),
        ("LOG_LEVEL", "loud"),
        ("LOG_FORMAT", "xml"),
        ("PROCESSES", "0"),
    ],
)
def test_impossible_environment(tmp_path: Path, variable: str, value: str) -> None:
    result = supervise(tmp_path, "app", **{f"WOODENWAITER_{variable}": value})
    assert variable.lower() in error_of(result).lower()
    assert result.returncode == EXIT_USAGE


@pytest.mark.parametrize(
    "url",
    [
        *("redis://:{}/x@h", "redis://:{}#@h:1/0", "redis://u:{}\u2100@h"),
        pytest.param(
            "redis://[{}]@h",
            marks=pytest.mark.skipif(sys.version_info < (3, 11), reason="a name before 3.11"),
        ),
    ],
)
def test_password_in_a_url_that_is_none_is_not_told(tmp_path: Path, url: str) -> None:
    result = supervise(tmp_path, "app", "--redis", url.format(SECRET))
    assert "%2F for /" in error_of(result)
    assert SECRET not in result.stderr
    assert result.returncode == EXIT_USAGE


def test_impossible_url_in_the_environment(tmp_path: Path) -> None:
    result = supervise(tmp_path, "app", WOODENWAITER_REDIS_URL=f"nonsense://:{SECRET}@h")
    assert error_of(result).startswith("woodenwaiter: WOODENWAITER_REDIS_URL is no URL")
    assert SECRET not in result.stderr
    assert result.returncode == EXIT_USAGE


def fails_without_redis(app: Application, *options: str) -> str:
    """The log of a supervisor that ends because it has no usable server; without a traceback."""
    supervisor = app.serve(*options)
    assert supervisor.wait() == EXIT_REDIS
    assert not supervisor.left_behind()
    assert "Traceback" not in supervisor.log
    return supervisor.log


def test_unreachable_server_is_waited_for_and_told(app: Application) -> None:
    port = free_port()
    url = f"redis://:{SECRET}@127.0.0.1:{port}/0"
    log = fails_without_redis(app, "--redis", url, "--redis-wait", "0.5")
    [line] = [line for line in log.splitlines() if "no usable Redis" in line]
    assert f"redis://127.0.0.1:{port}/0" in line
    assert "--embedded" in line
    assert SECRET not in log


@pytest.fixture
def tls() -> Iterator[int]:
    """The port of something that speaks TLS alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                    context.wrap_socket(connection, server_side=True).close()
                except ssl.SSLError:
                    connection.close()
                except OSError:
                    return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


def told_within(app: Application, url: str, seconds: float) -> str:
    """The one line on a server that cannot be used, which is there this soon. It has half the
    usual lease: workers that sit in a connection leave when that gives up."""
    supervisor = app.serve("--redis", url, "--redis-wait", "0.5", "--lease-seconds", "15")
    line = supervisor.logged("no usable Redis", seconds)
    assert supervisor.wait() == EXIT_REDIS
    assert supervisor.log.count("no usable Redis") == 1
    assert "Traceback" not in supervisor.log
    return line


def test_tls_to_a_port_without_it_is_told_in_time(app: Application, server: Server) -> None:
    line = told_within(app, f"rediss://127.0.0.1:{server.port}", 4)
    assert line.endswith("If it does not speak TLS, its URL begins with redis://")


def test_port_with_tls_that_is_asked_without_it_is_told(app: Application, tls: int) -> None:
    line = told_within(app, f"redis://127.0.0.1:{tls}", 4)
    assert line.endswith("If it speaks TLS, its URL begins with rediss://")


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("no-host.invalid", "no-host.invalid"),
        ("127.0.0.1:{port}", "refused"),
        ("127.0.0.1:{silent}", "Timeout"),
    ],
)
def test_server_that_is_not_there_is_told_in_time(app: Application, host: str, reason: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = host.format(port=free_port(), silent=silent.getsockname()[1])
        line = told_within(app, f"redis://{host}", 4)
    assert reason in line
    assert "Start one there" in line


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        ("NOAUTH Authentication required.", "refuses the login: NOAUTH Authentication required."),
        (
            "DENIED Redis is running in protected mode because no password is set. Do"
            + " this" * 100,
            "serves its own machine only: DENIED Redis is running",
        ),
        ("ERR DB index is out of range", "The number at the URL's end names a database"),
    ],
)
def test_what_no_waiting_mends_is_told_at_once(
    app: Application, proxy: Proxy, reply: str, told: str
) -> None:
    proxy.answers = {"INFO": reply}
    log = fails_without_redis(app, "--redis", proxy.url, "--redis-wait", "1000")
    [line] = [line for line in log.splitlines() if told in line]
    assert f"127.0.0.1:{proxy.port}" in line
    assert len(line) < 400


def test_server_that_is_not_ready_is_waited_for_and_told(app: Application, proxy: Proxy) -> None:
    proxy.answers = {"INFO": "LOADING Redis is loading the dataset in memory"}
    line = told_within(app, proxy.url, 4)
    assert "LOADING Redis is loading the dataset in memory. See to it there" in line


@pytest.mark.parametrize("login", [f":{SECRET}@", f"user:{SECRET}@", ""])
def test_wrong_password_is_told_at_once(
    app: Application, make_server: Callable[..., Server], login: str
) -> None:
    port = make_server("right").port
    # Longer than this test may take: a login does not get better by waiting.
    log = fails_without_redis(
        app, "--redis", f"redis://{login}127.0.0.1:{port}", "--redis-wait", "1000"
    )
    [line] = [line for line in log.splitlines() if "refuses the login" in line]
    assert f"127.0.0.1:{port}" in line
    assert SECRET not in log


def test_right_password_appears_nowhere(
    app: Application, make_server: Callable[..., Server]
) -> None:
    supervisor = app.at(make_server(SECRET)).serve(WOODENWAITER_LOG_LEVEL="debug").ready()
    titles = [" ".join(process.cmdline()) for process in supervisor.tree()]
    assert supervisor.stop() == 0
    assert SECRET not in supervisor.log + " ".join(titles)


def test_password_in_an_option_is_hidden_before_the_application_is_imported(
    tmp_path: Path,
) -> None:
    (tmp_path / "shows.py").write_text("raise ValueError(open('/proc/self/cmdline').read())")
    result = supervise(tmp_path, "shows", "--redis", f"redis://:{SECRET}@h")
    assert "woodenwaiter: loading shows" in result.stderr
    assert SECRET not in result.stderr


@pytest.fixture
def no_redis() -> Iterator[int]:
    """The port of something that answers everybody with a line of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(b"220 mail.example.com ESMTP\r\n")

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.parametrize("embedded", [False, True])
def test_something_that_is_no_redis_is_told(
    app: Application, no_redis: int, embedded: bool
) -> None:
    options = ["--redis", f"redis://127.0.0.1:{no_redis}", "--redis-wait", "0.5"]
    if embedded:
        options += ["--embedded", str(app.folder / "data")]
    log = fails_without_redis(app, *options)
    [line] = [line for line in log.splitlines() if "no usable Redis" in line]
    assert f"127.0.0.1:{no_redis}" in line


@pytest.mark.parametrize(
    ("url", "folder", "message"),
    [
        ("redis://192.0.2.1:6379", "data", "only on localhost"),
        ("redis://127.0.0.1:{port}", "app.py", "folder cannot be used"),
        ("redis://127.0.0.1:{port}", "/proc/none", "folder cannot be used"),
    ],
)
def test_server_that_cannot_be_embedded(
    tmp_path: Path, url: str, folder: str, message: str
) -> None:
    url = url.format(port=free_port())
    result = supervise(tmp_path, "app", "--redis", url, "--embedded", folder)
    assert message in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr
    assert result.returncode == EXIT_REDIS


def test_taken_port_is_told(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        url = f"redis://127.0.0.1:{taken.getsockname()[1]}"
        result = supervise(tmp_path, "app", "--redis", url, "--embedded", "data")
    assert "the embedded server does not start: see " in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr
    assert result.returncode == EXIT_REDIS


def test_starts_by_saying_who_it_is(app: Application, server: Server) -> None:
    options = ("--redis", server.url, "--processes", "1", "--processes", "t:d=3")
    supervisor = app.serve(*options).ready(workers=3)
    assert supervisor.stop() == 0
    first, second = supervisor.log.splitlines()[:2]
    assert f"woodenwaiter {__version__}, supervisor, pid {supervisor.pid}" in first
    assert f"t:d on {server.url}, workers: 3" in second


def test_runs_from_where_the_application_is(app: Application) -> None:
    package = app.folder / "shop"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "tasks.py").write_text(source() + "def make(): return manager\n")
    for name in ("shop.tasks", "shop.tasks:manager", "shop.tasks:make()"):
        supervisor = app.serve(app=name).ready()
        assert supervisor.stop() == 0


def test_application_in_a_namespace_package_below_another_folder(app: Application) -> None:
    package = app.folder / "src" / "shop"
    package.mkdir(parents=True)
    (package / "tasks.py").write_text(source())
    path = os.pathsep.join([str(package.parent), os.environ.get("PYTHONPATH", "")])
    assert app.serve(app="shop.tasks", PYTHONPATH=path).ready().stop() == 0
    assert app.serve(app="src.shop.tasks").ready().stop() == 0
    supervisor = app.serve(app="src.shop")
    assert supervisor.wait() == EXIT_APP
    assert "src.shop: there is no WoodenCustomer in it" in supervisor.log
