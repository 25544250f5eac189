"""``running --trace``: where tasks are now, on whichever host."""

from __future__ import annotations

import json
import os
import signal
import time

import psutil
import pytest

from woodenwaiter import pace
from woodenwaiter.commands.operate import main
from woodenwaiter.protocol.errands import ask
from woodenwaiter.protocol.keys import errands_key
from woodenwaiter.protocol.link import Link
from woodenwaiter.protocol.published import Task, published, running
from woodenwaiter.verbs.traces import Trace, traces

from ..application import Application, Supervisor, customer
from ..support import Server, eventually

SOON = pace.PUBLISH + pace.NEWS + 15
"""Seconds in which something new is shown, on a busy machine."""

FETCHING = """
def fetch_page(n):
    while not os.path.exists(f"go-{n}"):
        time.sleep(0.01)
"""

FETCHES = "note('begun', foods['n']); fetch_page(foods['n']); note('done', foods['n'])"


@pytest.fixture
def fetching(app: Application) -> Application:
    app.write(processes=1, text=FETCHING, handler=FETCHES)
    return app


def seen(link: Link, number: int = 1) -> list[Task]:
    def found() -> list[Task] | None:
        tasks = running(published(link))
        return tasks if len(tasks) == number else None

    return eventually(found, f"{number} tasks", SOON)


def test_is_seen_in_the_function_where_it_is(
    fetching: Application, server: Server, link: Link, capsys: pytest.CaptureFixture[str]
) -> None:
    fetching.push({"n": 0})
    supervisor = fetching.serve()
    [task] = seen(link)
    began = time.monotonic()
    assert main(["--redis", server.url, "running", "t:d", "--trace"]) == 0
    assert time.monotonic() - began < pace.ERRAND_WAIT
    names, row, *trace = capsys.readouterr().out.splitlines()
    assert names.split()[0] == "queue"
    assert str(task.worker.pid) in row
    assert all(line.startswith("    ") for line in trace)
    places = [line.rpartition(" in ")[2] for line in trace if " in " in line]
    assert places == ["fetch_page", "handle"]  # and not who has called it
    assert supervisor.logged(f"pid {os.getpid()} on {task.host.host} asks for: trace")

    assert main(["--redis", server.url, "running", "--trace", "--json"]) == 0
    [told] = json.loads(capsys.readouterr().out)["running"]
    assert "in fetch_page" in told["trace"]
    assert "woodenwaiter/worker/worker.py" in told["trace"]
    assert (told["trouble"], told["claim"]) == ("", task.worker.claim)
    fetching.let_go(0)
    assert supervisor.stop() == 0


def test_the_log_is_told_as_well(fetching: Application, link: Link) -> None:
    """Whoever asks meanwhile."""
    fetching.push({"n": 0})
    supervisor = fetching.serve()
    tasks = seen(link)
    for _ in range(3):
        supervisor.signal(signal.SIGUSR1)
        [trace] = traces(link, tasks, None)
        assert trace.text.count("in fetch_page") == 1
    eventually(lambda: supervisor.log.count("in fetch_page") == 3, "what USR1 asked for")
    fetching.let_go(0)
    assert supervisor.stop() == 0


def test_two_hosts(fetching: Application, link: Link) -> None:
    fetching.push({"n": 0}, {"n": 1})
    supervisors = [fetching.serve() for _ in range(2)]
    tasks = seen(link, 2)
    assert {task.host.pid for task in tasks} == {each.pid for each in supervisors}
    assert ["in fetch_page" in trace.text for trace in traces(link, tasks, "t:d")] == [True, True]
    fetching.let_go(0, 1)
    assert [each.stop() for each in supervisors] == [0, 0]


def test_of_one_queue_only(app: Application, link: Link) -> None:
    others = [customer(name, processes=1) for name in ("t:d", "t:e")]
    app.write(*others, text=FETCHING, handler=FETCHES)
    app.push({"n": 0})
    app.client.lpush("t:e", '{"n": 1}')
    supervisor = app.serve()
    seen(link, 2)
    [name] = {found.name for found in published(link)}
    told = [ask(link, [name], "trace", {"queue": q})[name].told["traces"] for q in ("t:d", 5)]
    assert [len(each) for each in told] == [1, 0]
    app.let_go(0, 1)
    assert supervisor.stop() == 0


def test_ended_meanwhile(fetching: Application, link: Link) -> None:
    fetching.push({"n": 0}, {"n": 1})
    supervisor = fetching.serve()
    tasks = seen(link)
    fetching.let_go(0)
    eventually(lambda: fetching.begun == [0, 1])
    assert traces(link, tasks, "t:d") == [Trace(trouble="it has ended meanwhile")]
    fetching.let_go(1)
    assert supervisor.stop() == 0


def test_stopped_worker(app: Application, link: Link) -> None:
    """What it writes once it goes on, nobody takes for where it is then."""
    app.write(processes=2, text=FETCHING, handler=FETCHES)
    app.push({"n": 0}, {"n": 1})
    supervisor = app.serve()
    tasks = seen(link, 2)
    stopped = psutil.Process(tasks[0].worker.pid)
    stopped.suspend()
    first, second = traces(link, tasks, None)
    assert first == Trace(trouble=f"no answer from pid {stopped.pid}")
    assert "in fetch_page" in second.text
    stopped.resume()
    first, second = traces(link, tasks, None)
    assert first.text.count("in fetch_page") == second.text.count("in fetch_page") == 1
    app.let_go(0, 1)
    assert supervisor.stop() == 0


def part_of(supervisor: Supervisor, name: str) -> psutil.Process:
    is_of_all = name == "supervisor"
    return psutil.Process(supervisor.pid) if is_of_all else supervisor.housekeeper()


@pytest.mark.parametrize("name", ["supervisor", "housekeeper"])
def test_who_is_stopped(fetching: Application, link: Link, name: str) -> None:
    """And is asked again when it goes on."""
    fetching.push({"n": 0})
    supervisor = fetching.serve()
    tasks = seen(link)
    part_of(supervisor, name).suspend()
    began = time.monotonic()
    [trace] = traces(link, tasks, None)
    assert time.monotonic() - began < pace.ERRAND_WAIT + 2
    host = tasks[0].host.host
    expected = {
        "supervisor": f"{host}: its supervisor does not answer",
        "housekeeper": f"no answer from {host}",
    }
    assert trace == Trace(trouble=expected[name])
    part_of(supervisor, name).resume()
    [trace] = traces(link, tasks, None)
    assert "in fetch_page" in trace.text
    fetching.let_go(0)
    assert supervisor.stop() == 0


def test_dead_host(fetching: Application, link: Link) -> None:
    """Its errands are gone with their time."""
    fetching.push({"n": 0})
    supervisor = fetching.serve("--drain-seconds", "0")
    tasks = seen(link)
    supervisor.housekeeper().suspend()
    traces(link, tasks, None)
    key = errands_key(tasks[0].seen.name)
    eventually(lambda: not fetching.client.exists(key), "they are gone", pace.ERRAND_WAIT + 2)
    supervisor.housekeeper().resume()
    supervisor.signal(signal.SIGTERM)
    supervisor.wait()


HOSTILE = (
    b"\xff" * 100,
    b"x" * (1 << 20),
    b"1e999 {}",
    b"99999999999999999 not JSON",
    b"99999999999999999 " + b"[" * 4000,
    b'99999999999999999 {"version":1,"id":"../x","verb":"trace","arguments":{},"who":""}',
    b'99999999999999999 {"version":1,"id":[],"verb":{},"arguments":3,"who":null}',
    b'99999999999999999 {"version":1,"id":"%s","verb":"\\u001b[2J\\n","arguments":{"queue":{}},'
    b'"who":"\\ud800\\u001b]0;"}' % (b"0" * 32),
)


def test_hostile_errands(fetching: Application, link: Link) -> None:
    supervisor = fetching.serve()
    [host] = eventually(lambda: published(link), "a host", SOON)
    housekeeper = supervisor.housekeeper().pid
    for _ in range(5):
        fetching.client.rpush(errands_key(host.name), *HOSTILE)
        eventually(lambda: not fetching.client.exists(errands_key(host.name)), "taken", SOON)
    assert ask(link, [host.name], "trace", {"queue": {"a": []}})[host.name].told == {"traces": {}}
    trouble = ask(link, [host.name], "dance\x1b", {})[host.name].trouble
    assert trouble == r"this release does not know dance\x1b"
    fetching.client.delete(errands_key(host.name))
    fetching.client.set(errands_key(host.name), "mine")
    fetching.push({"n": 0})
    fetching.let_go(0)
    eventually(lambda: fetching.done == [0])
    assert supervisor.housekeeper().pid == housekeeper
    assert supervisor.stop() == 0
    assert supervisor.log.replace("\n", "").isprintable()
    assert "Traceback" not in supervisor.log


def test_hostile_answer(
    fetching: Application, server: Server, link: Link, capsys: pytest.CaptureFixture[str]
) -> None:
    """A handler writes into its worker's file what it likes."""
    evil = "\x1b[2J\u202e\n" + "x" * 300_000
    write = f"""
for name in os.listdir("/proc/self/fd"):
    try:
        target = os.readlink(f"/proc/self/fd/{{name}}")
    except OSError:
        continue
    if "traceback" in target:
        trace = int(name)
def scribble():
    while not os.path.exists("go-0"):
        os.write(trace, {evil!r}.encode())
        time.sleep(0.05)
note("begun", 0)
scribble()
"""
    fetching.write(processes=1, handler=write)
    fetching.push({"n": 0})
    supervisor = fetching.serve()
    seen(link)
    assert main(["--redis", server.url, "running", "--trace"]) == 0
    printed = capsys.readouterr().out
    assert len(printed) < 1 << 18
    assert r"\x1b[2J\u202e" in printed
    assert printed.replace("\n", "").isprintable()
    assert "characters in all" in printed
    fetching.let_go(0)
    assert supervisor.stop() == 0
