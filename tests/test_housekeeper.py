"""The housekeeper: alone, refused, or kept waiting."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from woodenwaiter.embedded import is_listening
from woodenwaiter.queue import REGISTRY

from .support import Server, Supervisor, eventually, free_port, lines
from .test_supervisor import APP, push, waiting


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


def test_orphaned_it_may_find_a_late_worker_gone(server: Server, tmp_path: Path) -> None:
    app = (
        APP
        + """
    from woodenwaiter import housekeeper

    def kill_what_is_gone(pid, kill_tree=housekeeper.kill_tree):
        kill_tree(pid)
        raise ProcessLookupError

    housekeeper.kill_tree = kill_what_is_gone
    """
    )
    push(server.client, {"n": 0, "sleep": 300})
    options = ("--redis", server.url, "--drain-seconds", "0.5")
    with Supervisor(tmp_path, app, *options) as supervisor:
        eventually(lambda: lines(tmp_path / "begun"))
        family = supervisor.tree()
        supervisor.signal(signal.SIGKILL)
        assert not psutil.wait_procs(family, timeout=20)[1]
        assert "Traceback" not in supervisor.log
    assert waiting(server.client) == [0]
    assert not server.client.exists("{t:d}:settled")


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
