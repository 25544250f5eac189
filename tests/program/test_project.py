"""``[tool.woodenwaiter]``, and ``woodenwaiter config``, which says what counts."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from woodenwaiter.commands.operate import main
from woodenwaiter.errors import EXIT_REDIS, EXIT_USAGE
from woodenwaiter.settings import Settings

from ..application import Application, Supervisor
from ..support import Programs, Server, eventually, free_port, lines
from .test_reload import age, anew, served

pytestmark = pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.11 brought tomllib")


def say(folder: Path, text: str) -> None:
    (folder / "pyproject.toml").write_text(f"[tool.woodenwaiter]\n{text}\n")


def serve(programs: Programs, folder: Path | None = None, *options: str, **of: str) -> Supervisor:
    """Without naming the application; ``of``: its environment."""
    return programs.enter_context(Supervisor(folder or programs.folder, *options, **of))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_to_run_where_and_how(app: Application, programs: Programs) -> None:
    say(app.folder, f'app = "app"\nredis = "{app.url}"\nprocesses = 1\ndrain-seconds = 7')
    supervisor = serve(programs).ready(1)
    app.push({"n": 0})
    eventually(lambda: app.done == [0])
    assert "t:d on " in supervisor.log
    assert "workers: 1" in supervisor.log
    supervisor.signal(signal.SIGTERM)
    supervisor.logged("up to 7 s")
    assert supervisor.wait() == 0


def test_variables_are_stronger_and_options_strongest(app: Application) -> None:
    nowhere = f"redis://127.0.0.1:{free_port()}"
    say(app.folder, f'app = "nothing"\nredis = "{nowhere}"\nprocesses = 1\nlog-format = "json"')
    variables = {"WOODENWAITER_REDIS_URL": app.url, "WOODENWAITER_PROCESSES": "2"}
    variables["WOODENWAITER_LOG_FORMAT"] = "text"
    supervisor = app.serve("--processes", "3", **variables).ready(3)
    assert supervisor.log.startswith("20")
    assert supervisor.stop() == 0


def test_from_a_folder_below(app: Application, programs: Programs) -> None:
    say(app.folder, f'app = "app"\nredis = "{app.url}"\nonce = true\npidfile = "x.pid"')
    below = app.folder / "below" / "deep"
    below.mkdir(parents=True)
    app.push({"n": 0, "sleep": 300})
    supervisor = serve(programs, below)
    eventually(lambda: lines(app.folder / "x.pid") == [str(supervisor.pid)])
    for folder in (app.folder, below):  # the handler's files are where it was started
        (folder / "go-0").touch()
    assert supervisor.wait() == 0
    assert (below / "done").read_text() == "0\n"


def test_is_read_again_at_a_start_anew(app: Application, programs: Programs) -> None:
    age(app, "old")
    say(app.folder, f'app = "app"\nredis = "{app.url}"\nprocesses = 1')
    supervisor = serve(programs).ready(1)
    say(app.folder, f'app = "app"\nredis = "{app.url}"\nprocesses = 3')
    supervisor.signal(signal.SIGHUP)
    anew(supervisor)
    supervisor.ready(3)
    say(app.folder, "nonsense = 1")
    supervisor.signal(signal.SIGHUP)
    assert "there is no setting 'nonsense'" in supervisor.logged("the old goes on")
    served(app, "old", 0)
    assert supervisor.stop() == 0


def test_mistake_ends_the_start_in_a_line(app: Application, programs: Programs) -> None:
    say(app.folder, "drain-secnds = 3")
    supervisor = serve(programs)
    assert supervisor.wait() == EXIT_USAGE
    [line] = supervisor.log.splitlines()
    assert line.endswith("there is no setting 'drain-secnds'; is it drain_seconds?")


@pytest.mark.parametrize(
    "main", ["raise SystemExit(manager.run(once=True))", "manager.launch(once=True)"]
)
def test_programs_do_not_read_it(app: Application, main: str) -> None:
    """Which a file in the folder they happen to be started in would surprise."""
    say(app.folder, "nonsense = 1")
    app.push({"n": 0})
    assert app.run(main).wait() == 0
    assert app.done == [0]


# Operators' commands.


def test_commands_find_the_server(
    here: Path, server: Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.client.sadd("woodenwaiter:queues", "t:d")
    say(here, f'redis = "{server.url}"')
    assert main(["status"]) == 0
    assert "t:d" in capsys.readouterr().out
    nowhere = f"redis://127.0.0.1:{free_port()}"
    say(here, f'redis = "{nowhere}"')
    assert main(["status"]) == EXIT_REDIS
    assert main(["--redis", server.url, "status"]) == 0
    monkeypatch.setenv("WOODENWAITER_REDIS_URL", server.url)
    assert main(["status"]) == 0


def test_commands_log_in(here: Path, make_server: Any, capsys: pytest.CaptureFixture[str]) -> None:
    server = make_server(password="s3cret")
    (here / "secret").write_text("s3cret\n")
    say(here, f'redis = "redis://127.0.0.1:{server.port}"\nredis-password-file = "secret"')
    assert main(["status"]) == 0
    (here / "below").mkdir()
    os.chdir(here / "below")
    assert main(["status"]) == 0
    (here / "secret").write_text("wrong\n")
    assert main(["status"]) == EXIT_REDIS
    assert "s3cret" not in capsys.readouterr().err


def test_commands_tell_mistakes(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    say(here, "rediss = 3")
    assert main(["status"]) == EXIT_USAGE
    [line] = capsys.readouterr().err.splitlines()
    assert line.endswith("there is no setting 'rediss'; is it redis?")


# What counts, and who says so.


def config(capsys: pytest.CaptureFixture[str]) -> dict[str, tuple[Any, str]]:
    assert main(["config", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["version"] == 1
    return {each["setting"]: (each["value"], each["origin"]) for each in document["settings"]}


def test_config_tells_each_setting_and_where_it_comes_from(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = 'app = "shop"\nslow = 2\ndrain-seconds = 3\nprocesses = [0, "cpus"]\nembedded = true'
    say(here, text)
    monkeypatch.setenv("WOODENWAITER_SLOW", "4")
    monkeypatch.setenv("WOODENWAITER_METRICS", ":9100")
    told, path = config(capsys), str(here / "pyproject.toml")
    assert told.keys() == {"app", *Settings.__dataclass_fields__}
    assert told["app"] == ("shop", path)
    assert told["slow"] == (4.0, "WOODENWAITER_SLOW")
    assert told["metrics"] == (":9100", "WOODENWAITER_METRICS")
    assert told["drain_seconds"] == (3, path)
    assert told["processes"] == ([0, "cpus"], path)
    assert told["embedded"] == (True, path)
    assert told["lease_seconds"] == (40.0, "default")
    assert told["redis"] == (None, "default")


def test_config_for_people(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    say(here, 'app = "shop"\nprocesses = [0, 4]\nonce = true')
    assert main(["config"]) == 0
    shown = [line.split() for line in capsys.readouterr().out.splitlines()]
    path = str(here / "pyproject.toml")
    assert shown[0] == ["setting", "value", "from"]
    for expected in (
        ["app", "shop", path],
        ["processes", "0-4", path],
        ["once", "true", path],
        ["drain_seconds", "25", "default"],
        ["redis", "default"],
    ):
        assert expected in shown


@pytest.mark.parametrize(
    "url",
    [
        "redis://user:s3cret@h/1",
        "redis://:s3cret@h",
        "redis://s3cret@h",
        "redis://h?password=s3cret",
        "redis+sentinel://:s3cret@a,b/service?sentinel_password=s3cret",
        "redis+cluster://u:s3cret@a,b",
    ],
)
@pytest.mark.parametrize("by", ["file", "variable"])
def test_config_hides_passwords(
    here: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    url: str,
    by: str,
) -> None:
    if by == "file":
        say(here, f'redis = "{url}"')
    else:
        say(here, 'redis = "redis://other"')
        monkeypatch.setenv("WOODENWAITER_REDIS_URL", url)
    for options in ([], ["--json"]):
        assert main(["config", *options]) == 0
        printed = "".join(capsys.readouterr())
        assert "s3cret" not in printed
        assert "other" not in printed
    address, origin = config(capsys)["redis"]
    assert address.startswith("redis")
    expected = str(here / "pyproject.toml") if by == "file" else "WOODENWAITER_REDIS_URL"
    assert origin == expected


def test_config_tells_mistakes(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value, told in (
        ("WOODENWAITER_REDIS_URL", "redis://:s3cret@h:x", "WOODENWAITER_REDIS_URL is no URL"),
        ("WOODENWAITER_SLOW", "x", "WOODENWAITER_SLOW must be a number of seconds"),
    ):
        monkeypatch.setenv(variable, value)
        assert main(["config"]) == EXIT_USAGE
        [line] = capsys.readouterr().err.splitlines()
        assert told in line
        assert "s3cret" not in line
        monkeypatch.delenv(variable)


def test_check_reads_it(here: Path, server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    say(here, f'redis = "{server.url}"')
    assert main(["check"]) == 0
    assert server.url.rpartition("/")[0].rpartition("@")[2] in capsys.readouterr().out


def test_installed_command(programs: Programs) -> None:
    say(programs.folder, "slow = 2")
    command = programs.start("-m", "woodenwaiter", "config")
    assert command.wait() == 0
    [line] = [each.split() for each in command.log.splitlines() if each.startswith("slow ")]
    assert line == ["slow", "2", f"{programs.folder}/pyproject.toml"]
