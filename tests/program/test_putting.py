"""``woodenwaiter put``: what it pushes, and what it refuses."""

from __future__ import annotations

import io
import json
import re
import shlex
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from woodenwaiter import WoodenWaiter
from woodenwaiter.commands.operate import main
from woodenwaiter.errors import EXIT_REDIS, EXIT_USAGE

from ..support import Operate, Programs, Server, eventually

FOODS: list[dict[str, Any]] = [
    {"a": 1.0e5, "b": ["é", None, True]},
    {},
    {"text": "\udcff\x1e\n", "big": 10**40},
]


@pytest.fixture
def put(operate: Operate, client: Any) -> Callable[..., str]:
    """Puts something into ``t:d``, and ends with this code; returns what it printed, and what it
    complained of behind that."""
    client.sadd("woodenwaiter:queues", "t:d", "images:resize")

    def put(*arguments: str, queue: str = "t:d", code: int = 0) -> str:
        ended, printed, errors = operate("put", queue, *arguments)
        assert ended == code, errors
        return printed + errors

    return put


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    def give(data: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))

    return give


def produced(server: Server) -> list[bytes]:
    """What a producer pushes for FOODS."""
    waiter = WoodenWaiter.from_url(server.url)
    for each in FOODS:
        waiter.take_dish("t:other", each)
    waiter.redis_clt.close()
    entries: list[bytes] = server.client.lrange("t:other", 0, -1)
    return entries


def test_tasks_are_pushed_as_a_producer_does(
    put: Callable[..., str], server: Server, tmp_path: Path, stdin: Callable[[bytes], None]
) -> None:
    texts = [json.dumps(each, ensure_ascii=True, indent=1) for each in FOODS]
    for text in texts:
        assert put(text) == "1 task put into t:d\n"
    expected = produced(server)
    assert server.client.lrange("t:d", 0, -1) == expected
    lines = [json.dumps(each, separators=(",", ":")) for each in FOODS]
    (tmp_path / "tasks").write_text("\ufeff" + "\r\n\n  \n".join(lines))
    assert put(f"@{tmp_path / 'tasks'}") == "3 tasks put into t:d\n"
    stdin("\n".join(lines).encode() + b"\n")
    assert put("-") == "3 tasks put into t:d\n"
    assert server.client.lrange("t:d", 0, -1) == expected * 3
    assert server.client.keys("{t:d}:*") == []
    told = json.loads(put("{}", "--json"))
    assert told == {"version": 1, "queue": "t:d", "put": 1, "before": 0}


def test_readme_puts(
    put: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tasks.jsonl").write_text('{"n": 1}\n{"n": 2}\n')
    text = (Path(__file__).parents[2] / "README.rst").read_text()
    commands = re.findall(r"\$ woodenwaiter (put .*)\n    (.*)\n", text)
    assert len(commands) == 2
    for command, told in commands:
        _, queue, tasks = shlex.split(command)
        assert put(tasks, queue=queue) == f"{told}\n"


def test_full_server_refuses_it_as_it_does_producers(
    make_server: Callable[..., Server], capsys: pytest.CaptureFixture[str]
) -> None:
    server = make_server()
    server.client.config_set("maxmemory", "1")
    assert main(["--redis", server.url, "put", "t:d", "{}", "--yes"]) == EXIT_REDIS
    assert "OOM" in capsys.readouterr().err
    assert server.client.keys("*") == []


NO_OBJECTS = [
    (b"[1]", "a JSON list, not an object"),
    (b'{"n": 1', "not JSON in UTF-8"),
    (b"\xff", "not JSON in UTF-8"),
    (b'\x1e{"id": "x"}', "unreadable header"),
    (b"[" * 100_000, "nested too deeply"),
]


@pytest.mark.parametrize(("line", "told"), NO_OBJECTS, ids=[told for _, told in NO_OBJECTS])
def test_line_that_is_no_object_is_named_and_nothing_is_pushed(
    put: Callable[..., str], client: Any, stdin: Callable[[bytes], None], line: bytes, told: str
) -> None:
    stdin(b'{"n": 1}\n' * 500 + b"\n" + line + b'\n{"n": 2}')
    [complaint] = put("-", code=EXIT_USAGE).splitlines()
    assert complaint.startswith(f"woodenwaiter: nothing was put: line 502: {told}")
    assert client.llen("t:d") == 0
    if line.isascii() and len(line) < 100:
        [complaint] = put(line.decode(), code=EXIT_USAGE).splitlines()
        assert complaint.startswith(f"woodenwaiter: nothing was put: {told}")


def test_file_that_cannot_be_read(put: Callable[..., str], tmp_path: Path) -> None:
    for file, why in ((tmp_path / "no", "No such file or directory"), (tmp_path, "Is a directory")):
        told = put(f"@{file}", code=EXIT_USAGE)
        assert told == f"woodenwaiter: {file} cannot be read: {why}\n"


def test_nothing_is_put_of_nothing(put: Callable[..., str], stdin: Callable[[bytes], None]) -> None:
    stdin(b"\n")
    assert put("-") == "0 tasks put into t:d\n"


def test_queue_that_nobody_has_served_is_asked_about(put: Callable[..., str], client: Any) -> None:
    told = put("{}", queue="images:rezise", code=EXIT_USAGE)
    assert told == (
        "woodenwaiter: this would put 1 task into images:rezise, which nobody has ever served "
        "(is it images:resize?): say --yes, as there is nobody here to be asked\n"
    )
    assert "served: say" in put("{}", queue="x:y", code=EXIT_USAGE)
    assert client.exists("images:rezise", "x:y") == 0
    assert put("{}", "--yes", queue="x:y") == "1 task put into x:y\n"
    client.hset("{new:one}:settled", "owner", "0 1")  # it serves, and is in no list
    assert put("{}", queue="new:one") == "1 task put into new:one\n"


def test_put_that_is_interrupted_goes_on_where_it_was(
    put: Callable[..., str], programs: Programs, server: Server, client: Any
) -> None:
    file = programs.folder / "tasks"
    file.write_text("".join(f'{{"n": {n}}}\n' for n in range(200_000)))
    command = programs.start("-m", "woodenwaiter", "--redis", server.url, "put", "t:d", f"@{file}")
    eventually(lambda: client.llen("t:d"), "some are in")
    command.signal(signal.SIGINT)
    assert command.wait() == 128 + signal.SIGINT
    inside = client.llen("t:d")
    assert 0 < inside < 200_000
    assert "of 200,000 are in: the same again puts the rest" in command.log
    assert put(f"@{file}") == (
        f"{200_000 - inside:,} tasks put into t:d; {inside:,} were in already, by a put that was "
        "interrupted\n"
    )
    assert [json.loads(each)["n"] for each in client.lrange("t:d", 0, -1)] == [
        *range(199_999, -1, -1)
    ]
    assert client.keys("{t:d}:put:*") == []
