"""Passwords from a file: what is there counts whenever somebody logs in, and is told nowhere."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis

from woodenwaiter import Misuse, StartupError, WoodenManager, WoodenWaiter, WrongValue
from woodenwaiter.errors import EXIT_USAGE
from woodenwaiter.protocol.client import source_of
from woodenwaiter.protocol.link import Link
from woodenwaiter.protocol.urls import client_at
from woodenwaiter.supervisor.embedded import find_program

from ..application import Application, Supervisor, source
from ..support import Server, eventually, free_port, run, title

FIRST, SECOND, THIRD = "f1rst-s3cret", "s3cond-s3cret", "th1rd-s3cret"


class Secret:
    """A file with a password, replaced as containers' are: by another one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.say(FIRST)

    def say(self, text: str) -> None:
        new = self.path.with_suffix(".new")
        new.write_text(text)
        os.replace(new, self.path)

    def __str__(self) -> str:
        return str(self.path)


@pytest.fixture
def secret(tmp_path: Path) -> Secret:
    return Secret(tmp_path / "password")


class Guarded:
    """A server that asks for a login, of the default user or of another one."""

    def __init__(self, make_server: Callable[..., Server], user: str) -> None:
        self.user = user
        self.server = make_server(None if user else FIRST)
        self.client: Any = self.server.client
        login = f"{user}@" if user else ""
        self.url = f"redis://{login}127.0.0.1:{self.server.port}/0"
        if user:
            self.client.execute_command("ACL", "SETUSER", user, "on", ">" + FIRST, "~*", "+@all")

    def rotate(self, password: str) -> None:
        """From now on, only this one is right; and nobody is logged in any more but us."""
        if self.user:
            self.client.execute_command("ACL", "SETUSER", self.user, "resetpass", ">" + password)
        else:
            self.client.config_set("requirepass", password)
            self.client.connection_pool.connection_kwargs["password"] = password

    def hang_up(self) -> None:
        self.client.client_kill_filter(_type="normal", skipme=True)


@pytest.fixture(params=["", "u"], ids=["default user", "named user"])
def guarded(make_server: Callable[..., Server], request: Any) -> Guarded:
    return Guarded(make_server, request.param)


def end_well(app: Application, supervisor: Supervisor, pushed: int) -> None:
    eventually(lambda: app.done == list(range(pushed)), f"{pushed} done, not {app.done}")
    titles = " ".join(map(title, supervisor.tree()))
    assert supervisor.stop() == 0
    assert app.letters() == []
    assert not [s for s in (FIRST, SECOND, THIRD) if s in supervisor.log + titles]


def test_rotation_needs_no_restart(app: Application, guarded: Guarded, secret: Secret) -> None:
    app = app.at(guarded.server)
    app.write(processes=2)
    supervisor = app.serve("--redis", guarded.url, "--redis-password-file", str(secret)).ready(2)
    family = {process.pid for process in supervisor.tree()}
    app.push({"n": 0})
    eventually(lambda: app.done == [0])
    guarded.rotate(SECOND)
    app.push({"n": 1})  # whoever is logged in goes on
    eventually(lambda: app.done == [0, 1])
    assert "trying again" not in supervisor.log
    guarded.hang_up()
    app.push({"n": 2})
    supervisor.logged("WRONGPASS")
    secret.say(SECOND + "\n")
    eventually(lambda: app.done == [0, 1, 2])
    assert {process.pid for process in supervisor.tree()} == family
    secret.say(THIRD)
    guarded.rotate(THIRD)
    guarded.hang_up()
    app.push({"n": 3})
    end_well(app, supervisor, 4)


def test_file_that_goes_away_is_an_outage(
    app: Application, make_server: Callable[..., Server], secret: Secret
) -> None:
    guarded = Guarded(make_server, "")
    app = app.at(guarded.server)
    app.write(processes=1)
    supervisor = app.serve("--redis", guarded.url, "--redis-password-file", str(secret)).ready(1)
    secret.path.unlink()
    guarded.hang_up()
    app.push({"n": 0})
    supervisor.logged(f"no password can be read from the file {secret}: No such file")
    secret.say(FIRST)
    end_well(app, supervisor, 1)


@pytest.mark.parametrize("way", ["option", "variable", "variable and URL", "import in worker"])
def test_ways_to_name_the_file(
    app: Application, make_server: Callable[..., Server], secret: Secret, way: str
) -> None:
    guarded = Guarded(make_server, "u")
    app = app.at(guarded.server)
    app.write(processes=1)
    named = {"WOODENWAITER_REDIS_PASSWORD_FILE": str(secret)}
    url = {"WOODENWAITER_REDIS_URL": guarded.url}
    if way == "option":  # for the waiters that were given nothing
        supervisor = app.serve("--redis-password-file", str(secret), **url)
    elif way == "variable":
        supervisor = app.serve(**named, **url)
    elif way == "variable and URL":
        supervisor = app.serve("--redis", guarded.url, **named)
    else:
        options = ("--import-in", "worker", "--redis-password-file", str(secret))
        supervisor = app.serve(*options, **url)
    supervisor.ready(1)
    app.push({"n": 0})
    end_well(app, supervisor, 1)


def operate(folder: Path, *arguments: str, **environment: Any) -> tuple[str, int]:
    done = run(folder, "-m", "woodenwaiter", *arguments, **environment)
    return done.stdout + done.stderr, done.returncode


def test_operators_commands_read_it(guarded: Guarded, secret: Secret, tmp_path: Path) -> None:
    guarded.client.lpush("t:d", "{}")
    for options, environment in (
        (["--redis", guarded.url, "--redis-password-file", str(secret)], {}),
        (["--redis", guarded.url], {"WOODENWAITER_REDIS_PASSWORD_FILE": str(secret)}),
        (["--redis-password-file", str(secret)], {"WOODENWAITER_REDIS_URL": guarded.url}),
    ):
        told, code = operate(tmp_path, *options, "status", "t:d", **environment)
        assert "t:d" in told
        assert code == 0
    told, code = operate(
        tmp_path, "status", "--redis", guarded.url, "--redis-password-file", str(secret), "t:d"
    )
    assert code == 0


def wrong_files(folder: Path) -> dict[str, tuple[Path, str]]:
    empty = folder / "empty"
    empty.write_text("\n")
    large = folder / "large"
    large.write_text("x" * 100_000)
    pipe = folder / "pipe"
    os.mkfifo(pipe)
    return {
        "missing": (folder / "none", "No such file or directory"),
        "empty": (empty, "empty"),
        "large": (large, "too long"),
        "a pipe": (pipe, "no ordinary file"),
        "a folder": (folder, "no ordinary file"),
    }


@pytest.mark.parametrize("what", ["missing", "empty", "large", "a pipe", "a folder"])
@pytest.mark.parametrize("command", ["supervisor app", "supervisor app, --redis", "status"])
def test_file_without_a_password_is_one_line(tmp_path: Path, what: str, command: str) -> None:
    (tmp_path / "app.py").write_text(source())
    path, told = wrong_files(tmp_path)[what]
    named: Any = {"WOODENWAITER_REDIS_PASSWORD_FILE": str(path)}
    if command == "status":
        done = run(tmp_path, "-m", "woodenwaiter", "status", **named)
    else:
        url = ["--redis", "redis://127.0.0.1"] if "--redis" in command else []
        done = run(tmp_path, "-m", "woodenwaiter.supervisor", "app", *url, **named)
    [line] = [line for line in done.stderr.splitlines() if "supervisor, pid" not in line]
    assert f"no password can be read from the file {path}: {told}" in line
    assert done.returncode == EXIT_USAGE


@pytest.mark.parametrize(
    "login", [f":{FIRST}@h", f"u:{FIRST}@h", f"h?password={FIRST}", f"a@b:{FIRST}@h"]
)
def test_password_in_the_url_and_a_file_are_too_much(login: str, secret: Secret) -> None:
    with pytest.raises(WrongValue) as raised:
        client_at(f"redis://{login}", str(secret))
    assert FIRST not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "user"),
    [
        ("redis://h", []),
        ("redis://u@h", ["u"]),
        ("rediss://u%40x:@h/3", ["u@x"]),
        ("unix://u@/s?db=1", ["u"]),
        ("redis+sentinel://u@h:1,i:2/service", ["u"]),
        ("rediss+cluster://u@h:1,i:2", ["u"]),
    ],
)
def test_user_of_the_url_logs_in_with_the_file(url: str, user: list[str], secret: Secret) -> None:
    client = client_at(url, str(secret))
    options = source_of(client).options
    assert options["credential_provider"].get_credentials() == (*user, FIRST.encode())
    assert source_of(client).identity == source_of(client_at(url, str(secret))).identity
    assert "username" not in options


def test_any_bytes_but_the_end_of_the_line(secret: Secret) -> None:
    client = client_at("redis://h", str(secret))
    provider = source_of(client).options["credential_provider"]
    for said, password in ((b" \xff x \r\n\n", b" \xff x "), (b"a\nb", b"a\nb")):
        secret.path.write_bytes(said)
        assert provider.get_credentials() == (password,)


def test_waiter_of_a_producer_reads_it(
    guarded: Guarded, secret: Secret, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WOODENWAITER_REDIS_URL", guarded.url)
    monkeypatch.setenv("WOODENWAITER_REDIS_PASSWORD_FILE", str(secret))
    waiters = [WoodenWaiter(), WoodenWaiter.from_url(guarded.url, password_file=str(secret))]
    for waiter in waiters:
        waiter.take_dish("t:d", {})
    guarded.rotate(SECOND)
    guarded.hang_up()
    secret.say(SECOND)
    for waiter in waiters:
        waiter.take_dish("t:d", {})
        waiter.redis_clt.close()
    assert guarded.client.llen("t:d") == 4


def test_file_for_waiters_that_are_made_already() -> None:
    with pytest.raises(Misuse, match="goes with redis"):
        WoodenManager().launch(redis_password_file="f")


def test_missing_file_is_refused_where_it_is_given(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="No such file"):
        WoodenWaiter.from_url("redis://h", password_file=str(tmp_path / "none"))


def test_provider_of_the_users_own_is_asked_at_each_connection(
    make_server: Callable[..., Server],
) -> None:
    guarded = Guarded(make_server, "")
    asked: list[str] = []

    class Provider(redis.CredentialProvider):
        def get_credentials(self) -> tuple[str]:
            asked.append(FIRST if len(asked) < 1 else SECOND)
            return (asked[-1],)

    client = redis.Redis(port=guarded.server.port, credential_provider=Provider())
    link = Link(client, 10)
    assert link.call("PING") == b"PONG"
    guarded.rotate(SECOND)
    assert link.call("PING") == b"PONG"
    link.close()
    assert link.call("PING") == b"PONG"
    assert asked == [FIRST, SECOND]
    link.close()
    client.close()


def test_embedded_server_has_the_password_of_the_file(
    app: Application, secret: Secret, tmp_path: Path
) -> None:
    find_program()
    url = f"redis://127.0.0.1:{free_port()}"
    options = ("--redis", url, "--redis-password-file", str(secret), "--embedded", "data")
    supervisor = app.serve(*options).ready(2)
    client: Any = redis.Redis.from_url(url, password=FIRST)
    client.lpush("t:d", '{"n": 0}')
    eventually(lambda: app.done == [0])
    with pytest.raises(redis.AuthenticationError):
        redis.Redis.from_url(url).ping()
    client.close()
    assert supervisor.stop() == 0
    assert FIRST not in supervisor.log
