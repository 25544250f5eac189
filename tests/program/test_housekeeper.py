"""The housekeeper: alone, refused, or kept waiting."""

from __future__ import annotations

import itertools
import os
import signal
import statistics
from collections.abc import Callable

import pytest

from woodenwaiter import Backoff
from woodenwaiter.protocol.keys import REGISTRY
from woodenwaiter.supervisor.embedded import is_listening

from ..application import Application, customer
from ..support import Server, await_end_of, eventually, free_port


def test_orphaned_it_stops_the_embedded_server_and_no_other(
    app: Application, server: Server
) -> None:
    port = free_port()
    app.write(
        customer(waiter=f'WoodenWaiter("localhost", {port})', processes=2),
        customer("t:e", waiter=f"WoodenWaiter(port={server.port})"),
    )
    supervisor = app.serve("--embedded", "data").ready(3)
    family = supervisor.tree()
    supervisor.signal(signal.SIGKILL)
    await_end_of(family)
    assert "Traceback" not in supervisor.log
    assert not is_listening("localhost", port)
    assert app.client.ping()


def only_the_queues_keys(server: Server) -> str:
    server.client.acl_setuser(
        "u", enabled=True, passwords=["+pw"], keys=["t:d", "{t:d}:*"], commands=["+@all"]
    )
    return f"redis://u:pw@127.0.0.1:{server.port}/0"


def another_use_of_the_registry(server: Server) -> str:
    server.client.set(REGISTRY, "mine")
    return server.url


def calls(server: Server, command: str) -> int:
    """Refused ones, and those of scripts, among them."""
    none = {"calls": 0, "rejected_calls": 0}
    counts = server.client.info("commandstats").get(f"cmdstat_{command}", none)
    return int(counts["calls"] + counts["rejected_calls"])


@pytest.mark.parametrize("refusing", [only_the_queues_keys, another_use_of_the_registry])
def test_queue_that_cannot_be_registered_is_cared_for(
    app: Application, make_server: Callable[..., Server], refusing: Callable[[Server], str]
) -> None:
    server = make_server()
    app = app.at(server)
    app.push({"n": 0})
    app.write(then="assert delivery().number > 1", processes=1, backoff=Backoff(0, 0))
    supervisor = app.serve("--redis", refusing(server), "--lease-seconds", "1")
    eventually(lambda: app.done == [0])
    eventually(lambda: calls(server, "sadd") >= 1)
    server.client.client_kill_filter(_type="normal", skipme=True)
    eventually(lambda: calls(server, "sadd") >= 2, "another attempt after an outage")
    assert supervisor.log.count(f"t:d is not in the set {REGISTRY}") == 1
    assert supervisor.stop() == 0


def customers_at(*urls: str) -> list[str]:
    """One of the queue ``t:d`` where the environment says, and one more at each address."""
    return [customer()] + [
        customer(f"t:{n}", waiter=f"WoodenWaiter.from_url({url!r})") for n, url in enumerate(urls)
    ]


def test_one_connection_serves_all_queues_of_a_database(app: Application, server: Server) -> None:
    app.write(*customers_at(server.url, server.url, server.url.replace("/0", "/1")))
    supervisor = app.serve().ready(4)
    eventually(lambda: len(app.client.smembers(REGISTRY)) == 3)
    eventually(lambda: len(supervisor.housekeeper().net_connections()) == 2)


@pytest.mark.parametrize("from_the_start", [True, False])
def test_silent_servers_cost_no_lease_on_another(
    app: Application, make_server: Callable[..., Server], from_the_start: bool
) -> None:
    silent = [make_server() for _ in range(3)]

    def silence() -> None:
        for each in silent:
            os.kill(each.pid, signal.SIGSTOP)

    if from_the_start:
        silence()
    app.write(*customers_at(*[each.url for each in silent]))
    app.push({"n": 0, "sleep": 300})
    options = ("--lease-seconds", "4", "--drain-seconds", "0")
    supervisor = app.serve(*options)
    eventually(lambda: app.begun)
    [owner] = app.client.hkeys("{t:d}:settled")
    if not from_the_start:
        supervisor.ready(3)
        silence()
    app.write()
    app.serve(*options).ready(2)
    ends = {app.client.zscore("{t:d}:leases", owner)}
    eventually(
        lambda: (
            ends.add(app.client.zscore("{t:d}:leases", owner))  # type: ignore[func-returns-value]
            or len(ends) > 4
        ),
        "four renewals",
    )
    assert app.begun == [0]


def test_calm_queue_is_glanced_at(app: Application, make_server: Callable[..., Server]) -> None:
    """A visit that finds nothing to do runs no script."""
    server = make_server()
    app = app.at(server)
    app.write()
    app.serve("--lease-seconds", "1").ready(2)
    server.client.config_resetstat()
    eventually(lambda: calls(server, "exists") >= 10 * max(1, calls(server, "evalsha")), "visits")


def test_retry_comes_when_it_is_due(app: Application) -> None:
    """Not when it is time for another visit to the queue."""
    then = """
        note("at", time.time())
        if delivery().number < 12:
            raise Retry(after=0.05)
    """
    app.write(then=then, processes=1, max_deliveries=20)
    app.push({"n": 0})
    app.serve()
    eventually(lambda: app.done == [0])
    times = [float(at) for at in app.noted("at")]
    waited = [later - sooner for sooner, later in itertools.pairwise(times)]
    assert statistics.median(waited) < 0.3, waited


def test_server_that_takes_too_few_connections_is_told_of(
    app: Application, make_server: Callable[..., Server]
) -> None:
    server = make_server()
    app = app.at(server)
    server.client.config_set("maxclients", 6)
    app.write(processes=8)
    line = app.serve().logged("this supervisor needs 9")
    assert "takes 6 connections" in line
    assert "WARNING" in line


def test_who_is_turned_away_says_what_is_needed(
    app: Application, make_server: Callable[..., Server]
) -> None:
    server = make_server()
    app = app.at(server)
    server.client.config_set("maxclients", 1)
    app.write(customer(processes=3), customer("t:e", processes=2))
    supervisor = app.serve()
    line = supervisor.logged("max number of clients reached")
    assert "this supervisor needs 6 connections" in line
    server.client.config_set("maxclients", 10)
    supervisor.ready(5)
