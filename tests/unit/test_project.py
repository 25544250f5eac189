"""What pyproject.toml says of a service."""

from __future__ import annotations

import os
import sys
import textwrap
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from woodenwaiter.commands.project import HEADER, Project, project_here
from woodenwaiter.errors import EXIT_USAGE, StartupError
from woodenwaiter.settings import Settings

needs_tomllib = pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.11 brought tomllib")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, below which there is another one."""
    (tmp_path / "below" / "deep").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(folder: Path, text: str, header: str = "[tool.woodenwaiter]") -> Project:
    (folder / "pyproject.toml").write_text(f"{header}\n{text}\n")
    return project_here()


@needs_tomllib
@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", {}),
        ("drain-seconds = 60", {"drain_seconds": 60}),
        ("drain_seconds = 60.5", {"drain_seconds": 60.5}),
        ('processes = "2 t:d=0-4"', {"processes": "2 t:d=0-4"}),
        ("processes = 4", {"processes": 4}),
        ('processes = [0, "cpus"]', {"processes": (0, "cpus")}),
        ('"cpus" = 4', {"cpus": 4}),
        ('threads = "auto"', {"threads": "auto"}),
        ("embedded = true", {"embedded": ""}),
        ("embedded = false", {"embedded": None}),
        ("once = true\nreload = false", {"once": True, "reload": False}),
        ("slow = 2\ndurable = 1", {"slow": 2, "durable": 1}),
        ('redis = "redis://:pw@h/1"', {"redis": "redis://:pw@h/1"}),
    ],
)
def test_values(here: Path, text: str, values: dict[str, Any]) -> None:
    found = said(here, text)
    assert (found.path, found.app, found.values) == (str(here / "pyproject.toml"), "", values)
    Settings.from_environment({}, found.values)


@needs_tomllib
def test_each_setting_may_stand_there(here: Path) -> None:
    told = {
        str: '"x"',
        bool: "true",
        int: "1",
        float: "1.5",
    }
    by_name = {"redis": '"redis://h"', "log_level": '"debug"', "log_format": '"json"'}
    by_name |= {
        "import_in": '"worker"',
        "metrics": '":9100"',
        "web": '":8090"',
        "processes": "2",
        "cpus": "3",
    }
    by_name |= {"threads": "4", "redis_password_file": '"p"', "embedded": '"d"', "slow": "3"}
    for field in fields(Settings):
        text = by_name.get(field.name) or told[type(field.default)]
        if field.name == "lease_seconds":
            text = "30"
        assert field.name in said(here, f"{field.name.replace('_', '-')} = {text}").values


@needs_tomllib
def test_paths_are_from_the_file_on(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = 'app = "tasks"\npidfile = "x.pid"\nembedded = "/data"\nredis-password-file = "../secret"'
    (here / "pyproject.toml").write_text(f"[tool.woodenwaiter]\n{text}")
    monkeypatch.chdir(here / "below" / "deep")
    found = project_here()
    assert found.app == "tasks"
    assert found.values == {
        "pidfile": str(here / "x.pid"),
        "embedded": "/data",
        "redis_password_file": str(here / "../secret"),
    }


@needs_tomllib
def test_nearest_file_counts(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said(here, "slow = 1")
    (here / "below" / "pyproject.toml").write_text("[project]\nname = 'woodenwaiter-user'")
    monkeypatch.chdir(here / "below" / "deep")
    assert project_here() == Project("", "", {})
    (here / "below" / "pyproject.toml").unlink()
    assert project_here().values == {"slow": 1}


@needs_tomllib
def test_what_anybody_may_have_put_there_is_not_read(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said(here, "slow = 1")
    monkeypatch.chdir(here / "below")
    here.chmod(0o777)
    assert project_here() == Project("", "", {})
    here.chmod(0o755)
    assert project_here().values == {"slow": 1}


def test_current_folder_that_is_gone(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(here / "below" / "deep")
    (here / "below" / "deep").rmdir()
    assert project_here() == Project("", "", {})


@needs_tomllib
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("drain-secnds = 3", "there is no setting 'drain-secnds'; is it drain_seconds?"),
        ("zzz = 3", "there is no setting 'zzz'; there are app, redis, "),
        ('"\\u001b[2J" = 3', "there is no setting"),
        ('drain-seconds = "3"', "drain-seconds must be a number, not '3'"),
        ("drain-seconds = -3", "drain_seconds must be a number of seconds from 0"),
        ("drain-seconds = nan", "drain_seconds must be a number of seconds from 0"),
        ("lease-seconds = true", "lease-seconds must be a number, not True"),
        ("once = 1", "once must be true or false, not 1"),
        ('once = "yes"', "once must be true or false"),
        ("durable = 1.5", "durable must be a number, not 1.5"),
        ("redis = 3", "redis must be a text, not 3"),
        ('redis = "nonsense"', "redis is no URL of a Redis server: a URL begins with"),
        ('redis = "redis://:s3cret@h:port"', "redis is no URL of a Redis server"),
        ("app = 3", "app must be a text"),
        ("cpus = true", "cpus must be a number or a text"),
        ("cpus = 0", "cpus: the number of processes must be at least 1"),
        ("threads = [1]", "threads must be a number or a text"),
        ("processes = 0", "the number of processes must be at least 1"),
        ("processes = [0]", "processes must be a number, or from how many to how many"),
        ("processes = [3, 2]", "processes must be from how many to how many"),
        ("processes = [[1], 2]", "the number of processes must be"),
        ("processes = {a = 1}", "processes must be a number or a text or a list"),
        ("processes = 1979-05-27", "processes must be a number or a text or a list"),
        ('embedded = "yes"', "embedded must be the path of a folder, true or false"),
        ("embedded = 3", "embedded must be a text"),
        ('log-level = "loud"', "log_level must be one of debug"),
        ('metrics = "x"', "metrics must be HOST:PORT"),
        ("x = [", "cannot be read: "),
        ("slow = 1\nslow = 2", "cannot be read: "),
    ],
)
def test_nonsense_is_told_in_a_line_that_names_the_file(
    here: Path, text: str, message: str
) -> None:
    with pytest.raises(StartupError) as raised:
        said(here, text)
    assert str(raised.value).startswith(str(here / "pyproject.toml"))
    assert message in str(raised.value)
    assert "s3cret" not in str(raised.value)
    assert raised.value.exit_code == EXIT_USAGE


@needs_tomllib
@pytest.mark.parametrize("text", ["tool.woodenwaiter = 3", "[tool]\nwoodenwaiter = 3"])
def test_section_that_is_none(here: Path, text: str) -> None:
    with pytest.raises(StartupError, match="must be a table"):
        said(here, "", text)


@pytest.mark.parametrize(
    "text",
    ["", "tool = 3 # woodenwaiter", "[tool.other]", '[project]\ndependencies=["woodenwaiter"]'],
)
def test_file_without_it(here: Path, text: str) -> None:
    assert said(here, "", text) == Project("", "", {})


def test_file_that_is_no_text(here: Path) -> None:
    (here / "pyproject.toml").write_bytes(b"\xff woodenwaiter")
    with pytest.raises(StartupError, match="cannot be read: it is not UTF-8"):
        project_here()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[tool.woodenwaiter]", True),
        ("x = 1\n  [ tool . 'woodenwaiter' ] # x", True),
        ('[tool."woodenwaiter"]', True),
        ("[tool.woodenwaiter-other]", False),
        ("# [tool.woodenwaiter]", False),
        ('dependencies = ["woodenwaiter"]', False),
        ("[tool.setuptools.package-data]\nwoodenwaiter = []", False),
    ],
)
def test_older_python_says_so_only_where_the_section_is(
    here: Path, monkeypatch: pytest.MonkeyPatch, text: str, expected: bool
) -> None:
    assert bool(HEADER.search(text)) is expected
    monkeypatch.setattr(sys, "version_info", (3, 10, 13))
    if not expected:
        assert said(here, "", text) == Project("", "", {})
        return
    with pytest.raises(StartupError, match=r"takes Python 3\.11 to be read, and this is 3\.10"):
        said(here, "", text)


PASSWORD = {"redis": "redis://h", "redis_password_file": "/secret", "slow": 1}


@pytest.mark.parametrize(
    ("given", "environment", "names"),
    [
        ({}, {}, {"redis", "redis_password_file", "slow"}),
        ({"redis": "redis://other"}, {}, {"slow"}),
        ({}, {"WOODENWAITER_REDIS_URL": "redis://other"}, {"slow"}),
        ({"slow": 3}, {"WOODENWAITER_SLOW": "2"}, {"redis", "redis_password_file", "slow"}),
    ],
)
def test_password_is_for_its_own_server_alone(
    given: dict[str, Any], environment: dict[str, str], names: set[str]
) -> None:
    assert Project("p", "", PASSWORD).beside(given, environment).keys() == names


def test_password_for_whatever_server_there_is() -> None:
    values = {"redis_password_file": "/secret"}
    assert Project("p", "", values).beside({"redis": "redis://other"}, {}) == values


def test_variables_and_options_are_stronger() -> None:
    weaker = {"slow": 1, "drain_seconds": 1, "durable": 1}
    environment = {"WOODENWAITER_SLOW": "2", "WOODENWAITER_DRAIN_SECONDS": "2"}
    settings = Settings.from_environment(environment, weaker, slow=3)
    assert (settings.slow, settings.drain_seconds, settings.durable) == (3, 2, 1)


def test_application(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [""])
    project = Project(str(here / "pyproject.toml"), "tasks", {})
    assert project.app_instead_of("other") == "other"
    assert project.app_instead_of("") == ""
    assert project.app_instead_of(None) == "tasks"
    assert sys.path == [""]  # where the file is, too
    monkeypatch.chdir(here / "below")
    assert project.app_instead_of(None) == "tasks"
    assert sys.path == [str(here), ""]
    with pytest.raises(StartupError, match="APP is missing"):
        Project("", "", {}).app_instead_of(None)
    assert os.getcwd() == str(here / "below")


@needs_tomllib
def test_example_in_readme(here: Path) -> None:
    text = (Path(__file__).parents[2] / "README.rst").read_text()
    block = text.split(".. code-block:: toml\n\n", 1)[1].split("\n\n", 1)[0]
    found = said(here, textwrap.dedent(block), "")
    assert (found.app, found.values["drain_seconds"]) == ("tasks", 60)
    assert len(found.values) == 4
