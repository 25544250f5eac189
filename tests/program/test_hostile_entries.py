"""Whatever bytes a producer pushes end in a handler or, whole, in the dead letters; and whatever
somebody puts under a key of the protocol stops that queue alone, until it is gone."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from woodenwaiter import Backoff

from ..application import Application, Supervisor, customer, kill_all
from ..hostile import BURIED, LARGE, TASKS, payload_of
from ..support import Server, eventually

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
    supervisor.logged("WRONGTYPE")
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
