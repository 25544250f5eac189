"""Leases of the living are not taken, whatever becomes of the server and its clock; those of the
dead are."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import redis

from woodenwaiter import Backoff

from ..application import Application, Supervisor, customer, kill_all
from ..clock import Clock, can_be_set
from ..support import Server, eventually

LEASE = 1.0
IN_HASTE = ("--lease-seconds", str(LEASE))
SETTLED, LEASES, DELAYED, CLOCK = (
    f"{{t:d}}:{name}" for name in ("settled", "leases", "delayed", "clock")
)


def ghost_is_taken(client: Any, owner: str = "ghost") -> None:
    """Wait until an owner whose lease ran out long ago has been ended: leases are taken now."""
    client.hset(SETTLED, owner, "0 0")
    client.zadd(LEASES, {owner: 1})
    eventually(lambda: not client.hexists(SETTLED, owner), "the end of an owner that is dead")


def owners(client: Any) -> set[bytes]:
    return set(client.hkeys(SETTLED))


def two_hosts(app: Application) -> tuple[Supervisor, Supervisor, bytes]:
    """One that runs task 0, and before it another that takes leases, and claims nothing; and the
    owner of the first."""
    app.write(processes=1, max_deliveries=1)
    watcher = app.serve(*IN_HASTE).ready()
    watcher.signal(signal.SIGTSTP)
    eventually(lambda: watcher.titled("quiet"))
    ghost_is_taken(app.client)
    others = owners(app.client)
    app.push({"n": 0, "sleep": 300})
    runner = app.serve(*IN_HASTE)
    eventually(lambda: app.begun)
    [owner] = owners(app.client) - others
    return runner, watcher, owner


def runs_once(app: Application) -> None:
    """Leases are taken again, and the running task's was not."""
    ghost_is_taken(app.client)
    app.let_go(0)
    eventually(lambda: app.done)
    assert not app.letters()
    assert app.begun == app.done == [0]


# A server that does not renew.


@contextmanager
def busy(server: Server) -> Iterator[None]:
    """A script of somebody's runs for ever, until it is killed."""
    server.client.config_set("lua-time-limit", 10)

    def run() -> None:
        with suppress(redis.ResponseError), redis.Redis.from_url(server.url) as client:
            client.eval("while true do end", 0)

    script = threading.Thread(target=run)
    script.start()
    yield
    server.client.script_kill()
    script.join()


@contextmanager
def leases_are_something_else(server: Server) -> Iterator[None]:
    server.client.rename(LEASES, "aside")
    server.client.set(LEASES, "something else")
    yield
    server.client.rename("aside", LEASES)


@pytest.mark.parametrize("trouble", [busy, leases_are_something_else])
def test_host_that_cannot_renew_keeps_its_tasks(
    app: Application, make_server: Callable[..., Server], trouble: Any
) -> None:
    """The other one, which could not either, is the first that can again."""
    server = make_server()
    app = app.at(server)
    runner, _, owner = two_hosts(app)
    with trouble(server):
        began = time.monotonic()
        eventually(lambda: time.monotonic() > began + 2 * LEASE)
        runner.housekeeper().suspend()
    present = server.client.time()[0] * 1000
    assert server.client.zscore(LEASES, owner) < present
    server.client.hset(SETTLED, "new", "0 0")
    eventually(lambda: server.client.zscore(LEASES, "new"), "a look of the other one's")
    runner.housekeeper().resume()
    runs_once(app)


def test_living_worker_is_spared_whatever_its_lease_says(app: Application) -> None:
    app.write(processes=1, max_deliveries=1)
    app.serve(*IN_HASTE).ready()
    ghost_is_taken(app.client)
    app.push({"n": 0, "sleep": 300})
    eventually(lambda: app.begun)
    [owner] = owners(app.client)
    for number in range(8):
        app.client.zadd(LEASES, {owner: 1})
        ghost_is_taken(app.client, f"ghost{number}")
    runs_once(app)


def test_renewals_go_on_where_recovery_fails(app: Application) -> None:
    """A dead letter has nowhere to go."""
    app.client.set("{t:d}:dead", "something else")
    app.write(processes=2, max_deliveries=1)
    app.push({"n": 0, "sleep": 300})
    supervisor = app.serve(*IN_HASTE)
    eventually(lambda: app.begun)
    [owner] = [o for o in owners(app.client) if app.client.exists(b"{t:d}:claims:" + o)]
    app.push({"n": 1, "kill": signal.SIGKILL})
    supervisor.logged("WRONGTYPE")
    ends: set[float] = set()
    eventually(
        lambda: ends.add(app.client.zscore(LEASES, owner)) or len(ends) > 4,  # type: ignore[func-returns-value]
        "four renewals",
    )
    app.client.delete("{t:d}:dead")
    eventually(app.letters)
    app.let_go(0)
    eventually(lambda: app.done == [0])


# The server's clock.


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    if not can_be_set():
        pytest.skip("needs a C compiler")
    return Clock(tmp_path)


@pytest.fixture
def stepping(clock: Clock, make_server: Callable[..., Server]) -> Server:
    """A server that has this clock."""
    server = make_server(**clock.environment)
    before = server.client.time()[0]
    clock.set_ahead(3600)
    eventually(lambda: server.client.time()[0] >= before + 3600)
    clock.set_ahead(0)
    return server


@pytest.mark.parametrize("seconds", [3600, 5])
def test_step_forward_takes_no_living_workers_task(
    app: Application, stepping: Server, clock: Clock, seconds: int
) -> None:
    app = app.at(stepping)
    _, watcher, _ = two_hosts(app)
    clock.set_ahead(seconds)
    watcher.logged("went forward by")
    runs_once(app)
    assert watcher.log.count("went forward by") == 1


def test_step_back_holds_up_neither_retries_nor_recovery(
    app: Application, stepping: Server, clock: Clock
) -> None:
    app = app.at(stepping)
    app.write(then="assert delivery().number > 1", processes=1, backoff=Backoff(8, 8))
    app.push({"n": 0, "sleep": 300})
    dying = app.serve(*IN_HASTE)
    eventually(lambda: app.begun)
    app.serve(*IN_HASTE).ready()
    app.client.zadd(DELAYED, {"later": (app.client.time()[0] + 300) * 1000})
    app.push({"n": 1})
    eventually(lambda: len(app.delayed()) == 2)
    eventually(lambda: app.client.exists(CLOCK))
    kill_all(dying)
    clock.set_ahead(-3600)
    app.let_go(0)
    eventually(lambda: app.done == [0, 1], seconds=60)
    present = app.client.time()[0]
    assert 0 < app.client.zscore(DELAYED, "later") / 1000 - present < 301


# Claims that nobody knows of.


def test_claims_without_an_owner_go_back(app: Application) -> None:
    app.push(*({"n": n, "sleep": 300} for n in range(2)))
    app.write(processes=2)
    supervisor = app.serve(*IN_HASTE)
    eventually(lambda: app.begun == [0, 1])
    kill_all(supervisor)
    app.client.delete(SETTLED, LEASES)
    app.let_go(0, 1)
    supervisor = app.serve(*IN_HASTE)
    eventually(lambda: app.done == [0, 1], seconds=60)
    assert supervisor.stop() == 0
    assert not app.client.keys("*claims*")


def test_server_that_would_evict_tasks_is_told_once(
    app: Application, make_server: Callable[..., Server]
) -> None:
    server = make_server()
    server.client.config_set("maxmemory", "100mb")
    server.client.config_set("maxmemory-policy", "allkeys-lru")
    another = customer("t:e", waiter=f"WoodenWaiter.from_url({server.url[:-1] + '1'!r})")
    app = app.at(server)
    app.write(customer(processes=1), another)
    supervisor = app.serve().ready(2)
    supervisor.logged("maxmemory-policy allkeys-lru")
    assert supervisor.log.count("maxmemory-policy") == 1


@pytest.mark.parametrize(
    "settings",
    [
        {"maxmemory-policy": "allkeys-lru"},
        {"maxmemory": "100mb", "maxmemory-policy": "volatile-lru"},
        {"maxmemory": "100mb", "maxmemory-policy": "noeviction"},
    ],
)
def test_server_that_evicts_nothing_is_no_matter(
    app: Application, make_server: Callable[..., Server], settings: dict[str, str]
) -> None:
    server = make_server()
    for name, value in settings.items():
        server.client.config_set(name, value)
    app = app.at(server)
    app.write()
    assert "maxmemory" not in app.serve().ready(2).log


def renewed(client: Any, owner: bytes) -> float:
    """Waits until its host has come by; returns when."""
    before = client.zscore(LEASES, owner)
    eventually(lambda: client.zscore(LEASES, owner) != before, "a renewal")
    return time.monotonic()


def test_small_host_is_there_when_a_large_ones_leases_run_out(app: Application) -> None:
    """It has one of 17 workers, and comes by rarely."""
    lease = 12.0
    app.write(processes=1)
    app.serve("--lease-seconds", f"{lease:g}").ready()
    eventually(lambda: owners(app.client), "its owner")
    [owner] = owners(app.client)
    others = [f"large/{n}" for n in range(16)]
    app.client.hset(SETTLED, mapping=dict.fromkeys(others, "0 0"))
    app.client.zadd(LEASES, dict.fromkeys(others, (time.time() + 600) * 1000))
    app.client.hset(SETTLED, "ghost", "0 0")
    app.client.zadd(LEASES, {"ghost": 1})
    eventually(lambda: not app.client.hexists(SETTLED, "ghost"), "its grace", 3 * lease)
    left = renewed(app.client, owner) + lease / 3 + 0.5 - time.monotonic()
    app.client.hset(SETTLED, "ghost", "0 0")
    app.client.zadd(LEASES, {"ghost": (time.time() + left) * 1000})
    eventually(lambda: not app.client.hexists(SETTLED, "ghost"), "somebody in time", left + 2)


def test_queue_whose_keys_are_wrong_keeps_no_other_from_what_ran_out(app: Application) -> None:
    app.client.set("{t:w}:leases", "something else")
    app.write(customer(processes=1), customer("t:w", processes=1))
    app.serve(*IN_HASTE).ready()
    for number in range(3):
        ghost_is_taken(app.client, f"ghost{number}")
