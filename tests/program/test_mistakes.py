"""What people mistype: one line that says what is wrong, and an exit code that says whose it is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from woodenwaiter.commands import health
from woodenwaiter.commands.anatomy import actions_of, commands_in
from woodenwaiter.commands.operate import main, parser
from woodenwaiter.errors import EXIT_APP, EXIT_UNKNOWN, EXIT_USAGE

from ..application import source
from ..support import Server

NUMBER = "a number from 1 on, not"
NAME = "a queue's name, as in images:resize, not an empty one"
LETTER = "is no dead letter's name"

COMMANDS = [
    ("", EXIT_USAGE, "the following arguments are required: COMMAND"),
    ("statsu", EXIT_USAGE, "invalid choice: 'statsu'; is it status?"),
    ("zzz", EXIT_USAGE, "invalid choice: 'zzz' (choose from status, running, "),
    ("--nope status", EXIT_USAGE, "unknown option --nope"),
    ("--reids x status", EXIT_USAGE, "invalid choice: 'x'"),
    ("--redis", EXIT_USAGE, "--redis: expected one argument"),
    ("--redis x status", EXIT_USAGE, "a URL begins with redis://"),
    ("--redis-password-file /no/where status", EXIT_USAGE, "no password can be read"),
    ("status --hots", EXIT_USAGE, "unknown option --hots; is it --hosts?"),
    ("status --hosts=3", EXIT_USAGE, "ignored explicit argument '3'"),
    ("status --hosts --workers", EXIT_USAGE, "--workers: not allowed with argument --hosts"),
    ("status --queue ''", EXIT_USAGE, NAME),
    ("status ''", EXIT_USAGE, NAME),
    ("status no:such", EXIT_UNKNOWN, "no such queue"),
    ("status imges:resize", EXIT_UNKNOWN, "no such queue: nothing is known of imges:resize; is it"),
    ("status --watch 0", EXIT_USAGE, "seconds from 0.1 on, not '0'"),
    ("status --watch x", EXIT_USAGE, "seconds from 0.1 on, not 'x'"),
    ("status --watch -1", EXIT_USAGE, "seconds from 0.1 on, not '-1'"),
    ("running ''", EXIT_USAGE, NAME),
    ("running --trac t:d more", EXIT_USAGE, "one argument too many: 'more'"),
    ("top --watch nan", EXIT_USAGE, "seconds from 0.1 on, not 'nan'"),
    ("peek", EXIT_USAGE, "the following arguments are required: TABLE:DISH"),
    ("peek ''", EXIT_USAGE, NAME),
    ("peek t:d -1", EXIT_USAGE, NUMBER),
    ("peek t:d 0", EXIT_USAGE, NUMBER),
    ("peek t:d 1e3", EXIT_USAGE, NUMBER),
    ("peek t:d 10001", EXIT_USAGE, "a number from 1 to 10000"),
    ("peek no:such", EXIT_UNKNOWN, "no such queue"),
    ("delayed no:such", EXIT_UNKNOWN, "no such queue"),
    ("find t:d", EXIT_USAGE, "the following arguments are required: TEXT"),
    ("find t:d ''", EXIT_USAGE, "a text to look for, not an empty one"),
    ("find t:d x --most 0", EXIT_USAGE, NUMBER),
    ("find no:such x", EXIT_UNKNOWN, "no such queue"),
    ("dead t:d --most -1", EXIT_USAGE, NUMBER),
    ("dead t:d --most 1e3", EXIT_USAGE, NUMBER),
    ("dead t:d --most ''", EXIT_USAGE, NUMBER),
    ("dead ''", EXIT_USAGE, NAME),
    ("dead no:such", EXIT_UNKNOWN, "no such queue"),
    ("show t:d", EXIT_USAGE, "which dead letters of t:d"),
    ("show t:d 1-0", EXIT_UNKNOWN, "there is no dead letter 1-0 in t:d"),
    ("show t:d 1-0-0", EXIT_USAGE, LETTER),
    ("show t:d x", EXIT_USAGE, LETTER),
    ("requeue t:d 1-0-0", EXIT_USAGE, LETTER),
    ("drop t:d 1-0-0", EXIT_USAGE, LETTER),
    ("drop no:such all", EXIT_UNKNOWN, "no such queue"),
    ("pause t:d --for 1x", EXIT_USAGE, "a time as 90, 90s, 10m, 2h or 1d, not '1x'"),
    ("pause t:d --for -1", EXIT_USAGE, "a time as 90"),
    ("pause t:d --fro 1h", EXIT_USAGE, "unknown option --fro; is it --for?"),
    ("pause no:such", EXIT_UNKNOWN, "no such queue"),
    ("resume ''", EXIT_USAGE, NAME),
    ("resume no:such", EXIT_UNKNOWN, "no such queue"),
    ("cancel t:d", EXIT_USAGE, "the following arguments are required: TASK"),
    ("cancel t:d x", EXIT_UNKNOWN, "no such task: x"),
    ("put t:d x", EXIT_USAGE, "not JSON in UTF-8"),
    ("put t:d []", EXIT_USAGE, "a JSON list, not an object"),
    ("put t:d @/no/where", EXIT_USAGE, "/no/where cannot be read: No such file or directory"),
    ("run t:d x", EXIT_USAGE, "APP is missing"),
    ("purge no:such", EXIT_UNKNOWN, "no such queue"),
    ("restore t:d", EXIT_UNKNOWN, "there is no trash of t:d"),
    ("restore t:d x", EXIT_UNKNOWN, "there is no trash x of t:d"),
    ("import t:d /no/where", EXIT_USAGE, "/no/where cannot be read"),
    ("host x quite", EXIT_USAGE, "invalid choice: 'quite'; is it quiet?"),
    ("host nobody quiet", EXIT_UNKNOWN, "no supervisor is to be seen here"),
    ("dead t:d --older -1", EXIT_USAGE, "a time as 90, 90s, 10m, 2h or 1d, not '-1'"),
    ("requeue t:d all --rate x", EXIT_USAGE, "a rate as 10/s, 30/m or 100/h, not 'x'"),
    ("audit --most 0", EXIT_USAGE, NUMBER),
    ("audit t:d", EXIT_USAGE, "one argument too many: 't:d'"),
    ("dashboard x", EXIT_USAGE, "one argument too many: 'x'"),
    ("alerts --json", EXIT_USAGE, "unknown option --json"),
    ("config --jsno", EXIT_USAGE, "unknown option --jsno; is it --json?"),
    ("completion", EXIT_USAGE, "the following arguments are required: SHELL"),
    ("completion bahs", EXIT_USAGE, "invalid choice: 'bahs'; is it bash?"),
    ("status --\x1b[2J", EXIT_USAGE, r"unknown option --\x1b[2J"),
]


def words(typed: str) -> list[str]:
    """As a shell has them."""
    return [word if word != "''" else "" for word in typed.split(" ")] if typed else []


@pytest.mark.parametrize(("typed", "code", "told"), COMMANDS)
def test_command(
    server: Server,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    typed: str,
    code: int,
    told: str,
) -> None:
    server.client.sadd("woodenwaiter:queues", "t:d", "images:resize")
    monkeypatch.setenv("WOODENWAITER_REDIS_URL", server.url)
    assert ended(words(typed)) == code
    [line] = capsys.readouterr().err.splitlines()
    assert told in line
    assert re.match(r"woodenwaiter( [a-z]+: error| [a-z]+)?: ", line)
    assert line.isprintable()


def ended(arguments: list[str]) -> Any:
    try:
        return main(arguments)
    except SystemExit as end:
        return end.code


def test_each_command_that_takes_a_queue_refuses_an_empty_name() -> None:
    """Whatever is added."""
    for name, command in commands_in(parser()).items():
        for action in actions_of(command):
            if action.metavar == "TABLE:DISH":
                with pytest.raises(Exception, match="a queue's name"):
                    action.type("")  # type: ignore[misc, operator]
            else:
                assert "queue" not in action.dest, f"{name}: is {action.dest} no TABLE:DISH?"


SUPERVISOR = [
    ("", EXIT_USAGE, "APP is missing: name what to run, as in python -m woodenwaiter.supervisor"),
    ("app another", EXIT_USAGE, "one argument too many: 'another'"),
    ("app --proceses 3", EXIT_USAGE, "unknown option --proceses; is it --processes?"),
    ("app --processes", EXIT_USAGE, "--processes: expected one argument"),
    ("app --processes 1-0", EXIT_USAGE, "not '1-0'"),
    ("app --processes -1", EXIT_USAGE, "not '-1'"),
    ("app --processes=-1", EXIT_USAGE, "not '-1'"),
    ("app --processes t:d=-1", EXIT_USAGE, "not '-1'"),
    ("app --processes 0", EXIT_USAGE, "the number of processes must be at least 1"),
    ("app --processes 1e3", EXIT_USAGE, "not '1e3'"),
    ("app --processes 1-2-3", EXIT_USAGE, "not '1-2-3'"),
    ("app --processes ''", 0, ""),
    ("app --cpus -1", EXIT_USAGE, "cpus: the number of processes must be at least 1"),
    ("app --threads 0", EXIT_USAGE, "threads must be a number from 1 to 9999"),
    ("app --lease-seconds x", EXIT_USAGE, "--lease-seconds: a number of seconds, not 'x'"),
    ("app --lease-seconds 0", EXIT_USAGE, "lease_seconds must be a number of seconds from 1"),
    ("app --lease-seconds nan", EXIT_USAGE, "lease_seconds must be a number of seconds from 1"),
    ("app --drain-seconds -1", EXIT_USAGE, "drain_seconds must be a number of seconds from 0"),
    ("app --slow -1", EXIT_USAGE, "slow must be a number of seconds"),
    ("app --durable x", EXIT_USAGE, "--durable: a number of replicas, not 'x'"),
    ("app --durable -1", EXIT_USAGE, "durable must be a number of replicas, not -1"),
    ("app --max-dead x", EXIT_USAGE, "--max-dead: a number of dead letters, not 'x'"),
    ("app --max-dead -1", EXIT_USAGE, "max_dead must be a number of dead letters"),
    ("app --log-level loud", EXIT_USAGE, "invalid choice: 'loud'"),
    ("app --log-level inof", EXIT_USAGE, "invalid choice: 'inof'; is it info?"),
    ("app --import-in x", EXIT_USAGE, "invalid choice: 'x' (choose from supervisor, worker)"),
    ("app --metrics x", EXIT_USAGE, "metrics must be HOST:PORT"),
    ("app --redis x", EXIT_USAGE, "this is no URL of a Redis server"),
    ("app --redis-password-file /no/where", EXIT_USAGE, "no password can be read"),
    ("app --pidfile /no/where/x", EXIT_USAGE, "the pidfile /no/where/x cannot be written: No such"),
    ("app --once=yes", EXIT_USAGE, "ignored explicit argument 'yes'"),
    ("ap", EXIT_APP, "there is no module 'ap' here"),
    ("app:manger", EXIT_APP, "module app has no 'manger'"),
    ("app:manager.x", EXIT_APP, "module app has no 'manager.x'"),
]


def supervise(folder: Path, url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """To its end, which is soon, whatever is right."""
    return subprocess.run(
        [sys.executable, "-m", "woodenwaiter.supervisor", *arguments],
        cwd=folder,
        env={**os.environ, "WOODENWAITER_REDIS_URL": url, "WOODENWAITER_ONCE": "yes"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(("typed", "code", "told"), SUPERVISOR)
def test_supervisor(server: Server, tmp_path: Path, typed: str, code: int, told: str) -> None:
    (tmp_path / "app.py").write_text(source())
    result = supervise(tmp_path, server.url, *words(typed))
    assert result.returncode == code, result.stderr
    if code:
        line = result.stderr.splitlines()[-1]
        assert told in line
        assert line.startswith(("woodenwaiter: ", "python -m woodenwaiter.supervisor: error: "))
        before = [each for each in result.stderr.splitlines()[:-1] if " INFO " not in each]
        assert before == []


CALLS = [
    ('Backoff("x")', "a backoff is made of numbers of seconds, not of 'x'", "Backoff()"),
    ("Backoff(5, 1)", "a backoff needs 0 <= first <= longest", "Backoff()"),
    (
        "WoodenCustomer('t', 'd', WoodenWaiter(), print, processes=0)",
        "processes",
        "WoodenCustomer()",
    ),
    ("WoodenCustomer('t', 'd', WoodenWaiter(), print, processes=(2, 1))", "2", "WoodenCustomer()"),
    ("WoodenCustomer('t', 'd', WoodenWaiter(), 3)", "process must be callable", "WoodenCustomer()"),
    (
        "WoodenCustomer('t', 'd', WoodenWaiter(), print, max_deliveries=0)",
        "max_deliveries must be more than 0, not 0",
        "WoodenCustomer()",
    ),
    (
        "WoodenCustomer('t', 'd', WoodenWaiter(), print, max_deliveries='x')",
        "x",
        "WoodenCustomer()",
    ),
    ("WoodenCustomer('t', '', WoodenWaiter(), print)", "must not be empty", "WoodenCustomer()"),
    ("WoodenCustomer('t', 'd', None, print)", "waiter must be a WoodenWaiter", "WoodenCustomer()"),
    ("WoodenCustomer('t', 'd', WoodenWaiter(), print, timeout=-1)", "timeout", "WoodenCustomer()"),
    ("WoodenWaiter(port='x')", "port must be a number from 1 to 65535", "WoodenWaiter()"),
    ("WoodenWaiter.from_url('x')", "a URL begins with redis://", "from_url()"),
    ("WoodenManager(on_dead=3)", "on_dead must be callable", "WoodenManager()"),
    ("WoodenManager().add_customer(3)", "customer must be a WoodenCustomer", "add_customer()"),
    ("Retry(-1)", "after must be a number of seconds from 0", "Retry()"),
    ("WoodenCustomer('t', 'd', WoodenWaiter(), print, backof=1)", "keyword argument 'backof'", ""),
    ("1 / 0", "division by zero", ""),
]


@pytest.mark.parametrize(("call", "told", "name"), CALLS)
def test_call_in_the_application(
    server: Server, tmp_path: Path, call: str, told: str, name: str
) -> None:
    (tmp_path / "app.py").write_text(f"from woodenwaiter import *\n\ndef f():\n    {call}\n\nf()\n")
    result = supervise(tmp_path, server.url, "app")
    [line] = result.stderr.splitlines()
    assert line.startswith("woodenwaiter: app: importing it fails: ")
    assert told in line
    where = f"({tmp_path}/app.py, line 4" + (f": {name})" if name else ")")
    assert line.endswith(where)
    assert result.returncode == EXIT_APP


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("--pid x", "the number of a process, not 'x'"),
        ("--timeout 0", "seconds, up to 3600, not '0'"),
        ("--raedy", "unknown option --raedy; is it --ready?"),
        ("x", "one argument too many: 'x'"),
    ],
)
def test_probe(capsys: pytest.CaptureFixture[str], typed: str, told: str) -> None:
    with pytest.raises(SystemExit) as end:
        health.main(typed.split())
    [line] = capsys.readouterr().err.splitlines()
    assert told in line
    assert end.value.code == EXIT_USAGE
