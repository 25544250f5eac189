"""``woodenwaiter cancel``: tasks are ended wherever they are, and no others."""

from __future__ import annotations

import hashlib
import json
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from typing import Any

import psutil
import pytest

from woodenwaiter import pace
from woodenwaiter.commands.operate import main
from woodenwaiter.errors import EXIT_UNKNOWN
from woodenwaiter.housekeeper.errands import Errands
from woodenwaiter.protocol.keys import HOSTS, host_key
from woodenwaiter.protocol.link import Link
from woodenwaiter.protocol.looks import peek
from woodenwaiter.protocol.published import published
from woodenwaiter.protocol.urls import client_at
from woodenwaiter.verbs.cancelling import Cancelled, Outcome, cancel
from woodenwaiter.verbs.desk import Desk

from ..application import Application
from ..support import Server, eventually

SLEEPS = "note('begun', foods['n']); time.sleep(foods.get('s', 60)); note('done', foods['n'])"

STUBBORN = """
note("begun", foods["n"])
while True:
    try:
        time.sleep(60)
    except BaseException as error:
        note("caught", f"{type(error).__name__}: {error}")
"""


@pytest.fixture
def desk(link: Link) -> Desk:
    return Desk(link, "ann", "web-1")


def claims(app: Application) -> list[str]:
    """The names of what is claimed, oldest first for each owner."""
    names = []
    for owner, standing in sorted(app.client.hgetall("{t:d}:settled").items()):
        held = app.client.llen(b"{t:d}:claims:" + owner)
        first = int(standing.split()[0]) + 1
        names += [f"{owner.decode()}/{seq}" for seq in range(first, first + held)]
    return names


def the_running(app: Application, number: int = 1) -> list[str]:
    eventually(lambda: len(app.begun) >= number, "they begin")
    return eventually(lambda: found if len(found := claims(app)) == number else None)


def counts(app: Application) -> dict[str, int]:
    found = app.client.hgetall("{t:d}:tally")
    return {name.decode(): int(number) for name, number in found.items()}


# Where it runs.


def test_handler_is_interrupted(app: Application, desk: Desk) -> None:
    app.write(processes=1, handler=SLEEPS)
    app.push({"n": 0})
    supervisor = app.serve()
    [name] = the_running(app)
    cancelled = cancel(desk, "t:d", name)
    assert (cancelled.outcome, cancelled.task) == (Outcome.ENDED, name)
    assert cancelled.seconds is not None
    assert cancelled.seconds < 2
    [(letter, fields)] = app.client.xrange("{t:d}:dead")
    assert cancelled.letter == letter.decode()
    assert (fields[b"reason"], fields[b"error"]) == (b"cancelled", b"by ann at web-1")
    assert (fields[b"id"], fields[b"deliveries"]) == (name.encode(), b"1")
    assert b"TaskCancelled: by ann at web-1" in fields[b"traceback"]
    assert counts(app) == {"failed": 1, "buried": 1}
    app.push({"n": 1, "s": 0})
    eventually(lambda: app.done == [1], "the next runs")
    assert cancel(desk, "t:d", name).outcome == Outcome.UNKNOWN
    assert supervisor.logged("ann at web-1 asks for: cancel")
    assert supervisor.stop() == 0


def test_coroutine_is_interrupted_where_it_waits(app: Application, desk: Desk) -> None:
    text = """
    import asyncio
    async def wait(n):
        note("begun", n)
        try:
            await asyncio.sleep(60)
        finally:
            note("cleaned", n)
    """
    app.write(processes=1, text=text, handler="return wait(foods['n'])")
    app.push({"n": 0})
    supervisor = app.serve()
    [name] = the_running(app)
    assert cancel(desk, "t:d", name).outcome == Outcome.ENDED
    assert app.noted("cleaned") == ["0"]
    [letter] = app.letters()
    assert b"asyncio.sleep(60)" in letter[b"traceback"]
    assert supervisor.stop() == 0


def test_stubborn_handler_is_killed_with_its_worker(app: Application, desk: Desk) -> None:
    app.write(processes=1, handler=STUBBORN)
    app.push({"n": 0})
    supervisor = app.serve()
    [name] = the_running(app)
    app.push({"n": 1})
    cancelled = cancel(desk, "t:d", name)
    assert cancelled.outcome == Outcome.KILLED
    assert cancelled.seconds is not None
    assert pace.TIMEOUT_GRACE <= cancelled.seconds < pace.CANCEL_WAIT
    assert "was killed, as the task went on after it was cancelled" in cancelled.why
    assert app.noted("caught") == ["TaskCancelled: by ann at web-1"]
    [letter] = app.letters()
    assert letter[b"error"].startswith(b"by ann at web-1; its worker (pid ")
    eventually(lambda: app.begun == [0, 1], "the next runs, in another worker")
    assert counts(app) == {"failed": 1, "buried": 1}
    supervisor.signal(signal.SIGQUIT)
    supervisor.wait()


def test_handler_that_returns_is_done(app: Application, desk: Desk) -> None:
    app.write(
        processes=1,
        text="from woodenwaiter import TaskCancelled",
        handler="""
            note("begun", 0)
            try:
                time.sleep(60)
            except TaskCancelled:
                note("done", 0)
        """,
    )
    app.push({"n": 0})
    supervisor = app.serve()
    [name] = the_running(app)
    assert cancel(desk, "t:d", name).outcome == Outcome.OVER
    assert app.done == [0]
    assert app.letters() == []
    supervisor.ready(1)
    assert counts(app) == {"done": 1}
    assert supervisor.stop() == 0


@pytest.mark.parametrize(
    "then",
    ["raise Retry(0)", "raise ValueError", "os._exit(3)", "os.kill(os.getpid(), 11)", "sys.exit()"],
)
def test_whatever_it_does_then_it_comes_not_again(app: Application, desk: Desk, then: str) -> None:
    app.write(
        processes=1,
        text="import sys",
        handler=f"""
            note("begun", foods["n"])
            try:
                time.sleep(60)
            except BaseException:
                {then}
        """,
    )
    app.push({"n": 0})
    supervisor = app.serve()
    [name] = the_running(app)
    cancelled = cancel(desk, "t:d", name)
    assert cancelled.outcome in (Outcome.ENDED, Outcome.KILLED)
    [letter] = app.letters()
    assert letter[b"reason"] == b"cancelled"
    assert (app.begun, app.delayed(), app.waiting()) == ([0], [], [])
    assert supervisor.stop() == 0


def test_one_that_was_delivered_before_by_its_id(app: Application, desk: Desk) -> None:
    app.write(
        processes=1,
        handler="""
            note("begun", delivery().id)
            if delivery().number == 1:
                raise Retry(0)
            time.sleep(60)
        """,
    )
    app.push({"n": 0})
    supervisor = app.serve()
    eventually(lambda: len(app.noted("begun")) == 2, "the second delivery")
    [first, second] = app.noted("begun")
    assert first == second
    cancelled = cancel(desk, "t:d", first)
    assert (cancelled.outcome, cancelled.task) == (Outcome.ENDED, first)
    [letter] = app.letters()
    assert (letter[b"id"], letter[b"deliveries"]) == (first.encode(), b"2")
    assert supervisor.stop() == 0


def test_two_operators_at_once(app: Application, desk: Desk, server: Server) -> None:
    app.write(processes=1, handler=SLEEPS)
    app.push({"n": 0})
    supervisor = app.serve()
    [name] = the_running(app)

    def other(who: str) -> Outcome:
        with closing(Link(client_at(server.url), 10)) as link:
            return cancel(Desk(link, who, "web-2"), "t:d", name).outcome

    with ThreadPoolExecutor(3) as threads:
        outcomes = [*threads.map(other, ("bob", "eve", "joe"))]
    assert Outcome.ENDED in outcomes
    assert set(outcomes) <= {Outcome.ENDED, Outcome.OVER, Outcome.UNKNOWN}
    assert len(app.letters()) == 1
    assert counts(app) == {"failed": 1, "buried": 1}
    assert supervisor.stop() == 0


def test_leaving_worker(app: Application, desk: Desk) -> None:
    app.write(processes=1, handler=SLEEPS)
    app.push({"n": 0})
    supervisor = app.serve()
    [name] = the_running(app)
    supervisor.signal(signal.SIGTERM)
    supervisor.logged("draining")
    assert cancel(desk, "t:d", name).outcome == Outcome.ENDED
    assert supervisor.wait() == 0
    assert len(app.letters()) == 1


def test_killed_at_the_end_of_a_drain(app: Application, desk: Desk) -> None:
    """It does not go back to the queue, as others do."""
    app.write(processes=1, handler=STUBBORN)
    app.push({"n": 0})
    supervisor = app.serve("--drain-seconds", "2")
    [name] = the_running(app)
    with ThreadPoolExecutor(1) as thread:
        asked = thread.submit(cancel, desk, "t:d", name)
        eventually(lambda: app.noted("caught"), "it is told")
        supervisor.signal(signal.SIGTERM)
        supervisor.wait()
        asked.result()
    assert app.waiting() == []
    [letter] = app.letters()
    assert letter[b"reason"] == b"cancelled"


# Under load.


def test_no_other_task_is_hit(app: Application, desk: Desk) -> None:
    """Four workers, with tasks that take no time beside those that are cancelled."""
    app.write(
        processes=4,
        handler="""
            if "s" in foods:
                note("begun", foods["n"])
                time.sleep(foods["s"])
            else:
                note("done", foods["n"])
        """,
    )
    supervisor = app.serve().ready(4)
    number = 0
    for n in range(6):
        app.push({"n": n, "s": 60})
        for _ in range(10):
            app.push(*({"n": number + i} for i in range(100)))
            number += 100
        eventually(partial(_has_begun, app, n), "it begins")
        payload = json.dumps({"n": n, "s": 60}).encode()
        found = cancel(desk, "t:d", _digits(payload))
        assert found.outcome in (Outcome.ENDED, Outcome.WAITING), found
        assert len(app.letters()) == n + 1
    eventually(lambda: len(app.noted("done")) >= number, "all others are done", 60)
    assert app.done == [*range(number)]  # each once
    assert {letter[b"reason"] for letter in app.letters()} == {b"cancelled"}
    supervisor.ready(4)
    assert counts(app) == {"done": number, "failed": 6, "buried": 6}
    assert supervisor.log.count("is killed") == 0
    assert supervisor.stop() == 0


def _has_begun(app: Application, n: int) -> bool:
    return app.begun[-1:] == [n]


def _digits(payload: bytes) -> str:
    return hashlib.sha1(payload, usedforsecurity=False).hexdigest()[:12]


def test_just_as_they_end(app: Application, desk: Desk, server: Server) -> None:
    """Each task is done, or a dead letter; the command says which. No other is hit."""
    app.write(
        processes=4,
        handler="note('begun', foods['n']); time.sleep(1.5); note('done', foods['n'])",
    )
    supervisor = app.serve().ready(4)
    outcomes: dict[int, Outcome] = {}

    def one(n: int) -> Cancelled:
        with closing(Link(client_at(server.url), 10)) as link:
            name = _digits(json.dumps({"n": n}).encode())
            return cancel(Desk(link, "ann", "web-1"), "t:d", name)

    for first in range(0, 16, 4):
        app.push(*({"n": n} for n in range(first, first + 4)))
        eventually(partial(_has_begun, app, first + 3), "they begin")
        with ThreadPoolExecutor(4) as threads:
            for n, found in enumerate(threads.map(one, range(first, first + 4)), first):
                outcomes[n] = found.outcome
    supervisor.ready(4)
    ended = {n for n, outcome in outcomes.items() if outcome.is_cancelled}
    dead = {json.loads(letter[b"payload"])["n"] for letter in app.letters()}
    assert ended == dead
    assert set(app.done) | dead == {*range(16)}
    assert len(app.done) + len(dead) == 16
    assert app.begun == [*range(16)]
    assert supervisor.stop() == 0


# Where it cannot be ended.


def test_supervisor_that_is_stopped(app: Application, desk: Desk) -> None:
    """It is asked, and ends the task when it goes on: nobody knows that now."""
    app.write(processes=1, handler=SLEEPS)
    app.push({"n": 0})
    supervisor = app.serve()
    [name] = the_running(app)
    eventually(lambda: published(desk.link), "it tells of itself")
    whole = [psutil.Process(supervisor.pid), *supervisor.tree()]
    for process in whole:
        process.suspend()
    began = time.monotonic()
    cancelled = cancel(desk, "t:d", name)
    assert time.monotonic() - began < pace.CANCELLED_WITHIN + 2
    assert cancelled.outcome == Outcome.UNREACHABLE
    assert cancelled.why.endswith(": no answer")
    for process in whole:
        process.resume()
    assert cancel(desk, "t:d", name).outcome in (Outcome.ENDED, Outcome.OVER)
    assert len(app.letters()) == 1
    assert supervisor.stop() == 0


def test_release_that_does_not_know_it(queue: Any, desk: Desk, client: Any, server: Server) -> None:
    owner = "web-1.1." + "0f" * 16 + "/1"
    queue.enroll(owner, 0)
    client.lpush("t:d", "{}")
    queue.claim(owner, 0, 1)
    document = owner.partition("/")[0] + "/0"
    client.zadd(HOSTS, {document: 1})
    client.set(host_key(document), "{}")
    with closing(Link(client_at(server.url), 10)) as other, ThreadPoolExecutor(1) as thread:
        asked = thread.submit(cancel, desk, "t:d", f"{owner}/1")
        errands = Errands(document, {}, other.exchange)
        errands.heed(1, 0)

        def is_answered() -> bool:
            errands.heed(1, 0)
            errands.attend()
            return asked.done()

        eventually(is_answered, "an answer")
    cancelled = asked.result()
    assert cancelled.outcome == Outcome.UNREACHABLE
    assert cancelled.why == "pid 1 on web-1: this release does not know cancel"


def test_inline_task(app: Application, desk: Desk) -> None:
    app.write(processes=1, handler=SLEEPS)
    app.push({"n": 0})
    program = app.run("manager.customers[0].call_waiter()")
    [name] = the_running(app)
    cancelled = cancel(desk, "t:d", name)
    assert cancelled.outcome == Outcome.UNREACHABLE
    assert cancelled.why.startswith(f"call_waiter() runs it, in pid {program.pid} on ")
    program.end()


# As people type it.


@pytest.fixture
def type_in(server: Server, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    def type_in(*arguments: str) -> tuple[int, str, str]:
        code = main(["--redis", server.url, *arguments])
        return code, *capsys.readouterr()

    return type_in


def test_what_it_prints(app: Application, link: Link, type_in: Callable[..., Any]) -> None:
    app.write(processes=1, handler=SLEEPS)
    app.push({"n": 0})
    supervisor = app.serve()
    the_running(app)
    app.push({"n": 1})
    [task] = peek(link, "t:d", 1)
    code, out, errors = type_in("cancel", "t:d", task.name)
    [letter] = [name.decode() for name, _ in app.client.xrange("{t:d}:dead")]
    assert (code, out, errors) == (0, f"cancelled while waiting: dead letter {letter}\n", "")
    eventually(lambda: "running" in type_in("status", "--workers")[1], "it is shown", 15)
    _, out, _ = type_in("running", "t:d")
    [title, row] = (line.split() for line in out.splitlines())
    name = row[-1]
    assert (title[-2], name.split("/")[-1]) == ("task", "1")
    code, out, errors = type_in("cancel", "t:d", name, "--json")
    told = json.loads(out)
    assert (code, errors, told["outcome"], told["queue"]) == (0, "", "ended", "t:d")
    assert told["letter"]
    assert type_in("cancel", "t:d", name) == (
        EXIT_UNKNOWN,
        "",
        f"woodenwaiter: no such task: {name}\n",
    )
    code, _, errors = type_in("cancel", "t:e", name)
    assert (code, "no such queue: nothing is known of t:e; is it t:d?" in errors) == (1, True)
    code, _, errors = type_in("cancel", "t:d", "\x1b[2J")
    assert (code, errors) == (1, "woodenwaiter: no such task: \\x1b[2J\n")
    assert supervisor.stop() == 0
