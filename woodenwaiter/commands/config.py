"""``woodenwaiter config``: what a supervisor that starts here goes by, and who says so."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any, NamedTuple

from ..errors import StartupError, WrongValue
from ..protocol.client import address_of
from ..protocol.link import Link
from ..protocol.urls import REDIS_URL, client_at
from ..settings import Settings
from .documents import document
from .parsers import Commands, Parents
from .project import APP, Project, project_here
from .table import Cell, drawn, look_of_stdout, text_column

DEFAULT = "default"

COLUMNS = (text_column("setting"), text_column("value"), text_column("from"))


class Known(NamedTuple):
    """``origin``: a variable's name, a file's path, or DEFAULT."""

    setting: str
    value: Any
    origin: str


def add_config(commands: Commands, _: Parents) -> None:
    command = commands.add_parser(
        "config", help="each setting of a supervisor that is started here, and who says so"
    )
    command.add_argument("--json", action="store_true", help="for programs, as README.rst says")
    command.set_defaults(run=show_config, is_local=True)


def show_config(given: argparse.Namespace, _: Link) -> int:
    """Of what no option says otherwise."""
    known = [*_effective(project_here(), os.environ)]
    if given.json:
        print(document(settings=[each._asdict() for each in known]))
        return 0
    rows = [[Cell(each.setting), Cell(_shown(each.value)), Cell(each.origin)] for each in known]
    for row in drawn(COLUMNS, rows, look_of_stdout()):
        print(row)
    return 0


def _effective(project: Project, environment: Mapping[str, str]) -> Iterator[Known]:
    values = project.beside({}, environment)
    settings = Settings.from_environment(environment, values)
    yield Known(APP, project.app or None, project.path if project.app else DEFAULT)
    for name in sorted(field.name for field in fields(Settings)):
        if name == "redis":
            yield _server(settings.redis, environment.get(REDIS_URL), project.path)
            continue
        variable = f"WOODENWAITER_{name.upper()}"
        said_by = project.path if name in values else DEFAULT
        origin = variable if variable in environment else said_by
        value = getattr(settings, name)
        yield Known(name, True if (name, value) == ("embedded", "") else value, origin)


def _server(url: str | None, variable: str | None, path: str) -> Known:
    """Without a password, which a URL may have in several places."""
    said = variable or url
    origin = REDIS_URL if variable else path if url else DEFAULT
    try:
        return Known("redis", said and address_of(client_at(said)), origin)
    except WrongValue as error:
        raise StartupError(f"{origin} is no URL of a Redis server: {error}") from None


def _shown(value: Any) -> str:
    """As the file would have it, or nothing."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return "-".join(map(str, value))
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
