"""The program as its users start it: signals, deaths, drains."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import redis

from .support import Server, Supervisor, eventually, lines

APP = """
    import os, time
    from woodenwaiter import WoodenCustomer, WoodenManager, WoodenWaiter

    def handle(foods):
        with open("begun", "a") as begun:
            begun.write(f"{foods['n']}\\n")
        time.sleep(foods.get("sleep", 0))
        if foods.get("kill"):
            os.kill(os.getpid(), foods["kill"])
        with open("done", "a") as done:
            done.write(f"{foods['n']}\\n")

    manager = WoodenManager()
    manager.add_customer(WoodenCustomer("t", "d", WoodenWaiter(), handle, processes=2))
"""


def push(client: redis.Redis, *tasks: dict[str, Any]) -> None:
    for task in tasks:
        client.lpush("t:d", json.dumps(task))


def test_serves_and_drains(server: Server, tmp_path: Path) -> None:
    push(server.client, *({"n": n} for n in range(100)))
    with Supervisor(tmp_path, APP, "--redis", server.url) as supervisor:
        eventually(lambda: len(lines(tmp_path / "done")) == 100)
        assert supervisor.stop() == 0
        assert not supervisor.tree()
    assert sorted(map(int, lines(tmp_path / "done"))) == list(range(100))
    assert server.client.keys() == [b"woodenwaiter:queues"]


def test_killed_worker_is_replaced_and_only_its_task_runs_again(
    server: Server, tmp_path: Path
) -> None:
    push(server.client, {"n": 0, "kill": signal.SIGKILL}, *({"n": n} for n in range(1, 200)))
    app = APP.replace("processes=2", "max_deliveries=2")
    with Supervisor(tmp_path, app, "--redis", server.url) as supervisor:
        eventually(lambda: len(lines(tmp_path / "done")) == 199)
        eventually(lambda: server.client.xlen("{t:d}:dead"))
        assert "died of signal 9 (SIGKILL)" in supervisor.log
        assert supervisor.stop() == 0
    assert sorted(map(int, lines(tmp_path / "begun"))) == [0, *range(200)]
