"""``woodenwaiter pause``, ``resume`` and ``audit``, and workers meanwhile."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from woodenwaiter.errors import EXIT_UNKNOWN, EXIT_USAGE

from ..application import Application, kill_all
from ..support import Operate, Server, eventually

HASTE = "from woodenwaiter import pace; pace.LINGER, pace.LINGER_LOOK = 0.5, 0.1"


def calls(client: Any, command: str) -> int:
    """Of a command, so far."""
    return int(client.info("commandstats").get(f"cmdstat_{command}", {"calls": 0})["calls"])


def blocked(client: Any) -> int:
    return int(client.info("clients")["blocked_clients"])


def test_all_hosts_stop_and_go_on(app: Application, operate: Operate) -> None:
    app.write(processes=2)
    for _ in range(2):
        app.serve().ready(2)
    code, printed, _ = operate("pause", "t:d", "--why", "deploy")
    assert code == 0
    assert re.fullmatch(
        r"t:d is paused until it is resumed \(.* by \S+ at \S+\): deploy\n", printed
    )
    app.push(*({"n": n} for n in range(20)))
    eventually(lambda: app.client.llen("t:d") == 20 and blocked(app.client) == 4)
    assert app.begun == []
    assert operate("resume", "t:d")[0] == 0
    eventually(lambda: app.done == [*range(20)])


def test_running_task_is_finished_and_no_other_begun(
    app: Application,
    operate: Operate,
) -> None:
    app.write(processes=1)
    app.push({"n": 0, "sleep": 60}, {"n": 1})
    app.serve()
    eventually(lambda: app.begun == [0])
    operate("pause", "t:d")
    app.let_go(0)
    eventually(lambda: app.done == [0])
    eventually(lambda: blocked(app.client) == 1)
    assert app.begun == [0]
    assert app.waiting() == [1]
    operate("resume", "t:d")
    eventually(lambda: app.done == [0, 1])


def test_nobody_asks_while_it_lasts(app: Application, operate: Operate) -> None:
    """Whatever is pushed: a few requests from before, none because of it."""
    app.write(processes=4)
    app.serve().ready(4)
    operate("pause", "t:d")
    app.push(*({"n": n} for n in range(50)))
    eventually(lambda: app.client.llen("t:d") == 50 and blocked(app.client) == 4)
    waits = calls(app.client, "blmove")
    app.push(*({"n": n} for n in range(50, 100)))
    eventually(lambda: app.client.llen("t:d") == 100)
    assert calls(app.client, "blmove") == waits
    operate("resume", "t:d")
    eventually(lambda: app.done == [*range(100)])


def test_it_outlives_supervisors_and_ends_by_itself(
    app: Application,
    operate: Operate,
) -> None:
    app.write(processes=2)
    app.push({"n": 0})
    operate("pause", "t:d")
    kill_all(app.serve().ready(2))
    app.serve().ready(2)
    assert app.begun == []
    operate("pause", "t:d", "--for", "0.2s")
    eventually(lambda: app.done == [0])


def test_queue_without_workers_gets_none_until_it_is_resumed(
    app: Application,
    operate: Operate,
) -> None:
    app.write(text=HASTE, processes=(0, 2))
    app.push({"n": 0})
    supervisor = app.serve()
    eventually(lambda: app.done == [0])
    operate("pause", "t:d")
    eventually(lambda: not supervisor.workers(), "no worker")
    app.push({"n": 1})
    eventually(lambda: blocked(app.client) == 1, "a housekeeper that waits for its end")
    eventually(lambda: app.waiting() == [1])
    started = supervisor.log.count("started")
    eventually(lambda: calls(app.client, "pttl") > 0)
    assert supervisor.log.count("started") == started
    operate("resume", "t:d")
    eventually(lambda: app.done == [0, 1])


def test_views_tell_of_it(app: Application, operate: Operate) -> None:
    app.push({"n": 0})
    app.client.sadd("woodenwaiter:queues", "t:d")
    operate("pause", "t:d", "--for", "2h", "--why", "\x1b[31m")
    *_, note = operate("status", "t:d")[1].splitlines()
    assert re.fullmatch(r"    paused for 120 min more \(.* ago by .*\): \\x1b\[31m", note)
    [queue] = json.loads(operate("status", "t:d", "--json")[1])["queues"]
    assert queue["paused"]["why"] == "\x1b[31m"
    assert 7000 < queue["paused"]["left"] <= 7200
    assert "somebody has paused, though tasks wait, t:d" in " ".join(operate("check")[1].split())
    operate("resume", "t:d")
    [queue] = json.loads(operate("status", "t:d", "--json")[1])["queues"]
    assert queue["paused"] is None


def test_what_was_done_stands_in_the_audit(app: Application, operate: Operate) -> None:
    assert operate("audit")[1] == "nothing was changed\n"
    app.push({"n": 0})
    operate("pause", "t:d", "--for", "90", "--why", "so")
    operate("resume", "t:d")
    assert operate("resume", "t:d")[1] == "t:d was not paused\n"
    lines = json.loads(operate("audit", "--json")[1])["audit"]
    assert [(line["verb"], line["what"], line["count"]) for line in lines] == [
        ("pause", "for 90 s: so", 1),
        ("resume", "", 1),
    ]
    assert len(operate("audit")[1].splitlines()) == 3
    assert [*json.loads(operate("audit", "--json", "--most", "1")[1])["audit"]] == lines[1:]


def test_audit_that_cannot_be_written_stops_nothing(
    app: Application,
    operate: Operate,
) -> None:
    app.push({"n": 0})
    app.client.set("woodenwaiter:audit", "x")
    code, printed, complaint = operate("pause", "t:d")
    assert (code, "t:d is paused" in printed) == (0, True)
    assert re.search("it stands in no audit: .*(WRONGTYPE|wrong kind)", complaint)
    assert app.client.exists("{t:d}:paused")


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_nobody_knows_the_queue(server: Server, operate: Operate, verb: str) -> None:
    server.client.sadd("woodenwaiter:queues", "t:d")
    code, _, complaint = operate(verb, "t:dd")
    assert code == EXIT_UNKNOWN
    assert complaint == "woodenwaiter: no such queue: nothing is known of t:dd; is it t:d?\n"
    assert server.client.keys("*paused*") == []


@pytest.mark.parametrize("time", ["", "0", "-1", "x", "1e3", "10 m", "1w", "9999999999", "nan"])
def test_times_that_are_none(
    server: Server,
    operate: Operate,
    time: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as end:
        operate("pause", "t:d", f"--for={time}")
    assert end.value.code == EXIT_USAGE
    assert len(capsys.readouterr().err.splitlines()) == 1
