"""Whatever bytes a producer pushes end in a handler or, whole, in the dead letters; and whatever
somebody puts under a key of the protocol stops that queue alone, until it is gone."""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from woodenwaiter import Backoff
from woodenwaiter.protocol.keys import key_prefix

from ..application import Application, Supervisor, customer, kill_all
from ..hostile import BURIED, LARGE, TASKS, payload_of
from ..support import Server, eventually, title

HANDLER = """
    if foods.get("fail"):
        raise ValueError("told to fail")
    note("done", foods["name"])
"""


@pytest.fixture
def supervisor(app: Application) -> Supervisor:
    """It serves the queues ``t:d`` and ``u:d``, with one worker each."""
    policy: dict[str, Any] = {"seconds": 0.2, "max_deliveries": 2, "backoff": Backoff(0, 0)}
    customers = [customer(queue, **policy) for queue in ("t:d", "u:d")]
    app.write(*customers, handler=HANDLER)
    return app.serve().ready(2)


def test_supervisor_takes_it_all(app: Application, supervisor: Supervisor) -> None:
    """A worker that any of it killed would have been replaced, and said so."""
    client = app.client
    large = b'{"a": "' + b"x" * LARGE
    corpus = [*TASKS.values(), *BURIED.values(), large]
    workers = {worker.pid for worker in supervisor.workers()}
    for raw in corpus:
        client.lpush("t:d", raw)
    client.lpush("t:d", b'{"name": "last"}')
    eventually(lambda: "last" in app.noted("done"), "the last task", 60)
    eventually(lambda: client.llen("t:d") == 0)
    assert {worker.pid for worker in supervisor.workers()} == workers
    assert supervisor.stop() == 0
    assert sorted(app.noted("done")) == sorted([*TASKS, "last"])
    buried = [letter[b"payload"] for letter in app.letters()]
    assert sorted(buried) == sorted(payload_of(raw) for raw in [*BURIED.values(), large])
    assert len(supervisor.log) < 100_000
    client.delete("{t:d}:dead")


@pytest.mark.parametrize("key", ["", "arrivals", "settled", "leases", "delayed", "dead", "claims"])
def test_wrong_type_under_a_key(app: Application, supervisor: Supervisor, key: str) -> None:
    client = app.client
    processes = {process.pid for process in supervisor.tree()}
    spoilt = f"{{t:d}}:{key}" if key else "t:d"
    if key == "claims":
        owner = client.hkeys("{t:d}:settled")[0].decode()
        spoilt = f"{{t:d}}:claims:{owner}"
    client.set(spoilt, "a string")
    if key:
        client.lpush("t:d", b'{"name": "meanwhile"}', b'{"fail": 1}', b"no task")
        supervisor.logged("WRONGTYPE")  # of the queue itself, only who pushes hears
    until = time.monotonic() + 1.5  # seconds in which it could say it again, and again
    for n in range(10):
        client.lpush("u:d", b'{"name": "other %d"}' % n)
    eventually(lambda: len([line for line in app.noted("done") if "other" in line]) == 10)
    eventually(lambda: time.monotonic() > until)
    told = [line for line in supervisor.log.splitlines() if "WRONGTYPE" in line]
    assert len(told) <= 2, "one of the worker, one of the housekeeper"
    client.delete(spoilt)
    client.lpush("t:d", b'{"name": "afterwards"}')
    wanted = {"meanwhile", "afterwards"} if key else {"afterwards"}
    eventually(lambda: wanted <= set(app.noted("done")), "what was pushed", 40)
    if key:
        eventually(lambda: client.xlen("{t:d}:dead") == 2, "two dead letters", 40)
    assert {process.pid for process in supervisor.tree()} == processes
    assert supervisor.stop() == 0
    assert supervisor.log.count("WRONGTYPE") <= 3


MEBIBYTE = 1 << 20


def test_payloads_as_large_as_the_server_takes(
    app: Application, make_server: Callable[..., Server]
) -> None:
    """A header would make them too large to be sent once more; and the host of one dies."""
    server = make_server()
    server.client.config_set("proto-max-bulk-len", MEBIBYTE)
    app = app.at(server)
    app.write(
        handler="""
            note("begun", foods["n"])
            if foods["n"] == 1:
                raise ValueError("x" * 60_000_000)
            if foods["n"] == 2:
                os.kill(os.getpid(), signal.SIGKILL)
            if foods["n"] == 3:
                time.sleep(300)
        """,
        processes=1,
        max_deliveries=2,
        backoff=Backoff(0, 0),
    )
    payloads = [(b'{"n": %d, "x": "' % n).ljust(MEBIBYTE - 2, b"x") + b'"}' for n in range(4)]
    payloads.append(b"no task".ljust(MEBIBYTE))
    server.client.lpush("t:d", *payloads)
    for lives in range(1, 4):
        supervisor = app.serve("--lease-seconds", "1")
        eventually(lambda: app.begun.count(3) == lives, f"life {lives}")  # noqa: B023
        kill_all(supervisor)
    supervisor = app.serve("--lease-seconds", "1")
    eventually(lambda: len(app.letters()) == 4)
    letters = {letter[b"payload"]: letter for letter in app.letters()}
    assert letters.keys() == set(payloads[1:])
    assert len(letters[payloads[1]][b"error"]) < 20_000
    assert len(letters[payloads[1]][b"traceback"]) < 70_000
    assert supervisor.stop() == 0
    assert not server.client.exists("t:d", "{t:d}:delayed", "{t:d}:settled")
    assert app.begun.count(0) == 1


def test_owner_of_foreign_bytes_is_recovered_and_told_in_one_line(app: Application) -> None:
    client = app.client
    app.write(handler=HANDLER)
    supervisor = app.serve("--lease-seconds", "2").ready()
    processes = {process.pid for process in supervisor.tree()}
    owner = b"\xff\x1b[31m\n/1"
    client.lpush(b"{t:d}:claims:" + owner, b'{"name": "first"}', b'{"name": "second"}')
    client.hset("{t:d}:settled", owner, "0 1")
    client.zadd("{t:d}:leases", {owner: 1})
    eventually(lambda: {"first", "second"} <= set(app.noted("done")), "its claims", 60)
    line = supervisor.logged(r"of \udcff\x1b[31m\n/1 ran out; its tasks that are back in the queue")
    assert " [" in line
    assert {process.pid for process in supervisor.tree()} == processes
    assert supervisor.stop() == 0


FORGED = "no\n1999-01-01 00:00:00.000 INFO    [1 main] forged \x1b[2J\x9b\u202e"


@pytest.mark.parametrize("style", ["text", "json"])
def test_nothing_forges_a_line_of_the_log(app: Application, style: str) -> None:
    """Neither an exception's message, nor a payload, nor a queue's name, nor code that hangs."""
    queue = "\x1b]0;t\x07:d\n\u2028"
    hang = "def hang_桌():\n    time.sleep(60)\n"
    handler = """
        if foods.get("hang"):
            hang_桌()
        raise ValueError(foods["message"])
    """
    app.write(customer(queue, max_deliveries=1), text=hang, handler=handler)
    supervisor = app.serve("--log-format", style).ready()
    titles = [title(process) for process in (psutil.Process(supervisor.pid), *supervisor.tree())]
    assert all(map(str.isprintable, titles)), titles
    app.client.lpush(queue, json.dumps({"message": FORGED}), b"{}\n" + FORGED.encode())
    eventually(lambda: app.client.xlen(key_prefix(queue) + "dead") == 2)
    app.client.lpush(queue, json.dumps({"hang": True}))
    eventually(lambda: app.client.llen(queue) == 0)
    supervisor.signal(signal.SIGUSR1)
    supervisor.logged("is here:")
    supervisor.signal(signal.SIGQUIT)
    supervisor.wait()
    log = supervisor.output.read_text()
    assert log.replace("\n", "").isprintable()
    assert "forged" in log
    head = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \w+ +\[\d+ [a-z]|    |\{"
    assert [line for line in log.splitlines() if not re.match(head, line)] == []
    assert not re.search("^1999", log, re.M)


def test_supervisor_works_in_any_locale(app: Application) -> None:
    app.write(customer("tür:d", processes=2), handler='note("done", foods["n"])')
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    supervisor = app.serve(**ascii_only).ready(2)
    app.client.lpush("tür:d", '{"n": 1}')
    eventually(lambda: app.done == [1])
    assert supervisor.stop() == 0
    assert "tür:d" in supervisor.log
