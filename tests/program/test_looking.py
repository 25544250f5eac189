"""``woodenwaiter status --watch`` and ``--json``, ``peek``, ``delayed``, ``find``."""

from __future__ import annotations

import hashlib
import json
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from woodenwaiter.commands.fitting import columns_of
from woodenwaiter.commands.operate import main
from woodenwaiter.errors import EXIT_REDIS, EXIT_UNKNOWN, EXIT_USAGE
from woodenwaiter.protocol.hosts import Crew, Host, Running
from woodenwaiter.protocol.link import Link
from woodenwaiter.protocol.published import publication

from ..support import Operate, Programs, Server, eventually, free_port
from ..terminal import Terminal

HOSTILE = '\x1b[31mred\x1b]0;title\x07\u202e\r\n{"forged": true}\x9b2J'.encode() + b"\xff\x00"
DELAYED, DEAD = "{t:d}:delayed", "{t:d}:dead"
MIB = 1 << 20


class Screen(Terminal):
    """``shown``: what was written since that was forgotten, as it came."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        environment.setdefault("TERM", "xterm")
        super().__init__(*arguments, columns=80, lines=24, **environment)

    @property
    def shown(self) -> str:
        return self.written.decode(errors="replace")

    def forget(self) -> None:
        self.written = b""

    def await_text(self, text: str) -> None:
        eventually(lambda: self.read() and text in self.shown, f"{text!r} in {self.shown!r}")


@pytest.fixture
def on_screen(server: Server) -> Iterator[Callable[..., Screen]]:
    """Runs a command on a screen."""
    screens: list[Screen] = []

    def run(*arguments: str, url: str = server.url, **environment: str) -> Screen:
        screens.append(Screen("--redis", url, *arguments, **environment))
        return screens[-1]

    yield run
    for screen in screens:
        screen.close()


def is_text(printed: str) -> bool:
    return printed.replace("\n", "").isprintable()


def plain(shown: str) -> list[str]:
    """The lines of a screen."""
    return shown.replace("\r\n", "\n").splitlines()


# On a terminal, and elsewhere.


def test_names_are_cut_where_a_terminal_ends(
    on_screen: Callable[..., Screen], client: Any, operate: Operate
) -> None:
    names = [f"table-{n}:{'長い' * 20}-{n}" for n in range(3)]
    client.sadd("woodenwaiter:queues", *names)
    screen = on_screen("status", NO_COLOR="1")
    assert screen.end() == 0
    lines = plain(screen.shown)
    assert [columns_of(line) for line in lines] == [80] * 4
    for n, line in enumerate(lines[1:]):
        assert line.startswith(f"table-{n}")
        assert "…" in line
        assert f"い-{n} " in line
    _, printed, _ = operate("status")
    assert all(name in printed for name in names)


def test_colour_is_for_terminals_that_want_it(
    on_screen: Callable[..., Screen], client: Any, operate: Operate
) -> None:
    client.sadd("woodenwaiter:queues", "t:d")
    client.xadd(DEAD, {"payload": "{}"})
    for environment, is_coloured in (
        ({}, True),
        ({"NO_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
    ):
        screen = on_screen("status", **environment)
        assert screen.end() == 0
        assert ("\x1b[31m1\x1b[0m" in screen.shown, "\x1b" in screen.shown) == (is_coloured,) * 2
    assert "\x1b" not in operate("status")[1]


def test_watch_redraws_until_ctrl_c(on_screen: Callable[..., Screen], client: Any) -> None:
    client.sadd("woodenwaiter:queues", *(f"t:{n:02}" for n in range(40)))
    screen = on_screen("status", "--watch", "0.1")
    screen.await_text("t:01")
    client.lpush("t:01", *["{}"] * 7654)
    screen.await_text("7654")
    screen.await_text(f"… {42 - 22} lines more")
    screen.type("\x03")
    assert screen.end() == 0
    frames = screen.shown.split("\x1b[H")[1:]
    assert len(frames) >= 2
    assert {frame.count("\r\n") for frame in frames[:-1]} == {23}
    assert "Traceback" not in screen.shown


def test_watch_bears_a_server_that_goes_away(
    on_screen: Callable[..., Screen], make_server: Callable[..., Server]
) -> None:
    server = make_server()
    server.client.sadd("woodenwaiter:queues", "t:d")
    screen = on_screen("status", "--watch", "0.1", url=server.url)
    screen.await_text("t:d")
    server.stop()
    screen.await_text("no usable Redis at")
    server.start()
    screen.forget()
    screen.await_text("t:d")
    screen.type("\x03")
    assert screen.end() == 0


@pytest.mark.parametrize("view", [("status", "--hosts"), ("status", "--workers"), ("running",)])
def test_hosts_are_watched(
    on_screen: Callable[..., Screen], make_server: Callable[..., Server], view: tuple[str, ...]
) -> None:
    server = make_server()
    screen = on_screen(*view, "--watch", "0.1", url=server.url)
    screen.await_text("no" if "status" in view else "nothing")
    task = Running("t:d", 0, 4713, "owner/1", 1.0, 0)
    crew = Crew("t:d", 1, 1, running=1)
    host = Host("web-\x1b1", 4711, "1.0.0", 1.0, 1, 1, queues=(crew,), workers=(task,))
    with closing(Link(server.client, 10)) as link:
        link.exchange([publication("a/0", host)])
    screen.await_text(r"web-\x1b1")
    server.stop()
    screen.forget()
    screen.await_text("no usable Redis at")
    server.start()
    screen.forget()
    screen.await_text("no" if "status" in view else "nothing")
    screen.type("\x03")
    assert screen.end() == 0
    assert "Traceback" not in screen.shown


def test_hosts_are_watched_by_programs(
    programs: Programs, make_server: Callable[..., Server]
) -> None:
    server = make_server()
    options = ("-m", "woodenwaiter", "--redis", server.url)
    command = programs.start(*options, "status", "--hosts", "--watch", "0.1", "--json")
    command.logged('"hosts": []')
    server.stop()
    command.logged("no usable Redis at")
    command.signal(signal.SIGINT)
    assert command.wait() == 0
    told = [json.loads(line) for line in command.log.splitlines()]
    assert {(*each,) for each in told} == {("version", "hosts", "unreadable", "troubles")}


def test_terminal_has_the_essential_columns(
    on_screen: Callable[..., Screen], client: Any, operate: Operate
) -> None:
    client.sadd("woodenwaiter:queues", "images:resize")
    client.lpush("images:resize", *["{}"] * 1000)
    client.hset("{images:resize}:tally", "done", 500)
    now = time.time()
    for ago, came, done in ((70, 490, 450), (55, 490, 460), (50, 1400, 460), (5, 1450, 490)):
        note = f"{(now - ago) * 1000:.0f} {came} {done} 0 0 0"
        client.lpush("{images:resize}:beats", note)
    screen = on_screen("status", NO_COLOR="1")
    assert screen.end() == 0
    titles, queue = plain(screen.shown)
    essential = "queue waiting oldest running delayed dead in/m done/m workers empty in"
    assert " ".join(titles.split()) == essential
    assert queue.startswith("images:resize ")
    assert len(titles) == len(queue) <= 80
    _, whole = operate("status")[1].splitlines()
    assert re.search(" 1000  [0-9]{2}\N{EN DASH}[0-9]{2} s  .*  ≥ [0-9]+ min  ", whole)


def test_watch_without_a_terminal_repeats_itself(programs: Programs, server: Server) -> None:
    server.client.sadd("woodenwaiter:queues", "t:d")
    options = ("-m", "woodenwaiter", "--redis", server.url, "status", "--watch", "0.1")
    tables = programs.start(*options)
    documents = programs.start(*options, "--json")
    eventually(lambda: tables.log.count("t:d ") > 1)
    eventually(lambda: documents.log.count("\n") > 1)
    for command in (tables, documents):
        command.signal(signal.SIGINT)
        assert command.wait() == 0
    assert "\x1b" not in tables.log
    for line in documents.log.splitlines():
        assert [each["queue"] for each in json.loads(line)["queues"]] == ["t:d"]


@pytest.mark.parametrize("watched", ["no:such", "images:rezise"])
def test_watch_of_a_queue_that_nobody_knows_ends(operate: Operate, watched: str) -> None:
    code, _, errors = operate("status", "--watch", "--queue", watched)
    assert (code, errors.count("\n")) == (EXIT_UNKNOWN, 1)
    assert f"nothing is known of {watched}" in errors


def test_status_tells_programs(operate: Operate, client: Any) -> None:
    client.sadd("woodenwaiter:queues", "t:d", "\x1b:d", b"\xff:d")
    client.lpush("t:d", "{}")
    client.zadd(DELAYED, {"{}": time.time() * 1000 + 60_000})
    client.set("{\x1b:d}:dead", "text")
    code, printed, errors = operate("status", "--json")
    assert (code, errors) == (EXIT_REDIS, "")
    told = json.loads(printed)
    assert printed.isascii()
    assert is_text(printed)
    assert told["version"] == 1
    [trouble] = told["troubles"]
    assert trouble.startswith("\x1b:d: WRONGTYPE ")
    [first, other] = told["queues"]
    due = first.pop("next_due")
    assert 50 < due <= 60
    assert first == {
        "queue": "t:d",
        "waiting": 1,
        "claimed": 0,
        "running": 0,
        "delayed": 1,
        "dead": 0,
        "workers": 0,
        "oldest": {"least": 0, "most": None},
        "rates": None,
        "drained_in": None,
        "pushed": 2,
        "done": 0,
        "failed": 0,
        "buried": 0,
        "requeued": 0,
        "purged": 0,
        "handler_seconds": None,
        "paused": None,
    }
    assert (other["queue"], other["next_due"]) == ("\udcff:d", None)


# Single tasks.


def name(payload: str) -> str:
    """Of a task that was not delivered yet."""
    return "#" + hashlib.sha1(payload.encode(), usedforsecurity=False).hexdigest()[:12]


def test_next_tasks_are_shown(operate: Operate, client: Any) -> None:
    tasks = [f'{{"n": {n}}}' for n in range(12)]
    client.lpush("t:d", *tasks)
    assert operate("peek", "t:d") == (
        0,
        "".join(f"{n:<4}{name(task)}  {task}\n" for n, task in enumerate(tasks[:10], 1)),
        "",
    )
    assert operate("peek", "t:d", "2")[1].count("\n") == 2
    assert client.llen("t:d") == 12


def test_delayed_tasks_tell_why(operate: Operate, client: Any) -> None:
    header = b'\x1e{"id": "a/1", "deliveries": 3, "first_failed": 1.5, "reason": "so"}\n'
    client.zadd(DELAYED, {header + b'{"n": 1}': time.time() * 1000 + 3_600_000, "{}": "inf"})
    told = [
        "1   a/1  due in 60 min  failed 3 times  so",
        '    {"n": 1}',
        f"2   {name('{}')}  never due",
        "    {}",
    ]
    assert operate("delayed", "t:d") == (0, "\n".join([*told, ""]), "")


def test_what_is_found_tells_where(operate: Operate, client: Any) -> None:
    payload = '{"n": "x"}'
    client.lpush("t:d", payload, "{}")
    letter = client.xadd(DEAD, {"payload": '{"n": "y"}', "reason": "so", "error": "x"}).decode()
    code, printed, _ = operate("find", "t:d", "x")
    assert code == 0
    assert printed.splitlines() == [
        f"waiting  {name(payload)}  {payload}",
        f"dead     {letter}  so: x",
        '         {"n": "y"}',
        "looked at 2 of 2 waiting, 1 of 1 dead",
    ]
    _, printed, _ = operate("find", "t:d", "x", "--most", "1")
    assert printed.splitlines()[1:] == ["looked at 2 of 2 waiting; there may be more: --most"]
    assert operate("find", "t:d", "z")[:2] == (1, "looked at 2 of 2 waiting, 1 of 1 dead\n")


@pytest.mark.parametrize("command", ["peek", "delayed", "find"])
def test_tasks_drive_no_terminal_and_forge_no_line(
    on_screen: Callable[..., Screen], operate: Operate, client: Any, command: str
) -> None:
    client.lpush("t:d", HOSTILE)
    client.zadd(DELAYED, {b'\x1e{"id": "a", "reason": "\\u001b[2J"}\n' + HOSTILE: 1})
    client.xadd(DEAD, {"payload": HOSTILE, "reason": HOSTILE, HOSTILE: HOSTILE})
    given = (command, "t:d", *(["forged"] if command == "find" else []))
    code, printed, errors = operate(*given)
    assert (code, errors) == (0, "")
    assert is_text(printed)
    assert r"\x1b[31mred\x1b]0;title\x07" in printed
    screen = on_screen(*given)
    assert screen.end() == 0
    assert is_text("".join(plain(screen.shown)))
    assert max(map(columns_of, plain(screen.shown))) <= 80
    _, printed, _ = operate(*given, "--json")
    assert is_text(printed)
    for task in json.loads(printed)["tasks"]:
        assert task["payload"].encode(errors="surrogateescape").endswith(HOSTILE)


def test_large_task_is_cut_and_its_size_is_told(
    on_screen: Callable[..., Screen], operate: Operate, client: Any
) -> None:
    client.lpush("t:d", '{"x": "' + "桌" * 4 * MIB + '"}')
    screen = on_screen("peek", "t:d")
    assert screen.end() == 0
    [line] = plain(screen.shown)
    assert 78 <= columns_of(line) <= 80
    assert line.endswith("桌…  (12,582,921 bytes)")
    [task] = json.loads(operate("peek", "t:d", "--json")[1])["tasks"]
    assert (task["bytes"], len(task["payload"]) < 2000) == (12 * MIB + 9, True)


@pytest.mark.parametrize("command", ["peek", "delayed"])
def test_nothing_is_told_of_a_queue_that_has_nothing(
    operate: Operate, client: Any, command: str
) -> None:
    client.sadd("woodenwaiter:queues", "t:d")
    code, printed, errors = operate(command, "t:d")
    assert (code, errors) == (0, "")
    assert printed.startswith("nothing ")
    assert json.loads(operate(command, "t:d", "--json")[1]) == {
        "version": 1,
        "queue": "t:d",
        "tasks": [],
    }


@pytest.mark.parametrize("command", [("peek",), ("delayed",), ("find", "x")])
def test_queue_that_nobody_knows_is_told(
    operate: Operate, client: Any, command: tuple[str, ...]
) -> None:
    client.sadd("woodenwaiter:queues", "images:resize")
    code, printed, errors = operate(command[0], "images:rezise", *command[1:])
    assert (code, printed) == (EXIT_UNKNOWN, "")
    told = "no such queue: nothing is known of images:rezise; is it images:resize?"
    assert errors == f"woodenwaiter: {told}\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("peek", "t:d", "-1"), "argument N: a number from 1 on, not '-1'"),
        (("peek", "t:d", "1-0"), "argument N: a number from 1 on, not '1-0'"),
        (("delayed", "t:d", "\x1b"), r"argument N: a number from 1 on, not '\x1b'"),
        (("find", "t:d", "x", "--most", "-1"), "argument --most: a number from 1 on, not '-1'"),
        (("peek", "t:d", "10001"), "argument N: a number from 1 to 10000, not '10001'"),
        (("find", "t:d", ""), "argument TEXT: a text to look for, not an empty one"),
        (("status", "--watch", "t:d"), "argument --watch: seconds from 0.1 on, not 't:d'"),
        (("status", "--watch", "nan"), "argument --watch: seconds from 0.1 on, not 'nan'"),
        (("status", "--watch", "-1"), "argument --watch: seconds from 0.1 on, not '-1'"),
        (("status", "--queue"), "argument --queue: expected one argument"),
    ],
)
def test_mistakes_are_told_in_one_line(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], told: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == EXIT_USAGE
    assert capsys.readouterr().err == f"woodenwaiter {arguments[0]}: error: {told}\n"


@pytest.mark.parametrize("command", [("peek",), ("delayed",), ("find", "x"), ("status",)])
def test_server_that_is_not_there_is_told(
    capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    url = f"redis://127.0.0.1:{free_port()}"
    assert main(["--redis", url, command[0], "t:d", *command[1:]]) == EXIT_REDIS
    printed, errors = capsys.readouterr()
    assert printed == ""
    assert errors.startswith("woodenwaiter: no usable Redis at ")


def test_search_that_is_interrupted_has_shown_what_it_found(
    programs: Programs, server: Server
) -> None:
    for _ in range(300):
        server.client.lpush("t:d", *["x" * 10_000] * 100)
    server.client.lpush("t:d", "needle")
    options = ("-u", "-m", "woodenwaiter", "--redis", server.url, "find", "t:d", "needle")
    command = programs.start(*options)
    command.logged("  needle")
    command.signal(signal.SIGINT)
    assert command.wait() in (0, 128 + signal.SIGINT)
    assert "Traceback" not in command.log
