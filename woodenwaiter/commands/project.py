"""What a project's pyproject.toml says of its service, in ``[tool.woodenwaiter]``."""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from ..errors import StartupError, WrongValue
from ..protocol.urls import REDIS_URL, client_at
from ..settings import NO, YES, Settings
from .similar import hint_at

FILE = "pyproject.toml"
SECTION = "tool.woodenwaiter"
APP = "app"

PATHS = ("redis_password_file", "embedded", "pidfile", "web_auth")
"""Settings that name a file or a folder: from the project's on."""

HEADER = re.compile(r"""^\s*\[\s*tool\s*\.\s*["']?woodenwaiter["']?\s*\]""", re.MULTILINE)
"""How the section begins, for who cannot read the rest."""

KINDS = {str: "a text", int: "a number", float: "a number", bool: "true or false", list: "a list"}


@dataclass(frozen=True)
class Project:
    """``path``: of the file, "" where none has the section; ``app``: what to run; ``values``: of
    `Settings`."""

    path: str
    app: str
    values: Mapping[str, Any]

    def beside(
        self, given: Mapping[str, Any], environment: Mapping[str, str] = os.environ
    ) -> dict[str, Any]:
        """The values that count, but for what an option or a variable says. Where another server
        is named, this one's password is not for it."""
        values = dict(self.values)
        if "redis" in values and (given.get("redis") or environment.get(REDIS_URL)):
            del values["redis"]
            values.pop("redis_password_file", None)
        return values

    def app_instead_of(self, app: str | None) -> str:
        """The application that was named, or this one's, for which Python is to look where the
        file is. Raises StartupError where there is none."""
        if app is not None:
            return app
        if not self.app:
            raise StartupError(
                "APP is missing: name what to run, as in python -m woodenwaiter.supervisor tasks "
                f'or --app tasks, or have app = "tasks" in [{SECTION}] of {FILE}'
            )
        folder = os.path.dirname(self.path)
        if folder not in (*sys.path, os.getcwd()) and not getattr(sys.flags, "safe_path", False):
            sys.path.insert(0, folder)
        return self.app


def project_here() -> Project:
    """That of the current folder, or of the nearest one above that has such a file.

    Raises StartupError where it cannot be read, or says what makes no sense.
    """
    path = next(_candidates(), None)
    if path is None:
        return Project("", "", {})
    try:
        text = path.read_text("utf-8")
    except (OSError, ValueError) as error:
        raise StartupError(f"{path} cannot be read: {_why(error)}") from None
    section = _section(path, text) if "woodenwaiter" in text else None
    return Project("", "", {}) if section is None else _project(path, section)


def _candidates() -> Iterator[Path]:
    """Not in a folder where anybody may put one, unless it is the current one, which Python's
    imports trust as well."""
    try:
        here = Path.cwd()
    except OSError:  # it has been removed
        return
    for folder in (here, *here.parents):
        if folder != here and _is_open_to_all(folder):
            return
        if os.path.isfile(folder / FILE):
            yield folder / FILE


def _is_open_to_all(folder: Path) -> bool:
    """Or not to be looked at."""
    try:
        return bool(folder.stat().st_mode & stat.S_IWOTH)
    except OSError:
        return True


def _section(path: Path, text: str) -> Any:
    """What is in it; None where there is none."""
    if sys.version_info < (3, 11):
        if HEADER.search(text):
            raise StartupError(
                f"{path}: [{SECTION}] takes Python 3.11 to be read, and this is "
                f"{sys.version_info[0]}.{sys.version_info[1]}: give options or variables instead"
            )
        return None
    import tomllib

    try:
        tools = tomllib.loads(text).get("tool", {})
    except tomllib.TOMLDecodeError as error:
        raise StartupError(f"{path} cannot be read: {error}") from None
    return tools.get("woodenwaiter") if isinstance(tools, dict) else None


def _project(path: Path, section: Any) -> Project:
    try:
        if not isinstance(section, dict):
            raise StartupError("it must be a table")
        found = {key.replace("-", "_"): key for key in section}
        _require_known(found)
        values = {name: _value(name, key, section[key]) for name, key in found.items()}
        app = str(values.pop(APP, ""))
        for name in PATHS:
            if values.get(name):
                values[name] = str(path.parent / values[name])
        Settings(**values)
        _require_url(values.get("redis"))
    except (StartupError, WrongValue) as error:
        raise StartupError(f"{path}: [{SECTION}]: {error}") from None
    return Project(str(path), app, values)


def _require_known(found: Mapping[str, str]) -> None:
    names = [APP, *(field.name for field in fields(Settings))]
    for name, key in found.items():
        if name not in names:
            hint = hint_at(name, names) or f"; there are {', '.join(names)}"
            raise StartupError(f"there is no setting {key!r:.100}{hint}")


def _value(name: str, key: str, value: Any) -> Any:
    """As the setting of that name has it."""
    if name == "embedded" and isinstance(value, bool):
        return "" if value else None
    allowed = _kinds_of(name)
    if type(value) not in allowed:
        kinds = dict.fromkeys(KINDS[kind] for kind in allowed if kind in KINDS)
        raise StartupError(f"{key} must be {' or '.join(kinds)}, not {value!r:.100}")
    if isinstance(value, list):
        return tuple(value)
    if name == "embedded" and value.lower() in (*YES, *NO):
        raise StartupError(f"{key} must be the path of a folder, true or false, not {value!r}")
    return value


def _kinds_of(name: str) -> list[type]:
    """What TOML may have for it."""
    hint = str if name == APP else get_type_hints(Settings)[name]
    kinds = [get_origin(each) or each for each in get_args(hint) or (hint,)]
    kinds = [list if kind is tuple else kind for kind in kinds]
    return [*kinds, *([int] if float in kinds else [])]


def _require_url(url: str | None) -> None:
    try:
        if url is not None:
            client_at(url)
    except WrongValue as error:
        raise StartupError(f"redis is no URL of a Redis server: {error}") from None


def _why(error: OSError | ValueError) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else "it is not UTF-8"
