"""``woodenwaiter top`` on a terminal."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("textual", reason="textual is not installed")
pytest.importorskip("pyte", reason="pyte is not installed")

from woodenwaiter.errors import EXIT_REDIS, EXIT_UNKNOWN, EXIT_USAGE
from woodenwaiter.protocol.keys import Keys

from ..application import Application, customer
from ..support import Server, eventually, free_port, path_with, run
from ..terminal import Terminal

HOSTILE = '\x1b[31mred\x1b]0;title\x07\u202e\r\n[bold]{"forged": true}\x9b2J'.encode() + b"\xff\x00"

RESTORED = b"\x1b[?1049l"
"""What a terminal is told for its lines of before to come back."""

Top = Callable[..., Terminal]


@pytest.fixture
def top(server: Server) -> Iterator[Top]:
    """Runs it, with a look every 0.2 s; waits until it shows something, if it ``opens``."""
    terminals: list[Terminal] = []

    def run(*arguments: str, url: str = server.url, opens: bool = True, **options: Any) -> Terminal:
        watch = () if "--watch" in arguments else ("--watch", "0.2")
        terminal = Terminal("--redis", url, "top", *watch, *arguments, **options)
        terminals.append(terminal)
        if opens:
            terminal.shows("woodenwaiter top ", " by waiting ")
        return terminal

    yield run
    for terminal in terminals:
        terminal.close()


def fill(client: Any, *queues: str | bytes) -> None:
    client.sadd("woodenwaiter:queues", *queues)


# What it shows.


def test_pool_under_load_is_seen(app: Application, top: Top) -> None:
    handler = """
    if foods["n"] < 0:
        raise Reject("no such colour: octarine")
    if foods["n"] > 900:
        delivery().progress(0.4, "page 3 of 8")
    note("done", foods["n"])
    time.sleep(300 if foods["n"] > 900 else 0.01)
    """
    app.write(customer("t:d", processes=3), customer("mail:send"), handler=handler)
    app.push({"n": 1000}, {"n": -1})
    supervisor = app.serve("--drain-seconds", "0")
    terminal = top()
    row = terminal.shows(" 1/3 ", seconds=30)
    assert row.startswith("t:d ")
    terminal.type("G\r")
    terminal.shows("dead     ", "rejected: no such colour")
    terminal.type("r")
    assert "40%: page 3 of 8" in terminal.shows("t:d", "running: 1", "40%") or True
    terminal.type("h")
    terminal.shows("hosts: 1", "1 of 4")
    app.push(*({"n": n} for n in range(300)))
    eventually(lambda: len(app.noted("done")) == 301)
    terminal.type("h")
    terminal.shows("all 2")
    terminal.shows_no("hosts: 1")
    supervisor.stop()
    terminal.type("q")
    assert terminal.end() == 0


def test_last_hour_is_a_curve(top: Top, client: Any) -> None:
    fill(client, "t:d")
    now = int(time.time()) // 60 * 60000
    done = 0
    for minute in range(64, 0, -1):
        done += 10 if minute > 30 else 100
        client.lpush("{t:d}:minutes", f"{now - minute * 60000} {done} {done} 0 0 0")
    client.hset("{t:d}:tally", "done", done)
    terminal = top()
    assert terminal.shows("▂" * 4, "█" * 4).startswith("t:d ")
    terminal.type("\r")
    terminal.shows(f"came     {'▂' * 28}", f"done     {'▂' * 28}", "█" * 28)


def test_tasks_of_a_queue_are_shown_by_state(top: Top, client: Any) -> None:
    fill(client, "a:d", "t:d")
    client.lpush("t:d", *(f'{{"n": {n}}}' for n in range(20)))
    client.zadd("{t:d}:delayed", {'{"later": 1}': time.time() * 1000 + 3_600_000})
    for n in range(20):
        client.xadd("{t:d}:dead", {"payload": f'{{"gone": {n}}}', "reason": "so"})
    terminal = top()
    terminal.type("\r")
    terminal.shows('next     {"n": 0}', '"later": 1', '{"gone": 19}')
    assert "due in 60 min" in terminal.shows("delayed  ")
    assert client.llen("t:d") == 20
    terminal.type("G")
    terminal.shows("── a:d ", "nothing waits, is delayed or dead")


def test_queues_are_sorted_selected_and_filtered(top: Top, client: Any) -> None:
    fill(client, "a:few", "b:many", "c/d:none")
    client.lpush("a:few", "{}")
    client.lpush("b:many", "{}", "{}")
    client.xadd("{c/d:none}:dead", {"payload": "{}"})
    terminal = top()

    def names() -> list[str]:
        return [line.split()[0] for line in terminal.lines[3:6] if line]

    eventually(lambda: names() == ["b:many", "a:few", "c/d:none"])
    terminal.type("ssss")
    terminal.shows("by dead")
    assert names() == ["c/d:none", "a:few", "b:many"]
    terminal.type("SSSS")
    terminal.shows("by waiting")
    terminal.type("/C/d\r")
    terminal.shows("1 of 3", "only C/d")
    assert names() == ["c/d:none"]
    terminal.type("\x1b")
    terminal.shows("all 3")
    terminal.type("/zzz")
    terminal.shows("no queue has that in its name")
    terminal.type("\x1b")
    terminal.shows("all 3")


def test_a_thousand_queues_cost_what_they_cost_however_many_keys(top: Top, client: Any) -> None:
    fill(client, *(f"t:{n:04}" for n in range(1000)))
    client.config_resetstat()
    terminal = top("--watch", "1")
    terminal.shows("all 1000", "t:0000")
    began = time.monotonic()
    terminal.type("G")
    terminal.shows("t:0999")
    for _ in range(20):
        terminal.type("\rk\rjgG\x1b[5~\x1b[6~/9\r")
        terminal.read()
    terminal.shows("only 9")
    terminal.type("q")
    assert terminal.end() == 0
    seconds = time.monotonic() - began
    scripts = client.info("commandstats")["cmdstat_evalsha"]["calls"]
    assert scripts <= (2 * seconds + 3) * 2100


def test_names_and_tasks_drive_no_terminal(top: Top, client: Any) -> None:
    name = HOSTILE + b":d"
    fill(client, name, "長い" * 40 + ":d", "[red]t[/red]:d")
    client.lpush(name, HOSTILE)
    keys = Keys(name.decode(errors="surrogateescape"))
    entry = b'\x1e{"id": "a", "reason": "\\u001b[2J"}\n' + HOSTILE
    client.zadd(keys.delayed.encode(errors="surrogateescape"), {entry: 1})
    client.xadd(
        keys.dead.encode(errors="surrogateescape"),
        {"payload": HOSTILE, "reason": HOSTILE, HOSTILE: HOSTILE},
    )
    client.zadd("{woodenwaiter:hosts}", {HOSTILE: time.time() * 1000})
    client.set(b"{woodenwaiter:hosts}:" + HOSTILE, b"{")
    terminal = top()
    terminal.type("\r")
    terminal.shows(r"\x1b[31m", "dead     ", "next     ")
    terminal.shows("[red]t[/red]:d")
    terminal.type("h")
    terminal.shows("hosts: 1", "it is no JSON")
    terminal.type("q")
    assert terminal.end() == 0
    written = terminal.written.replace(b"\x1b[31;", b"")
    for foul in (b"\x1b[31mred", b"\x1b]0;", b"title\x07", "\u202e".encode(), b"\x1b[2J\xff"):
        assert foul not in written


# Where it cannot look.


def test_server_that_goes_away_and_comes_back(top: Top, make_server: Callable[..., Server]) -> None:
    server = make_server()
    fill(server.client, "t:d")
    terminal = top(url=server.url)
    terminal.shows("t:d ")
    server.stop()
    terminal.shows("no usable Redis at", " ago", "t:d ")
    server.start()
    server.client.lpush("t:d", *["{}"] * 7654)
    terminal.shows("7654")
    terminal.shows_no("no usable Redis")
    terminal.type("q")
    assert terminal.end() == 0
    assert b"Traceback" not in terminal.written


def test_screen_lives_and_ends_while_a_server_is_silent(
    top: Top, make_server: Callable[..., Server]
) -> None:
    server = make_server()
    fill(server.client, "t:d", "u:d")
    terminal = top(url=server.url)
    terminal.shows("all 2")
    os.kill(server.pid, signal.SIGSTOP)
    terminal.shows(" ago")
    terminal.type("?")
    terminal.shows("── keys ")
    began = time.monotonic()
    terminal.type("q")
    assert terminal.end() == 0
    assert time.monotonic() - began < 5
    assert b"Traceback" not in terminal.written


def test_queue_of_another_type_is_told_and_others_are_shown(top: Top, client: Any) -> None:
    fill(client, "t:d", "u:d")
    client.set("t:d", "text")
    client.rpush("{u:d}:minutes", "no note")
    client.rpush("{u:d}:beats", "no note")
    terminal = top()
    terminal.shows("t:d: WRONGTYPE", "all 1", "u:d ")
    client.delete("t:d")
    terminal.shows("all 2")


def test_user_who_may_not_see_hosts_sees_queues(top: Top, server: Server) -> None:
    fill(server.client, "t:d")
    rights = ("~t:d", "~{t:d}:*", "~woodenwaiter:queues", "+@all")
    server.client.execute_command("ACL", "SETUSER", "part", "on", ">secret", *rights)
    try:
        terminal = top(url=server.url.replace("//", "//part:secret@"))
        terminal.shows("hosts: NOPERM", "t:d ")
        assert b"secret" not in terminal.written
    finally:
        server.client.execute_command("ACL", "DELUSER", "part")


@pytest.mark.parametrize(
    ("arguments", "environment", "code", "told"),
    [
        (("no:such",), {}, EXIT_UNKNOWN, "nothing is known of no:such"),
        (("--watch", "0"), {}, EXIT_USAGE, "seconds from 0.1 on, not '0'"),
        ((), {"TERM": "dumb"}, EXIT_USAGE, "top needs a terminal that can move its cursor"),
    ],
)
def test_what_cannot_be_shown_is_told_in_one_line(
    top: Top, arguments: tuple[str, ...], environment: dict[str, str], code: int, told: str
) -> None:
    terminal = top(*arguments, opens=False, **environment)
    assert terminal.end() == code
    assert told in " ".join(terminal.text.split("\n"))
    assert terminal.written.count(b"\n") == 1


def test_server_that_is_not_there_is_told(top: Top) -> None:
    terminal = top(url=f"redis://127.0.0.1:{free_port()}", opens=False)
    assert terminal.end() == EXIT_REDIS
    assert terminal.text.startswith("woodenwaiter: no usable Redis at ")


def test_package_that_lacks_is_named(top: Top, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['textual'] = None")
    terminal = top(opens=False, PYTHONPATH=path_with(tmp_path))
    assert terminal.end() == EXIT_USAGE
    assert terminal.lines[0] == (
        "woodenwaiter: top needs a package more: pip install 'woodenwaiter[top]'"
    )


def test_it_needs_a_terminal(server: Server, tmp_path: Path) -> None:
    ended = run(tmp_path, "-m", "woodenwaiter", "--redis", server.url, "top")
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (EXIT_USAGE, "", 1)
    assert ended.stderr.startswith("woodenwaiter: top needs a terminal; ")


# The terminal itself.


def test_colours_are_for_who_wants_them(top: Top, client: Any) -> None:
    fill(client, "t:d")
    client.xadd("{t:d}:dead", {"payload": "{}"})
    coloured, plain = top(), top(NO_COLOR="1")
    for terminal in (coloured, plain):
        terminal.shows("t:d ")
    assert "red" in coloured.colours
    assert plain.colours == {"default"}


def test_another_size_is_filled(top: Top, client: Any) -> None:
    fill(client, *(f"t:{n:02}" for n in range(60)))
    terminal = top()
    terminal.shows("t:19")
    terminal.resize(120, 50)
    terminal.shows("t:45")
    terminal.resize(60, 12)
    terminal.shows_no("t:19")
    terminal.shows("t:00", "q")


@pytest.mark.parametrize("how", ["q", "\x03", signal.SIGTERM])
def test_terminal_is_as_it_was(top: Top, client: Any, how: str | int) -> None:
    fill(client, "t:d")
    terminal = top()
    terminal.shows("t:d ")
    if isinstance(how, str):
        terminal.type(how)
    else:
        os.kill(terminal.process.pid, how)
    assert terminal.end() == 0
    assert terminal.written.rindex(RESTORED) > terminal.written.rindex(b"t:d")
    assert sys.executable.encode() not in terminal.written
