"""``woodenwaiter status``, ``dead``, ``show``, ``requeue`` and ``drop``."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from woodenwaiter import __version__
from woodenwaiter.commands.fitting import columns_of
from woodenwaiter.commands.operate import main
from woodenwaiter.errors import EXIT_OUTPUT, EXIT_REDIS, EXIT_UNKNOWN, EXIT_USAGE
from woodenwaiter.protocol.verdict import Failure, Policy, judge

from ..application import Application
from ..counting import CountingQueue
from ..proxy import EVERYTHING, Proxy
from ..support import Programs, Server, free_port, path_with, run, title


@pytest.fixture
def operate(server: Server, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command that succeeds; returns what it printed."""

    def operate(*arguments: str) -> str:
        assert main(["--redis", server.url, *arguments]) == 0
        printed, errors = capsys.readouterr()
        assert errors == ""
        return printed

    return operate


@pytest.fixture
def letters(queue: CountingQueue, client: Any) -> list[str]:
    """Three dead letters: their payloads are a task, no JSON, and text in more than one line."""
    payloads = (b'{"n": 1}', b"\xff\x00", '{"text": "é\nline"}'.encode())
    queue.register()
    queue.enroll("a", 0)
    for seq, payload in enumerate(payloads, 1):
        client.lpush("t:d", payload)
        queue.claim("a", seq - 1, 1)
        failure = Failure("the handler failed", "ValueError: no", "Traceback:\n  x\n", final=True)
        queue.fail("a", seq, judge(payload, f"a/{seq}", failure, Policy(), "a"))
    queue.release("a", 3)
    return [letter for letter, _ in queue.dead_letters()]


def rows(printed: str) -> list[list[str]]:
    return [line.split() for line in printed.splitlines()]


TITLES = ["queue", "waiting", "oldest", "claimed", "running", "delayed", "dead"]
TITLES += ["in/m", "done/m", "fail/m", "p50", "p99", "workers", "empty", "in", "next", "due"]


def sizes(waiting: int = 0, claimed: int = 0, dead: int = 0, workers: int = 0) -> list[str]:
    """What is shown of a queue of whose history nothing is known, nor of its hosts."""
    first = [f"{waiting}", "-", f"{claimed}", "0", "0", f"{dead}"]
    return [*first, *"-----", f"{workers}", "-", "-"]


NOTHING = sizes()


def test_status_of_all_queues(
    operate: Callable[..., str], queue: CountingQueue, client: Any, letters: list[str]
) -> None:
    CountingQueue(queue.link, "long:" + "name" * 5, lease=30).register()
    client.lpush("t:d", "{}", "{}")
    queue.enroll("b", 0)
    queue.claim("b", 0, 1)
    assert rows(operate("status")) == [
        TITLES,
        ["long:namenamenamenamename", *NOTHING],
        ["t:d", *sizes(waiting=1, claimed=1, dead=3, workers=1)],
    ]
    assert len({len(line) for line in operate("status").splitlines()}) == 1


def test_status_of_what_was_never_served(operate: Callable[..., str], client: Any) -> None:
    assert operate("status") == "no queue has been served so far\n"
    client.lpush("new:one", "{}")
    shown = [["new:one", *sizes(waiting=1)]]
    assert rows(operate("status", "new:one"))[1:] == shown
    assert rows(operate("status", "--queue", "new:one"))[1:] == shown


def test_dead_letters_are_listed_in_two_lines_each(
    operate: Callable[..., str], letters: list[str]
) -> None:
    expected = [
        f"{letters[0]}  the handler failed: ValueError: no",
        '    {"n": 1}',
        f"{letters[1]}  the handler failed: ValueError: no",
        r"    \xff\x00",
        f"{letters[2]}  the handler failed: ValueError: no",
        r'    {"text": "é\nline"}',
    ]
    assert operate("dead", "t:d", "--list").splitlines() == expected
    assert operate("dead", "t:d", "--list", "--most", "1").splitlines() == expected[:2]


def test_letter_is_shown_whole(operate: Callable[..., str], letters: list[str]) -> None:
    printed = operate("show", "t:d", letters[0])
    told = [f"letter: {letters[0]}", "id: a/1", 'payload: {"n": 1}', "reason: the handler failed"]
    told += [
        "error: ValueError: no",
        "traceback: Traceback:\n      x\n",
        "deliveries: 1",
        "worker: a",
    ]
    assert [text for text in told if text not in printed] == []
    assert re.search(r"^first_failed: 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d\d:\d\d$", printed, re.M)
    assert operate("show", "t:d", "all").count("letter: ") == 3


def test_letter_that_somebody_else_wrote_is_shown_as_it_is(
    operate: Callable[..., str], client: Any
) -> None:
    letter = client.xadd("{t:d}:dead", {"reason": "mine", "first_failed": "1e999"}).decode()
    assert operate("dead", "t:d", "--list").splitlines() == [f"{letter}  mine", "    "]
    assert "first_failed: 1e999" in operate("show", "t:d", letter)


def test_requeued_letters_are_tasks_again(
    operate: Callable[..., str], client: Any, letters: list[str]
) -> None:
    assert operate("requeue", "t:d", letters[2], letters[0]) == "2 back in t:d\n"
    assert client.lrange("t:d", 0, -1) == [b'{"n": 1}', '{"text": "é\nline"}'.encode()]
    assert operate("requeue", "t:d", "all") == "1 back in t:d\n"
    assert client.rpop("t:d", 3)[-1] == b"\xff\x00"
    assert operate("requeue", "t:d", "all") == "0 back in t:d\n"
    assert client.xlen("{t:d}:dead") == 0


def test_dropped_letters_are_gone(
    operate: Callable[..., str], client: Any, letters: list[str]
) -> None:
    undo = "; to undo it: woodenwaiter restore t:d "
    assert operate("drop", "t:d", letters[1], "--yes").startswith(f"1 dropped from t:d{undo}")
    assert operate("drop", "t:d", "all", "--yes").startswith(f"2 dropped from t:d{undo}")
    assert client.xlen("{t:d}:dead") == client.llen("t:d") == 0


KNOWN = [
    ("lpush", "t:d", "{}"),
    ("zadd", "{t:d}:delayed", 1, "{}"),
    ("hset", "{t:d}:settled", "a", "0 1"),
]


@pytest.mark.parametrize("key", [("sadd", "woodenwaiter:queues", "t:d"), *KNOWN])
def test_queue_without_dead_letters_is_told(
    operate: Callable[..., str], client: Any, key: tuple[Any, ...]
) -> None:
    client.execute_command(*key)
    assert operate("dead", "t:d") == operate("show", "t:d", "all") == "no dead letters\n"
    assert operate("requeue", "t:d", "all") == "0 back in t:d\n"
    assert operate("drop", "t:d", "all") == "0 dropped from t:d\n"
    assert len(operate("status", "t:d").splitlines()) == 2


UNKNOWN = [
    ("dead",),
    ("show", "all"),
    ("show", "1-1"),
    ("requeue", "all"),
    ("drop", "all"),
    ("status",),
]


@pytest.mark.parametrize(
    ("typed", "hint"),
    [("no:such", ""), ("images:rezise", "; is it images:resize?"), ("\x1b\x1b", "")],
)
@pytest.mark.parametrize("command", UNKNOWN)
def test_queue_that_nobody_knows_is_told(
    server: Server,
    letters: list[str],
    capsys: pytest.CaptureFixture[str],
    command: tuple[str, ...],
    typed: str,
    hint: str,
) -> None:
    server.client.sadd("woodenwaiter:queues", "images:resize")
    assert main(["--redis", server.url, command[0], typed, *command[1:]]) == EXIT_UNKNOWN
    printed, errors = capsys.readouterr()
    assert typed not in printed
    name = typed.replace("\x1b", r"\x1b")
    assert errors == f"woodenwaiter: no such queue: nothing is known of {name}{hint}\n"


def test_status_of_a_queue_that_nobody_knows_does_not_hide_the_others(
    server: Server, letters: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--redis", server.url, "status", "no:such", "t:d"]) == EXIT_UNKNOWN
    assert rows(capsys.readouterr().out)[1][0] == "t:d"


INTERRUPTED = """
import os, signal, sys
from importlib.abc import MetaPathFinder

class Interrupt(MetaPathFinder):
    def find_spec(self, name, *_):
        if name == {name!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupt())
"""


@pytest.mark.parametrize("name", ["redis", "woodenwaiter.commands.operate", "difflib"])
def test_command_that_is_interrupted_while_it_loads_leaves_no_traceback(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / "sitecustomize.py").write_text(INTERRUPTED.format(name=name))
    result = run(tmp_path, "-m", "woodenwaiter", "status", PYTHONPATH=path_with(tmp_path))
    assert (result.returncode, result.stdout, result.stderr) == (128 + signal.SIGINT, "", "")


def test_command_that_waits_for_its_server_shows_no_password_and_can_be_interrupted(
    programs: Programs,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://:s3cret@127.0.0.1:{silent.getsockname()[1]}"
        command = programs.start("-m", "woodenwaiter", "--redis", url, "status")
        silent.settimeout(20)
        connection, _ = silent.accept()
        with connection:
            assert connection.recv(1)
            assert title(psutil.Process(command.pid)).strip() == "woodenwaiter status"
            command.signal(signal.SIGINT)
            assert command.wait() == 128 + signal.SIGINT
    assert command.log == ""


@pytest.mark.parametrize("option", ["ssl_ca_certs=/no/where", "ssl_certfile=/"])
def test_certificates_that_cannot_be_used_are_told(
    server: Server, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    url = f"rediss://:s3cret@127.0.0.1:{server.port}?{option}"
    assert main(["--redis", url, "status"]) == EXIT_USAGE
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"woodenwaiter: {option}: ")


@pytest.mark.parametrize("command", ["show", "requeue", "drop"])
@pytest.mark.parametrize("option", [[], ["--json"]], ids=["", "json"])
@pytest.mark.parametrize("letter", ["nonsense", "-", "+", "(1-1", "1-\u0661"])
def test_name_that_is_none_is_told(
    server: Server,
    client: Any,
    letters: list[str],
    capsys: pytest.CaptureFixture[str],
    command: str,
    option: list[str],
    letter: str,
) -> None:
    given = ["--redis", server.url, command, *option, "t:d", "--", letters[0], letter]
    assert main(given) == EXIT_USAGE
    told = f"{letter} is no dead letter's name: woodenwaiter dead t:d --list has them"
    assert capsys.readouterr() == ("", f"woodenwaiter: {told}\n")
    assert client.xlen("{t:d}:dead") == 3


@pytest.mark.parametrize("command", ["show", "requeue", "drop"])
def test_letter_that_is_not_there_is_told_and_the_others_are_seen_to(
    server: Server,
    client: Any,
    letters: list[str],
    capsys: pytest.CaptureFixture[str],
    command: str,
) -> None:
    more = ["--yes"] if command == "drop" else []
    given = ["--redis", server.url, command, "t:d", letters[0], "1-1", *more]
    assert main(given) == EXIT_UNKNOWN
    printed, errors = capsys.readouterr()
    assert letters[0] in printed if command == "show" else printed.startswith("1 ")
    assert errors == "woodenwaiter: there is no dead letter 1-1 in t:d\n"
    assert client.xlen("{t:d}:dead") == (3 if command == "show" else 2)


def test_letters_for_programs(client: Any, operate: Callable[..., str], letters: list[str]) -> None:
    client.xadd("{t:d}:dead", {b"payload": b"\xff", b"reason": "é\x1b"}, id="9999999999999-1")

    def told(command: str, *which: str) -> dict[str, Any]:
        [line] = operate(command, "--json", "t:d", *which).splitlines()
        document: dict[str, Any] = json.loads(line)
        assert (document.pop("version"), document.pop("queue")) == (1, "t:d")
        return document

    assert [each["letter"] for each in told("dead", "--list")["letters"]] == [
        *letters,
        "9999999999999-1",
    ]
    [newest] = told("show", "9999999999999-1")["letters"]
    assert newest["fields"] == {"payload": "\udcff", "reason": "é\x1b"}
    assert told("requeue", letters[0]) == {"requeued": 1, "left": []}
    dropped = told("drop", "all", "--yes")
    assert dropped == {"dropped": 3, "trash": dropped["trash"]}
    assert told("dead", "--list") == {"letters": []}
    assert told("dead") == {"groups": []}


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--redis", "nonsense", "status"], EXIT_USAGE, "URL"),
        (["--redis", "redis://:s3cret@127.0.0.1:{port}", "status"], EXIT_REDIS, "127.0.0.1"),
        (["--redis", "redis://:s3cret@127.0.0.1:{port}", "dead", "t:d"], EXIT_REDIS, "127.0.0.1"),
    ],
)
def test_mistakes_are_told_in_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, message: str
) -> None:
    assert main([argument.format(port=free_port()) for argument in arguments]) == code
    [line] = capsys.readouterr().err.splitlines()
    assert message in line
    assert line.startswith("woodenwaiter: ")
    assert "s3cret" not in line


@pytest.mark.parametrize("number", ["-1", "0", "many", "1.5", "x" * 5000, ""])
def test_number_that_makes_no_sense_is_told(
    capsys: pytest.CaptureFixture[str], number: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["dead", "t:d", f"--most={number}"])
    assert ended.value.code == EXIT_USAGE
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("woodenwaiter dead: error: argument --most: a number from 1 on, not ")
    assert len(line) < 200


def test_more_than_there_are_can_be_listed(operate: Callable[..., str], letters: list[str]) -> None:
    assert operate("dead", "t:d", "--list", "--most", "9" * 5000).count("\n") == 6


def test_refused_login_is_told(
    make_server: Callable[..., Server], capsys: pytest.CaptureFixture[str]
) -> None:
    server = make_server("right")
    assert main(["--redis", f"redis://:s3cret@127.0.0.1:{server.port}", "status"]) == EXIT_REDIS
    [line] = capsys.readouterr().err.splitlines()
    assert "refuses the login: WRONGPASS" in line
    assert "redis://USER:PASSWORD@HOST" in line
    assert "s3cret" not in line


@pytest.mark.parametrize("queues", [[], ["a:a", "b:b"]])
@pytest.mark.parametrize(
    ("reply", "told"),
    [
        ("ERR DB index is out of range", "DB index is out of range. The number at the URL's end"),
        ("NOAUTH Authentication required.", "refuses the login: NOAUTH Authentication required. "),
        ("BUSY Redis is busy running a script.", "BUSY Redis is busy running a script. See to it"),
    ],
)
def test_server_in_trouble_is_told_once_and_no_key_is_blamed(
    proxy: Proxy, capsys: pytest.CaptureFixture[str], queues: list[str], reply: str, told: str
) -> None:
    proxy.answers = {EVERYTHING: reply}
    assert main(["--redis", proxy.url, "status", *queues]) == EXIT_REDIS
    [line] = capsys.readouterr().err.splitlines()
    assert "edis at redis://127.0.0.1:" in line
    assert told in line


def test_key_of_another_kind_is_told(
    server: Server, client: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    client.set("t:d", "text")
    assert main(["--redis", server.url, "status", "t:d"]) == EXIT_REDIS
    assert "WRONGTYPE" in capsys.readouterr().err


def test_queue_in_trouble_does_not_hide_the_others(
    server: Server, client: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    client.set("a:a", "text")
    client.lpush("b:b", "{}")
    assert main(["status", "a:a", "b:b", "--redis", server.url]) == EXIT_REDIS
    shown = capsys.readouterr()
    assert "b:b" in shown.out
    assert "a:a: WRONGTYPE" in shown.err


def test_environment_names_the_server(
    server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server.client.sadd("woodenwaiter:queues", "t:d")
    monkeypatch.setenv("WOODENWAITER_REDIS_URL", server.url)
    assert main(["status"]) == 0
    assert "t:d" in capsys.readouterr().out


def test_runs_as_a_module_and_as_a_command(server: Server, tmp_path: Path) -> None:
    result = run(tmp_path, "-m", "woodenwaiter", "--redis", server.url, "status")
    assert result.stdout.startswith("no queue ")
    command = Path(sys.executable).parent / "woodenwaiter"
    version = subprocess.run([command, "--version"], capture_output=True, text=True, check=True)
    assert version.stdout == f"woodenwaiter {__version__}\n"


@pytest.mark.parametrize("arguments", [(), ("bogus",), ("show",), ("dead",)])
def test_wrong_usage(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    result = run(tmp_path, "-m", "woodenwaiter", *arguments)
    [line] = result.stderr.splitlines()
    assert re.match("woodenwaiter( [a-z]+)?: error: ", line)
    assert result.returncode == EXIT_USAGE


@pytest.mark.parametrize(
    ("target", "code", "told"),
    [
        (">&-", 0, []),
        (">/dev/full", EXIT_OUTPUT, ["woodenwaiter: the output cannot be written: No space left"]),
    ],
)
def test_output_that_goes_nowhere_is_not_the_servers_trouble(
    server: Server, target: str, code: int, told: list[str]
) -> None:
    command = [sys.executable, "-m", "woodenwaiter", "--redis", server.url, "status"]
    shell = ["sh", "-c", f'"$@" {target}', "sh", *command]
    result = subprocess.run(shell, capture_output=True, text=True, check=False)
    assert [line.partition(" on device")[0] for line in result.stderr.splitlines()] == told
    assert result.returncode == code


def test_reader_that_has_seen_enough_is_no_trouble(
    server: Server, letters: list[str], programs: Programs
) -> None:
    for n in range(1000):
        server.client.xadd("{t:d}:dead", {"payload": "x" * 1000, "reason": str(n)})
    arguments = ("-m", "woodenwaiter", "--redis", server.url, "show", "t:d", "all")
    reading = programs.start(*arguments, piped=True)
    assert reading.process.stdout
    assert reading.process.stdout.readline().startswith(b"letter: ")
    reading.process.stdout.close()
    reading.wait()
    assert reading.log == ""


# What others wrote.

HOSTILE = {
    "payload": "{}\nreason: forged\x1b[2J",
    "reason": "\x1b[31mred\nletter: 1-1",
    "error": "\x9b2J\x85\u2028",
    "traceback": "Traceback\r\n\x1b]0;title\x07\nworker: forged",
    "\x1b[1m\nworker": "\u202e",
}


def only_text(printed: str) -> bool:
    return printed.replace("\n", "").isprintable()


def test_letter_drives_no_terminal_and_forges_no_line(
    operate: Callable[..., str], client: Any
) -> None:
    letter = client.xadd("{t:d}:dead", HOSTILE).decode()
    listed, shown = operate("dead", "t:d", "--list"), operate("show", "t:d", "all")
    assert only_text(operate("dead", "t:d"))
    assert only_text(listed)
    assert only_text(shown)
    assert len(listed.splitlines()) == 2
    assert listed.startswith(rf"{letter}  \x1b[31mred\nletter: 1-1: \x9b2J\x85\u2028")
    told = [line for line in shown.splitlines() if line and not line.startswith("    ")]
    names = ["letter", "payload", "reason", "error", "traceback", r"\x1b[1m\nworker"]
    assert [line.partition(": ")[0] for line in told] == names


def test_letter_that_is_no_task_is_left_and_told(
    server: Server, client: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    foreign = client.xadd("{t:d}:dead", {b"\xff": b"{}"}).decode()
    client.xadd("{t:d}:dead", {"payload": "{}"})
    assert main(["--redis", server.url, "requeue", "t:d", "all"]) == EXIT_USAGE
    printed, errors = capsys.readouterr()
    assert printed == "1 back in t:d\n"
    [line] = errors.splitlines()
    assert line == f"woodenwaiter: dead letter {foreign} in t:d is left: it has no field payload"
    assert client.xlen("{t:d}:dead") == client.llen("t:d") == 1


NAMES = [b"\xff:\xfe", "tür:桌子".encode(), b"\x1b[31m:\n", b"b:b", b"\0:\xed\xa0\x80"]


def test_queue_of_any_name_is_shown(operate: Callable[..., str], client: Any) -> None:
    client.sadd("woodenwaiter:queues", *NAMES)
    client.lpush(NAMES[0], "{}")
    client.hset(b"{\x1b[31m:\n}:settled", b"\xff", "no number")
    printed = operate("status")
    assert only_text(printed)
    assert {row[0]: row[1:] for row in rows(printed)[1:]} == {
        r"\udcff:\udcfe": sizes(waiting=1),
        "tür:桌子": NOTHING,
        r"\x1b[31m:\n": sizes(workers=1),
        "b:b": NOTHING,
        r"\x00:\udced\udca0\udc80": NOTHING,
    }
    assert len({columns_of(line) for line in printed.splitlines()}) == 1


def test_list_of_queues_that_is_none_is_told(
    server: Server, client: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    client.set("woodenwaiter:queues", "text")
    assert main(["--redis", server.url, "status"]) == EXIT_REDIS
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("woodenwaiter: woodenwaiter:queues: WRONGTYPE ")


@pytest.mark.parametrize("key", ["settled", "claims:a", "dead", "delayed", "arrivals"])
def test_key_of_another_kind_holds_up_its_queue_alone(
    server: Server, client: Any, capsys: pytest.CaptureFixture[str], key: str
) -> None:
    client.hset("{\x1b:d}:settled", "a", "0 1")
    client.delete(f"{{\x1b:d}}:{key}")
    client.set(f"{{\x1b:d}}:{key}", "text")
    client.sadd("woodenwaiter:queues", "\x1b:d", "z:z")
    assert main(["--redis", server.url, "status"]) == EXIT_REDIS
    printed, errors = capsys.readouterr()
    assert rows(printed)[1:] == [["z:z", *NOTHING]]
    [line] = errors.splitlines()
    assert line.startswith(r"woodenwaiter: \x1b:d: WRONGTYPE ")


OF_ASCII: dict[str, dict[str, Any]] = {
    "PYTHONIOENCODING": {"PYTHONIOENCODING": "ascii"},
    "locale": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "latin-1": {"PYTHONIOENCODING": "latin-1"},
    "gbk": {"PYTHONIOENCODING": "gbk"},
    "euc-jp": {"PYTHONIOENCODING": "euc-jp:strict"},
}


@pytest.mark.parametrize("encoding", OF_ASCII)
def test_terminal_that_knows_few_characters_is_shown_the_others_escaped(
    server: Server, client: Any, tmp_path: Path, encoding: str
) -> None:
    """Each by the command that prints most; and in one place, by all."""
    name = "桌子🍽:d"
    client.sadd("woodenwaiter:queues", name)
    arguments = {**some_letters(client, name), "status": ()}
    for command in arguments if encoding == "PYTHONIOENCODING" else ("show",):
        given = ("-m", "woodenwaiter", "--redis", server.url, command, *arguments[command])
        result = run(tmp_path, *given, **OF_ASCII[encoding])
        assert (result.returncode, result.stderr) == (0, ""), command
        assert result.stdout


def some_letters(client: Any, queue: str) -> dict[str, tuple[str, ...]]:
    """The commands for dead letters, each with what it needs to do something."""
    letters = [
        client.xadd(f"{{{queue}}}:dead", {"payload": "盘子", "error": "no", "n": str(n)}).decode()
        for n in range(2)
    ]
    return {
        "dead": (queue,),
        "show": (queue, "all"),
        "requeue": (queue, letters[0]),
        "drop": (queue, letters[1], "--yes"),
    }


@pytest.mark.parametrize("target", [">&-", "2>&-", ">&- 2>&- <&-", ">/dev/full"])
def test_command_does_its_work_wherever_its_output_goes(
    server: Server, client: Any, target: str
) -> None:
    for command, more in some_letters(client, "t:d").items():
        given = [sys.executable, "-m", "woodenwaiter", "--redis", server.url, command, *more]
        shell = ["sh", "-c", f'"$@" {target}', "sh", *given]
        result = subprocess.run(shell, capture_output=True, text=True, check=False)
        assert result.returncode == (EXIT_OUTPUT if "full" in target else 0), command
        assert "Traceback" not in result.stderr
    assert client.lrange("t:d", 0, -1) == ["盘子".encode()]
    assert client.xlen("{t:d}:dead") == 0


IMPORTS = """
import importlib, pkgutil, woodenwaiter
for module in pkgutil.walk_packages(woodenwaiter.__path__, "woodenwaiter."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
"""


def test_nothing_depends_on_the_encoding_that_is_the_default_here(
    app: Application, tmp_path: Path
) -> None:
    strict = ("-X", "warn_default_encoding", "-W", "error::EncodingWarning")
    assert run(tmp_path, *strict, "-c", IMPORTS).stderr == ""
    arguments = {**some_letters(app.client, "t:d"), "status": (), "--help": ()}
    for command, more in arguments.items():
        result = run(tmp_path, *strict, "-m", "woodenwaiter", "--redis", app.url, command, *more)
        assert (result.returncode, result.stderr) == (0, ""), command
    app.write(processes="cpus", handler="print(foods)")
    url = f"redis://localhost:{free_port()}"
    options = ("--redis", url, "--embedded", "data")
    supervisor = app.serve(*options, PYTHONWARNDEFAULTENCODING="1").ready()
    assert supervisor.stop() == 0
    assert "EncodingWarning" not in supervisor.log


ECHOED = [
    ("status", "--\x1b[2J"),
    ("dead", "t:d", "\x1b[2J\u202e"),
    ("\x1b[2J",),
    ("--redis", "redis://\x1b[2J:x", "status"),
    ("--redis", "red\x1b[2J", "status"),
    ("show", "\x1b[2J", "\n"),
    ("dead", "\x1b:d", "--most", "\x1b[2J"),
]


@pytest.mark.parametrize("arguments", ECHOED, ids=ascii)
def test_arguments_are_echoed_as_text(
    server: Server, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    given = ("-m", "woodenwaiter", *arguments)
    result = run(tmp_path, *given, WOODENWAITER_REDIS_URL=server.url)
    assert result.returncode != 0
    assert only_text(result.stdout + result.stderr)
    assert "Traceback" not in result.stderr
    supervise = ("-m", "woodenwaiter.supervisor", *arguments)
    result = run(tmp_path, *supervise, WOODENWAITER_REDIS_URL=server.url)
    assert result.returncode != 0
    assert only_text(result.stdout + result.stderr)
    assert "Traceback" not in result.stderr
