"""The housekeeper: alone, refused, or kept waiting."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from woodenwaiter.protocol.keys import REGISTRY
from woodenwaiter.supervisor.embedded import is_listening

from ..support import Server, Supervisor, eventually, free_port, lines
from .test_supervisor import APP, push


def test_orphaned_it_stops_the_embedded_server_and_no_other(server: Server, tmp_path: Path) -> None:
    port = free_port()
    app = (
        APP.replace("WoodenWaiter()", f'WoodenWaiter("localhost", {port})')
        + f"""
    other = WoodenWaiter(port={server.port})
    manager.add_customer(WoodenCustomer("t", "e", other, handle))
    """
    )
    with Supervisor(tmp_path, app, "--embedded", "data").ready(3) as supervisor:
        family = supervisor.tree()
        supervisor.signal(signal.SIGKILL)
        assert not psutil.wait_procs(family, timeout=20)[1]
        assert "Traceback" not in supervisor.log
    assert not is_listening("localhost", port)
    assert server.client.ping()


FAIL_ONCE = (
    APP.replace("processes=2", "backoff=Backoff(0, 0)")
    .replace('note("done"', 'assert delivery().number > 1\n        note("done"')
    .replace("import WoodenCustomer", "import Backoff, WoodenCustomer")
)


def only_the_queues_keys(server: Server) -> str:
    server.client.acl_setuser(
        "u", enabled=True, passwords=["+pw"], keys=["t:d", "{t:d}:*"], commands=["+@all"]
    )
    return f"redis://u:pw@127.0.0.1:{server.port}/0"


def another_use_of_the_registry(server: Server) -> str:
    server.client.set(REGISTRY, "mine")
    return server.url


def attempts_to_register(server: Server) -> int:
    counts = server.client.info("commandstats")["cmdstat_sadd"]
    return int(counts["calls"] + counts["rejected_calls"])


@pytest.mark.parametrize("refusing", [only_the_queues_keys, another_use_of_the_registry])
def test_queue_that_cannot_be_registered_is_cared_for(
    make_server: Callable[..., Server], tmp_path: Path, refusing: Callable[[Server], str]
) -> None:
    server = make_server()
    options = ("--redis", refusing(server), "--lease-seconds", "1")
    push(server.client, {"n": 0})
    with Supervisor(tmp_path, FAIL_ONCE, *options) as supervisor:
        eventually(lambda: lines(tmp_path / "done") == ["0"])
        eventually(lambda: attempts_to_register(server) >= 3)
        assert supervisor.log.count(f"t:d is not in the set {REGISTRY}") == 1
        assert supervisor.stop() == 0


def customers_at(*addresses: str) -> str:
    """More customers, each with a waiter of its own."""
    return (
        APP.replace("processes=2", "processes=1")
        + f"""
    for n, url in enumerate({addresses}):
        manager.add_customer(WoodenCustomer("t", f"{{n}}", WoodenWaiter.from_url(url), handle))
    """
    )


def test_one_connection_serves_all_queues_of_a_database(server: Server, tmp_path: Path) -> None:
    app = customers_at(server.url, server.url, server.url.replace("/0", "/1"))
    with Supervisor(tmp_path, app, WOODENWAITER_REDIS_URL=server.url).ready(4) as supervisor:
        eventually(lambda: len(server.client.smembers(REGISTRY)) == 3)
        eventually(lambda: len(supervisor.housekeeper().net_connections()) == 2)


@pytest.mark.parametrize("from_the_start", [True, False])
def test_silent_servers_cost_no_lease_on_another(
    server: Server, make_server: Callable[..., Server], tmp_path: Path, from_the_start: bool
) -> None:
    silent = [make_server() for _ in range(3)]

    def silence() -> None:
        for each in silent:
            os.kill(each.pid, signal.SIGSTOP)

    if from_the_start:
        silence()
    app = customers_at(*[each.url for each in silent])
    options = ("--lease-seconds", "4", "--drain-seconds", "0")
    push(server.client, {"n": 0, "sleep": 300})
    with Supervisor(tmp_path, app, *options, WOODENWAITER_REDIS_URL=server.url) as supervisor:
        eventually(lambda: lines(tmp_path / "begun"))
        [owner] = server.client.hkeys("{t:d}:settled")
        if not from_the_start:
            supervisor.ready(3)
            silence()
        with Supervisor(tmp_path, APP, *options, "--redis", server.url).ready(2):
            ends = {server.client.zscore("{t:d}:leases", owner)}
            eventually(
                lambda: (
                    ends.add(server.client.zscore("{t:d}:leases", owner))  # type: ignore[func-returns-value]
                    or len(ends) > 4
                ),
                "four renewals",
            )
    assert lines(tmp_path / "begun") == ["0"]
