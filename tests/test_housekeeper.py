"""The housekeeper: alone, refused, or kept waiting."""

from __future__ import annotations

import signal
from pathlib import Path

import psutil

from woodenwaiter.embedded import is_listening

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
