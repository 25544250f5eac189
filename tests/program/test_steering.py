"""``woodenwaiter host``: what signals tell a supervisor, from anywhere."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import time
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from woodenwaiter import pace
from woodenwaiter.commands.operate import main
from woodenwaiter.errors import EXIT_UNKNOWN, EXIT_USAGE
from woodenwaiter.housekeeper.steering import Steering
from woodenwaiter.processes.scoreboard import Scoreboard
from woodenwaiter.protocol.errands import Answer, Errand
from woodenwaiter.protocol.hosts import Host
from woodenwaiter.protocol.keys import HOSTS, host_key
from woodenwaiter.protocol.link import Link
from woodenwaiter.protocol.published import Sighting, published
from woodenwaiter.verbs.audit import audit
from woodenwaiter.verbs.hosts import named

from ..application import Application, Supervisor
from ..support import Server, answer_of, eventually

HERE = socket.gethostname()
SOON = pace.PUBLISH + pace.NEWS + 15
"""Seconds in which something new is shown, on a busy machine."""


@pytest.fixture
def tell(server: Server, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Runs ``woodenwaiter host`` with these arguments; its exit code and what it printed."""

    def tell(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(["--redis", server.url, "host", *arguments])
        return code, *capsys.readouterr()

    return tell


def hosts(link: Link, number: int = 1) -> list[Host]:
    def found() -> list[Host]:
        seen = [sighting.host for sighting in published(link) if sighting.host]
        return seen if len(seen) == number else []

    return eventually(found, f"{number} hosts", SOON)


def told(supervisor: Supervisor, said: str) -> tuple[int, str, str]:
    return 0, f"{HERE}, pid {supervisor.pid}: {said}\n", ""


def test_quiet_and_continue(app: Application, link: Link, tell: Callable[..., Any]) -> None:
    app.write()
    supervisor = app.serve().ready(2)
    [host] = hosts(link)
    assert host.state == "serving"
    began = time.monotonic()
    assert tell(HERE, "quiet") == told(supervisor, "takes no new tasks")
    assert time.monotonic() - began < pace.ERRAND_WAIT
    supervisor.logged("quiet: no new tasks until SIGCONT")
    supervisor.logged(" asks for: quiet")
    eventually(lambda: len(supervisor.titled(" quiet")) == 2, "they are quiet")
    eventually(lambda: hosts(link)[0].state == "quiet", "it is shown", SOON)
    app.push({"n": 0})
    assert tell(f"{HERE}:{supervisor.pid}", "continue") == told(supervisor, "takes tasks again")
    eventually(lambda: app.done == [0], "it takes tasks")
    eventually(lambda: hosts(link)[0].state == "serving", "it is shown", SOON)
    lines = audit(link, 10)
    assert [(line.verb, line.count) for line in lines] == [("host continue", 1), ("host quiet", 1)]
    assert lines[0].what == f"{HERE}:{supervisor.pid}"
    assert supervisor.stop() == 0


def test_grow_and_shrink(app: Application, link: Link, tell: Callable[..., Any]) -> None:
    app.write(processes=1)
    supervisor = app.serve("--cpus", "9").ready(1)
    [name] = [seen.name for seen in eventually(lambda: published(link), "it is seen", SOON)]
    for _ in range(2):
        assert tell(name, "grow")[0] == 0
    eventually(lambda: len(supervisor.workers()) == 3, "there are more")
    assert tell("all", "shrink")[0] == 0
    eventually(lambda: len(supervisor.workers()) == 2, "there are fewer")
    assert supervisor.stop() == 0


def test_drain(app: Application, link: Link, tell: Callable[..., Any]) -> None:
    """It is asked before, and answered while its tasks run."""
    app.write(processes=1)
    app.push({"n": 0, "sleep": 60})
    supervisor = app.serve()
    hosts(link)
    eventually(lambda: app.begun == [0])
    code, out, errors = tell(HERE, "drain")
    assert (code, out) == (EXIT_USAGE, "")
    assert f"this would drain 1 supervisor: {HERE}:{supervisor.pid}" in errors
    assert tell(HERE, "drain", "--yes") == told(supervisor, "leaves after its running tasks")
    supervisor.logged("draining")
    for verb in ("quiet", "continue", "grow", "shrink", "restart"):
        code, out, errors = tell(HERE, verb)
        assert (code, out) == (EXIT_UNKNOWN, "")
        assert errors.endswith(f"pid {supervisor.pid}: it is draining\n")
    assert tell(HERE, "drain", "--yes")[0] == 0
    code, out, _ = tell(HERE, "trace")
    assert (code, "in handle" in out) == (0, True)
    app.let_go(0)
    assert supervisor.wait() == 0
    assert app.done == [0]
    code, _, errors = tell(HERE, "quiet")
    assert (code, errors) == (EXIT_UNKNOWN, "woodenwaiter: no supervisor is to be seen here\n")


def test_idle_one_answers_before_it_is_gone(
    app: Application, link: Link, tell: Callable[..., Any]
) -> None:
    app.write()
    supervisor = app.serve().ready(2)
    hosts(link)
    assert tell("all", "drain", "--yes", "--json")[0] == 0
    assert supervisor.wait() == 0


def test_restart(app: Application, link: Link, tell: Callable[..., Any]) -> None:
    app.write(processes=1, handler="note('done', foods['n'])")
    supervisor = app.serve().ready(1)
    hosts(link)
    app.write(processes=1, handler="note('new', foods['n'])")
    code, out, _ = tell(HERE, "restart", "--json")
    document = json.loads(out)
    assert (code, document["verb"]) == (0, "restart")
    [answer] = document["supervisors"]
    assert (answer["host"], answer["pid"], answer["trouble"]) == (HERE, supervisor.pid, "")
    supervisor.logged("starting anew")
    app.push({"n": 1})
    eventually(lambda: app.noted("new") == ["1"], "the new code runs")
    assert supervisor.stop() == 0


def test_launched_ones_are_not_restarted(
    app: Application, link: Link, tell: Callable[..., Any]
) -> None:
    """A HUP would end them."""
    app.write(processes=1)
    program = app.run("manager.launch()")
    [host] = hosts(link)
    code, _, errors = tell(HERE, "restart")
    assert code == EXIT_UNKNOWN
    assert errors.endswith(
        f"pid {host.pid}: it does not restart by itself: restart what has started it\n"
    )
    app.push({"n": 0})
    eventually(lambda: app.done == [0], "it goes on")
    program.stop()


def test_under_nohup_as_well(app: Application, link: Link, tell: Callable[..., Any]) -> None:
    app.write(processes=1)
    supervisor = app.serve(inside=("nohup",))
    hosts(link)
    assert "does not restart by itself" in tell(HERE, "restart")[2]
    assert supervisor.stop() == 0


@pytest.mark.parametrize("name", ["supervisor", "housekeeper"])
def test_who_is_stopped(app: Application, link: Link, tell: Callable[..., Any], name: str) -> None:
    app.write(processes=1)
    supervisor = app.serve().ready(1)
    hosts(link)
    process = psutil.Process(supervisor.pid) if name == "supervisor" else supervisor.housekeeper()
    process.suspend()
    began = time.monotonic()
    code, out, errors = tell(HERE, "quiet")
    assert time.monotonic() - began < pace.ERRAND_WAIT + 2
    assert (code, out) == (EXIT_UNKNOWN, "")
    why = "its supervisor does not answer" if name == "supervisor" else "no answer"
    assert errors == f"woodenwaiter: {HERE}, pid {supervisor.pid}: {why}\n"
    assert audit(link, 10) == []
    process.resume()
    assert tell(HERE, "continue")[0] == 0
    assert supervisor.stop() == 0


def test_several_on_a_host(app: Application, link: Link, tell: Callable[..., Any]) -> None:
    app.write(processes=1)
    first, second = app.serve(), app.serve()
    hosts(link, 2)
    code, out, _ = tell(HERE, "quiet")
    assert (code, sorted(map(int, re.findall(r"pid (\d+)", out)))) == (
        0,
        sorted((first.pid, second.pid)),
    )
    code, out, _ = tell(f"{HERE}:{first.pid}", "continue")
    assert (code, re.findall(r"pid (\d+)", out)) == (0, [f"{first.pid}"])
    assert "taking tasks again" not in second.log
    second.end()
    code, out, errors = tell(HERE, "grow")
    assert (code, out.count("\n")) == (EXIT_UNKNOWN, 1)
    assert errors == f"woodenwaiter: {HERE}, pid {second.pid}: no answer\n"
    assert first.stop() == 0


def test_names_that_nobody_has(app: Application, link: Link, tell: Callable[..., Any]) -> None:
    app.write(processes=1)
    supervisor = app.serve()
    hosts(link)
    for name in (f"{HERE}x", f"{HERE}:{supervisor.pid}0"):
        code, out, errors = tell(name, "quiet")
        assert (code, out) == (EXIT_UNKNOWN, "")
        assert f"no such host: nothing is seen of {name}; is it {HERE}" in errors
    with pytest.raises(SystemExit) as wrong:
        tell(HERE, "dance")
    assert wrong.value.code == EXIT_USAGE
    assert supervisor.stop() == 0


def test_trace(app: Application, link: Link, tell: Callable[..., Any]) -> None:
    app.write(processes=1)
    app.push({"n": 0, "sleep": 60})
    supervisor = app.serve()
    eventually(lambda: any(host.workers for host in hosts(link)), "it is shown", SOON)
    code, out, _ = tell(HERE, "trace")
    assert (code, "in handle" in out) == (0, True)
    code, out, _ = tell(HERE, "trace", "--json")
    [running] = json.loads(out)["running"]
    assert "in handle" in running["trace"]
    supervisor.housekeeper().suspend()
    code, out, _ = tell(HERE, "trace")
    assert (code, f"no answer from {HERE}" in out) == (EXIT_UNKNOWN, True)
    supervisor.end()


# Which ones are meant.


def seen(name: str, host: str = "", pid: int = 1) -> Sighting:
    whole = Host(host, pid, "1.0.0", 1, 1, 1) if host else None
    return Sighting(name, 1, 1, whole, "" if host else "a later release has written it")


def test_each_supervisor_is_told_once() -> None:
    found = [seen("a/0", "h"), seen("a/1", "h"), seen("b/0", "h", 2), seen("c/0")]
    assert [each.name for each in named(found, "h")] == ["a/1", "b/0"]
    assert [each.name for each in named(found, "h:2")] == ["b/0"]
    assert [each.name for each in named(found, "a/0")] == ["a/0"]
    assert [each.name for each in named(found, "c/0")] == ["c/0"]
    assert len(named(found, "all")) == 3
    assert named(found, "") == named(found, "g") == []


def test_document_of_a_later_release_can_be_told(
    client: Any, link: Link, tell: Callable[..., Any]
) -> None:
    client.zadd(HOSTS, {"web-1.1.0/0": time.time() * 1000})
    client.set(host_key("web-1.1.0/0"), '{"version": 2}')
    assert tell("web-1.1.0/0", "quiet") == (
        EXIT_UNKNOWN,
        "",
        "woodenwaiter: web-1.1.0/0: no answer\n",
    )


# In the housekeeper.


def errand(verb: str) -> Errand:
    return Errand("0" * 32, verb, {}, "me")


def test_one_signal_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of a kind would come as one."""
    sent: list[int] = []
    monkeypatch.setattr(os, "kill", lambda _, number: sent.append(number))
    board = Scoreboard(1)
    verbs = Steering(board, os.getppid(), lambda: True).verbs
    first, second = verbs["grow"](errand("grow")), verbs["grow"](errand("grow"))
    for job in (first, second, first, second):
        next(job)
    assert sent == [signal.SIGTTIN]
    board.note_heard()
    assert answer_of(first) == Answer({})
    next(second)
    assert sent == [signal.SIGTTIN] * 2
    board.note_heard()
    assert answer_of(second) == Answer({})


def test_supervisor_that_is_gone_gets_no_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another may have its pid."""
    monkeypatch.setattr(os, "kill", None)
    steering = Steering(Scoreboard(1), os.getppid() + 1, lambda: True)
    answer = answer_of(steering.verbs["drain"](errand("drain")))
    assert answer.trouble == "its supervisor is gone, and its workers leave"


def test_supervisor_that_is_another_user(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "kill", refuse)
    steering = Steering(Scoreboard(1), os.getppid(), lambda: True)
    assert "cannot be sent a signal" in answer_of(steering.verbs["quiet"](errand("quiet"))).trouble
