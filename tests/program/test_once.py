"""``--once``: served until nothing is left to do."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from contextlib import closing

import pytest

from woodenwaiter.errors import EXIT_SETUP
from woodenwaiter.protocol.link import Link
from woodenwaiter.protocol.pausing import Pause, pause

from ..application import Application, Code, customer
from ..support import Server, eventually, free_port

FAULTS = """
    if delivery().number == 1 and foods["n"] % 10 == 1:
        os.kill(os.getpid(), 9)
    if delivery().number == 1 and foods["n"] % 10 == 2:
        raise Retry(after=0.5)
    if foods["n"] % 10 == 3:
        raise Reject("because")
    note("done", foods["n"])
"""

TO_AND_FRO = """
    note("done", foods["n"])
    if foods["n"]:
        WAITERS[foods["to"]].take_dish(foods["to"], dict(n=foods["n"] - 1, to=foods["fro"],
                                                         fro=foods["to"]))
"""


def at(url: str) -> str:
    return f"WoodenWaiter.from_url({url!r})"


@pytest.mark.parametrize("options", [(), ("--processes", "0-2"), ("--import-in", "worker")])
def test_nothing_to_do(app: Application, options: tuple[str, ...]) -> None:
    supervisor = app.serve("--once", *options)
    assert supervisor.wait() == 0
    assert "nothing is left to do" in supervisor.log
    assert not supervisor.left_behind()


def test_all_is_run_whatever_becomes_of_it_at_first(app: Application) -> None:
    app.write(handler=FAULTS)
    app.push(*({"n": n} for n in range(50)))
    supervisor = app.serve("--once")
    assert supervisor.wait() == 0
    assert app.done == [n for n in range(50) if n % 10 != 3]
    assert len(app.letters()) == 5
    assert not app.client.exists("t:d", "{t:d}:delayed", "{t:d}:settled")
    assert "tasks done: 45" in supervisor.log


def test_leaves_soon_after_the_last_task(app: Application) -> None:
    app.push({"n": 0, "sleep": 300})
    supervisor = app.serve("--once")
    eventually(lambda: app.begun)
    app.let_go(0)
    eventually(lambda: app.done)
    supervisor.logged("nothing is left to do", seconds=3)
    assert supervisor.wait() == 0


def test_retry_is_awaited(app: Application) -> None:
    app.write(handler='if delivery().number == 1: raise Retry(after=3)\nnote("done", 0)')
    app.push({"n": 0})
    supervisor = app.serve("--once")
    eventually(app.delayed)
    assert supervisor.process.poll() is None
    assert supervisor.wait() == 0
    assert app.done == [0]


def test_retry_that_never_comes_is_not(app: Application) -> None:
    app.client.zadd("{t:d}:delayed", {'{"n": 0}': "inf"})
    assert app.serve("--once").wait() == 0
    assert app.delayed()


def test_paused_queue_is_left_as_it_is(app: Application) -> None:
    with closing(Link(app.client, 10)) as link:
        pause(link, "t:d", Pause(None))
    app.push({"n": 0})
    assert app.serve("--once").wait() == 0
    assert app.waiting() == [0]


def test_what_runs_of_a_queue_that_is_paused_is_finished(app: Application) -> None:
    app.push({"n": 0, "sleep": 300}, {"n": 1})
    supervisor = app.serve("--once", "--processes", "1")
    eventually(lambda: app.begun)
    with closing(Link(app.client, 10)) as link:
        pause(link, "t:d", Pause(None))
    app.let_go(0)
    assert supervisor.wait() == 0
    assert app.done == [0]
    assert app.waiting() == [1]


def test_what_another_host_runs_is_not_awaited(app: Application) -> None:
    app.push({"n": 0, "sleep": 300})
    other = app.serve("--processes", "1")
    eventually(lambda: app.begun)
    assert app.serve("--once").wait() == 0
    assert not app.done
    app.let_go(0)
    assert other.stop() == 0
    assert app.done == [0]


def test_what_another_host_gives_back_is_found(app: Application) -> None:
    app.push({"n": 0, "sleep": 300})
    other = app.serve("--processes", "1", "--drain-seconds", "0")
    eventually(lambda: app.begun == [0])
    app.push({"n": 1, "sleep": 300})
    supervisor = app.serve("--once", "--processes", "1")
    eventually(lambda: app.begun == [0, 1])
    other.stop()
    app.let_go(0, 1)
    assert supervisor.wait() == 0
    assert app.done == [0, 1]


def test_redis_that_is_away_is_awaited(
    app: Application, make_server: Callable[..., Server]
) -> None:
    server = make_server()
    app = app.at(server)
    app.push({"n": 0, "sleep": 300}, {"n": 1})
    supervisor = app.serve("--once", "--processes", "1")
    eventually(lambda: app.begun)
    server.stop()
    app.let_go(0)
    eventually(lambda: app.done)
    supervisor.logged("trying again until it works")
    assert supervisor.process.poll() is None
    server.start()
    assert supervisor.wait() == 0
    assert {*app.done} == {0, 1}


def test_queues_of_several_servers_that_push_to_each_other(
    app: Application, make_server: Callable[..., Server]
) -> None:
    servers = {"t:d": app, "t:e": app.at(make_server())}
    customers = [
        customer(queue, at(there.url), processes=(0, 2)) for queue, there in servers.items()
    ]
    waiters = ", ".join(f"{queue!r}: {at(there.url)}" for queue, there in servers.items())
    app.write(*customers, text=f"WAITERS = {{{waiters}}}", handler=TO_AND_FRO)
    app.client.lpush("t:d", json.dumps({"n": 40, "to": "t:e", "fro": "t:d"}))
    supervisor = app.serve("--once", "--cpus", "2")
    assert supervisor.wait() == 0
    assert app.done == [*range(41)]


def test_embedded_server_leaves_as_well(app: Application) -> None:
    url = f"redis://127.0.0.1:{free_port()}/0"
    supervisor = app.serve("--redis", url, "--embedded", "data", "--once")
    assert supervisor.wait() == 0
    assert not supervisor.left_behind()


def test_variable_asks_for_it_too(app: Application) -> None:
    app.push({"n": 0})
    assert app.serve(WOODENWAITER_ONCE="yes").wait() == 0
    assert app.done == [0]


@pytest.mark.parametrize(
    "main", ["raise SystemExit(manager.run(once=True))", "manager.launch(once=True)"]
)
def test_program_that_is_to_serve_once_ends(app: Application, main: str) -> None:
    app.push({"n": 0})
    assert app.run(main).wait() == 0
    assert app.done == [0]


def test_setup_that_fails_is_told_though_there_is_nothing_to_do(app: Application) -> None:
    app.write(setup=Code("setup"), text="def setup(): raise ValueError")
    assert app.serve("--once", "--setup-wait", "1").wait() == EXIT_SETUP


def test_new_code_serves_once_as_well(app: Application) -> None:
    app.push({"n": 0, "sleep": 300})
    supervisor = app.serve("--once")
    eventually(lambda: app.begun)
    app.push({"n": 1, "sleep": 300})
    eventually(lambda: app.begun == [0, 1])
    supervisor.signal(signal.SIGHUP)
    supervisor.logged("draining")
    app.push({"n": 2})
    app.let_go(0, 1)
    assert supervisor.wait() == 0
    assert app.done == [0, 1, 2]
    assert supervisor.log.count(", supervisor, pid ") == 2
