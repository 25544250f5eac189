"""``woodenwaiter web``, and a supervisor's ``--web``: how a page is started, and how it ends."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psutil
import pytest

from woodenwaiter import pace
from woodenwaiter.errors import EXIT_REDIS, EXIT_USAGE
from woodenwaiter.web.passwords import Passwords

from ..application import Application, Supervisor, customer
from ..support import (
    Program,
    Programs,
    Server,
    await_end_of,
    eventually,
    free_port,
    path_with,
    run,
    title,
)
from ..web.guarded import PASSWORD, USER, Browser, users_in
from .test_rights import Users

COMMAND = ("-m", "woodenwaiter", "--redis")


class Started:
    """The command, and somebody who asks for the page."""

    def __init__(self, programs: Programs, url: str, *options: str, **environment: str) -> None:
        self.browser = Browser(free_port())
        port = str(self.browser.port)
        self.program: Program = programs.start(
            *COMMAND, url, "web", "--port", port, *options, **environment
        )

    def ready(self) -> Browser:
        self.program.logged("the page is at ")
        return self.browser


Start = Callable[..., Started]


@pytest.fixture
def start(programs: Programs, server: Server) -> Start:
    return lambda *options, **environment: Started(programs, server.url, *options, **environment)


# The command.


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_shows_the_page_until_it_is_told_to_end(start: Start, number: int) -> None:
    started = start()
    browser = started.ready()
    assert started.program.log == f"the page is at http://127.0.0.1:{browser.port}/\n"
    assert b"<!doctype html>" in browser.ask("/").body
    assert browser.ask("/static/main.js").status == 200
    assert browser.ask("/api/me").json["user"] == "anyone"
    with browser.stream("/api/events?view=overview") as response:
        assert response.readline().startswith(b"data: ")
        began = time.monotonic()
        started.program.signal(number)
        assert started.program.wait() == 0
        assert time.monotonic() - began < 2
    assert started.program.log.count("\n") == 1


def test_its_title_tells_no_password(start: Start) -> None:
    started = start()
    started.ready()
    assert title(psutil.Process(started.program.pid)).strip() == "woodenwaiter web"


def test_what_is_done_is_in_the_audit_with_the_users_name(
    start: Start, tmp_path: Path, app: Application, do: Callable[..., str]
) -> None:
    app.push({"n": 1})
    app.client.sadd("woodenwaiter:queues", "t:d")
    browser = start("--auth", users_in(tmp_path)).ready()
    browser.log_in()
    token = browser.ask("/api/me").json["token"]
    ask = b'{"verb":"pause","queue":"t%3Ad","seconds":null,"why":""}'
    told = browser.post("/api/do", ask, X_Woodenwaiter_Token=token)
    assert told.status == 200, told.body
    eventually(lambda: USER in do("audit"))


def test_read_only_it_changes_nothing(start: Start) -> None:
    browser = start("--read-only").ready()
    token = browser.ask("/api/me").json["token"]
    ask = b'{"verb":"pause","queue":"t%3Ad","seconds":null,"why":""}'
    assert browser.post("/api/do", ask, X_Woodenwaiter_Token=token).status == 403


def test_below_a_prefix(start: Start) -> None:
    started = start("--prefix", "/pool")
    browser = started.ready()
    assert f":{browser.port}/pool/\n" in started.program.log
    for home in ("/pool", ""):
        assert b'"/pool/static/' in browser.ask(f"{home}/hosts").body
        assert browser.ask(f"{home}/static/main.js").status == 200
        assert browser.ask(f"{home}/api/me").status == 200


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--host", "0.0.0.0"], "others than this machine reach the page"),
        (["--auth-header", "X-User"], "needs the address of the proxy"),
        (["--auth", "none"], "none cannot be read: No such file or directory; to name one: "),
        (["--port", "70000"], "port must be from 1"),
        (["--host", "192.0.2.1", "--no-auth"], "the page cannot be served at 192.0.2.1:"),
        (["--set-password", "anna"], "needs --auth FILE"),
        (["--late", "soon"], "a time as 90"),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, list) else "",
)
def test_what_is_refused_in_a_line(
    tmp_path: Path, server: Server, options: list[str], said: str
) -> None:
    done = run(tmp_path, *COMMAND, server.url, "web", *options)
    assert (done.returncode, done.stdout) == (EXIT_USAGE, "")
    assert done.stderr.count("\n") == 1
    assert said in done.stderr


def test_port_that_is_taken(tmp_path: Path, server: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        done = run(tmp_path, *COMMAND, server.url, "web", "--port", port)
    assert done.returncode == EXIT_USAGE
    told = f"the page cannot be served at 127.0.0.1:{port}: Address already in use"
    assert done.stderr == f"woodenwaiter: {told}\n"


@pytest.mark.parametrize("name", ["starlette", "uvicorn"])
def test_without_its_packages(tmp_path: Path, server: Server, name: str) -> None:
    (tmp_path / "sitecustomize.py").write_text(f"import sys; sys.modules[{name!r}] = None")
    done = run(tmp_path, *COMMAND, server.url, "web", PYTHONPATH=path_with(tmp_path))
    assert done.returncode == EXIT_USAGE
    told = f"the page needs the package {name}: pip install 'woodenwaiter[web]'"
    assert done.stderr == f"woodenwaiter: {told}\n"


def test_server_that_is_not_there(tmp_path: Path) -> None:
    done = run(tmp_path, *COMMAND, f"redis://127.0.0.1:{free_port()}", "web", "--port", "18090")
    assert (done.returncode, done.stdout) == (EXIT_REDIS, "")
    assert done.stderr.count("\n") == 1
    assert "redis://127.0.0.1" in done.stderr


@pytest.mark.parametrize("trouble", [signal.SIGKILL, signal.SIGSTOP], ids=lambda n: n.name)
def test_server_that_goes_away_is_told_of_on_the_page(
    programs: Programs, make_server: Callable[..., Server], trouble: signal.Signals
) -> None:
    server = make_server()
    started = Started(programs, server.url)
    with started.ready().stream("/api/events?view=overview") as response:
        assert b'"trouble": ""' in response.readline()
        if trouble == signal.SIGKILL:
            server.kill()
        else:
            os.kill(server.pid, trouble)
        eventually(lambda: b'"trouble": "' in response.readline().replace(b'"trouble": ""', b""))
        began = time.monotonic()
        assert started.program.stop() == 0
        assert time.monotonic() - began < 3
    assert "Traceback" not in started.program.log


# Rights.


def looked_at(browser: Browser, view: str, **asked: str) -> str:
    """What is told first of a view, with what is the matter."""
    with browser.stream(f"/api/events?{urlencode({'view': view, **asked})}") as response:
        return eventually(response.readline).decode()


def test_who_looks_needs_a_viewers_rights_and_who_acts_an_operators(
    programs: Programs, make_server: Callable[..., Server], app: Application
) -> None:
    users = Users(make_server())
    served = app.at(users.server)
    served.write(handler="raise Reject('because')")
    served.serve("--redis", users.url("worker")).ready(2)
    served.push({"n": 1})
    eventually(served.letters)
    viewer, operator = (
        Started(programs, users.url(name)).ready() for name in ("viewer", "operator")
    )
    for browser in (viewer, operator):
        for view in ("overview", "hosts", "audit", "letter"):
            assert '"trouble": ""' in looked_at(browser, view)
        for view in ("queue", "dead"):
            assert '"trouble": ""' in looked_at(browser, view, queue="t%3Ad")
        assert len(browser.ask("/api/letters?queue=t%3Ad").json["letters"]) == 1
    for verb in ("pause", "resume", "requeue"):
        assert troubles_with(operator, verb) == []
    # What it would say of the server's settings, had it the right, among them.
    assert set(users.refusals()) <= {"client|setinfo", "client", "config|get", "config"}
    assert "refuses a request" in str(troubles_with(viewer, "pause"))


def troubles_with(browser: Browser, verb: str) -> list[str]:
    """Of what is to be done to a queue."""
    token = browser.ask("/api/me").json["token"]
    ask = json.dumps({"verb": verb, "queue": "t%3Ad", "seconds": 60, "filter": {}})
    told = browser.post("/api/do", ask, X_Woodenwaiter_Token=token)
    found: list[str] = told.json["troubles"]
    return found


# Who may come in.


def test_password_by_a_line(tmp_path: Path) -> None:
    import subprocess
    import sys

    command = [sys.executable, "-m", "woodenwaiter", "web", "--auth", "users", "--set-password"]
    for user, line in (("anna", "pässword\n"), ("berta", "b")):
        subprocess.run([*command, user], cwd=tmp_path, input=line, text=True, check=True)
    passwords = Passwords(str(tmp_path / "users"))
    assert passwords.check("anna", "pässword")
    assert passwords.check("berta", "b")
    done = subprocess.run(
        [*command, "carla"], cwd=tmp_path, input=b"\n", capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (
        EXIT_USAGE,
        b"woodenwaiter: an empty password is none\n",
    )


@pytest.mark.parametrize(("again", "code"), [("secret", 0), ("secrex", EXIT_USAGE)])
def test_password_on_a_terminal_is_asked_for_twice(tmp_path: Path, again: str, code: int) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(tmp_path)
        import sys

        os.execl(
            sys.executable,
            sys.executable,
            "-m",
            "woodenwaiter",
            "web",
            "--auth",
            "users",
            "--set-password",
            "anna",
        )
    shown = b""
    for answer, prompt in ((b"secret\n", b"password: "), (again.encode() + b"\n", b"again: ")):
        while prompt not in shown:
            shown += os.read(terminal, 1000)
        os.write(terminal, answer)
    with closing(os.fdopen(terminal, "rb", buffering=0)) as file:
        try:
            while more := file.read(1000):
                shown += more
        except OSError:  # the end of a terminal
            pass
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == code
    assert b"secre" not in shown
    assert (tmp_path / "users").exists() == (code == 0)


def test_user_who_is_added_needs_no_restart(start: Start, tmp_path: Path) -> None:
    from woodenwaiter.web.passwords import set_password

    file = users_in(tmp_path)
    browser = start("--auth", file).ready()
    assert browser.ask("/").header("Location") == "/login?then=%2F"
    assert b'action="/login"' in browser.ask("/login").body
    assert b"No such user, or another password." in browser.log_in("berta", "b").body
    set_password(file, "berta", "b")
    assert browser.log_in("berta", "b").status == 303
    assert browser.ask("/api/me").json["user"] == "berta"


# Beside a supervisor.


class Served:
    def __init__(self, app: Application) -> None:
        self.app = app
        self.browser = Browser(free_port())

    def serve(self, *options: str, at: str = "127.0.0.1:{}", **others: Any) -> Supervisor:
        return self.app.serve("--web", at.format(self.browser.port), *options, **others)

    def ready(self) -> Browser:
        def answers() -> bool:
            try:
                return self.browser.ask("/api/me").status < 500
            except OSError:
                return False

        eventually(answers, "the page")
        return self.browser


@pytest.fixture
def served(app: Application) -> Served:
    return Served(app)


def page_of(supervisor: Supervisor) -> psutil.Process:
    return eventually(lambda: supervisor.titled("woodenwaiter: web"), "who serves the page")[0]


def test_beside_a_supervisor(served: Served) -> None:
    supervisor = served.serve("--web-redact", "password", "--web-redact", "token").ready(2)
    supervisor.logged(f"page: http://127.0.0.1:{served.browser.port}/")
    browser = served.ready()
    me = browser.ask("/api/me").json
    assert me["redacts"] == ["password", "token"]
    assert me["address"] == served.app.url
    with browser.stream("/api/events?view=hosts") as response:
        eventually(lambda: b'"host/' in response.readline())
        began = time.monotonic()
        assert supervisor.stop() == 0
        assert time.monotonic() - began < 5
    assert "killed" not in supervisor.log
    assert "Traceback" not in supervisor.log
    assert not supervisor.left_behind()


def test_no_other_process_has_its_packages(served: Served) -> None:
    served.app.write(handler="note('done', 'starlette' in sys.modules or 'uvicorn' in sys.modules)")
    supervisor = served.serve().ready(2)
    served.ready()
    served.app.push({"n": 1})
    eventually(lambda: served.app.noted("done"))
    assert served.app.noted("done") == ["False"]
    page = page_of(supervisor)
    for process in (psutil.Process(supervisor.pid), *supervisor.tree()):
        loaded = any("pydantic" in m.path or "uvicorn" in m.path for m in process.memory_maps())
        assert not loaded or process == page


def test_who_serves_it_is_replaced(served: Served) -> None:
    supervisor = served.serve().ready(2)
    served.ready()
    former = page_of(supervisor)
    former.kill()
    supervisor.logged(f"web (pid {former.pid}) died of signal 9")
    served.ready()
    assert page_of(supervisor).pid != former.pid
    assert supervisor.stop() == 0
    assert not supervisor.left_behind()


def test_one_that_hangs_holds_up_nobody(served: Served) -> None:
    supervisor = served.serve().ready(2)
    page_of(supervisor).suspend()
    served.app.push({"n": 0})
    eventually(lambda: served.app.done == [0])
    began = time.monotonic()
    assert supervisor.stop() == 0
    assert time.monotonic() - began < pace.WEB_GRACE + 5
    assert "web (pid" in supervisor.logged("is killed, as its time is up")
    assert not supervisor.left_behind()


def test_it_ends_with_its_supervisor(served: Served) -> None:
    supervisor = served.serve().ready(2)
    served.ready()
    page = page_of(supervisor)
    supervisor.process.kill()
    await_end_of([page])
    eventually(lambda: not supervisor.left_behind())


def test_a_signal_to_all_does_not_end_it_early(served: Served) -> None:
    served.app.push({"n": 0, "sleep": 60})
    supervisor = served.serve()
    eventually(lambda: served.app.begun)
    browser = served.ready()
    page = page_of(supervisor)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGWINCH):
        page.send_signal(number)
    for process in (*supervisor.tree(), psutil.Process(supervisor.pid)):
        process.send_signal(signal.SIGTERM)
    supervisor.logged("draining")
    assert browser.ask("/api/me").status == 200
    assert page.is_running()
    served.app.let_go(0)
    assert supervisor.wait() == 0
    assert f"web (pid {page.pid}) left with exit code 0" in supervisor.log


def test_newer_code_is_shown_at_the_same_place(served: Served) -> None:
    supervisor = served.serve().ready(2)
    served.ready()
    page = page_of(supervisor)
    supervisor.signal(signal.SIGHUP)
    await_end_of([page])
    served.ready()
    assert supervisor.stop() == 0


@pytest.mark.parametrize("is_named", [True, False], ids=["redis", "waiters"])
def test_where_workers_import(served: Served, *, is_named: bool) -> None:
    """It loads the application only where nobody else knows the server."""
    served.app.write(text="note('loaded', os.getpid())")
    options = ["--redis", served.app.url] if is_named else []
    supervisor = served.serve("--import-in", "worker", *options).ready(2)
    assert served.ready().ask("/api/me").json["address"] == served.app.url
    assert (str(page_of(supervisor).pid) in served.app.noted("loaded")) is not is_named
    assert supervisor.stop() == 0
    assert not supervisor.left_behind()


@pytest.mark.parametrize("where", ["supervisor", "worker"])
def test_application_that_replaces_threads(served: Served, where: str) -> None:
    pytest.importorskip("gevent")
    patch = "from gevent import monkey\nmonkey.patch_all()"
    served.app.write(text=f"import warnings\nwarnings.simplefilter('ignore')\n{patch}")
    supervisor = served.serve("--import-in", where)
    browser = served.ready()
    assert '"trouble": ""' in looked_at(browser, "overview")
    assert browser.ask("/api/letters?queue=t%3Ad").status == 200
    with browser.stream("/api/events?view=overview") as response:
        response.readline()
        assert supervisor.stop() == 0
    assert "killed" not in supervisor.log
    assert "Traceback" not in supervisor.log


def test_several_servers(served: Served, make_server: Callable[..., Server]) -> None:
    other = make_server()
    elsewhere = f"WoodenWaiter.from_url({other.url!r})"
    served.app.write(customer(), customer(waiter=elsewhere))
    supervisor = served.serve()
    supervisor.logged(f"the page shows {served.app.url} alone, of 2 servers")
    assert served.ready().ask("/api/me").json["address"] == served.app.url


def test_it_needs_a_password(served: Served, tmp_path: Path) -> None:
    file = users_in(tmp_path)
    served.serve("--web-auth", file, "--web-read-only", "--web-prefix", "/pool", at=":{}").ready(2)
    browser = served.ready()
    assert browser.ask("/pool/api/me").status == 401
    browser.log_in(password=PASSWORD)
    me = browser.ask("/pool/api/me").json
    assert (me["user"], me["readOnly"]) == (USER, True)


@pytest.mark.parametrize(
    ("at", "options", "said"),
    [
        (":{}", [], "on all addresses, others than this machine"),
        ("8090", [], "web must be HOST:PORT"),
        ("127.0.0.1:{}", ["--web-auth", "none"], "none cannot be read"),
        ("127.0.0.1:{}", ["--web-prefix", "pool"], "prefix must be a path"),
    ],
)
def test_where_it_cannot(served: Served, at: str, options: list[str], said: str) -> None:
    supervisor = served.serve(*options, at=at)
    assert supervisor.wait() == EXIT_USAGE
    [line] = supervisor.log.splitlines()
    assert said in line


def test_port_of_a_supervisor_that_is_taken(served: Served) -> None:
    with socket.create_server(("127.0.0.1", served.browser.port)):
        supervisor = served.serve()
        assert supervisor.wait() == EXIT_USAGE
    place = f"127.0.0.1:{served.browser.port}"
    told = f"the page cannot be served at {place}: Address already in use"
    assert supervisor.log == f"woodenwaiter: {told}\n"


def test_supervisor_without_its_packages(served: Served) -> None:
    hidden = "import sys; sys.modules['starlette'] = None"
    (served.app.folder / "sitecustomize.py").write_text(hidden)
    others: Any = {"PYTHONPATH": path_with(served.app.folder)}
    supervisor = served.serve(**others)
    assert supervisor.wait() == EXIT_USAGE
    assert "pip install 'woodenwaiter[web]'" in supervisor.log


def test_launched(served: Served) -> None:
    port = served.browser.port
    program = served.app.run(f"manager.launch(web='127.0.0.1:{port}', web_read_only=True)")
    assert served.ready().ask("/api/me").json["readOnly"] is True
    assert program.stop() == 0
    assert not program.left_behind()
