"""The published 0.0.4 and this version on one server: the same bytes, both ways."""

from __future__ import annotations

import fcntl
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from woodenwaiter import WoodenCooker, WoodenCustomer, WoodenMenu, WoodenWaiter

from ..application import Application
from ..support import Server, eventually, run

Old = Callable[[str], str]
"""Runs a script with 0.0.4 in a process of its own; returns what it printed."""

HEAD = """
import ast, os, pickle, sys
import woodenwaiter.woodenwaiter
from woodenwaiter.woodenwaiter import *
installed = os.environ["PYTHONPATH"]
assert woodenwaiter.woodenwaiter.__file__.startswith(installed), woodenwaiter.woodenwaiter.__file__
assert os.path.isdir(installed + "/woodenwaiter-0.0.4.dist-info")
waiter = WoodenWaiter("127.0.0.1", port=os.environ["PORT"])
"""

PAYLOADS: list[Any] = [
    {},
    {"action": "sync_custom_data", "paras": ""},
    {"action": "some_action", "paras": {"para1": "value1", "para2": [1, 2, {"deep": [[]]}]}},
    {"text": 'é€🧀 \u2028 \x00 \x1e \n " \\ /'},
    {"lone surrogate": "\ud800"},
    {"é": "key", "": "empty", "a b": " "},
    {"floats": [0.1, 1e300, 1e-300, -0.0, 1.0, 1 / 3]},
    {"no numbers": [float("inf"), float("-inf")]},
    {"integers": [0, -1, 2**53 + 1, 2**64, 10**100]},
    {"others": [True, False, None]},
    {1: "a", 2.5: "b", None: "c"},
    {True: "a", False: "b"},
    {"tuple": (1, (2, 3))},
    {"b": 1, "a": 2, "c": 3},
    {"large": "x" * 2_000_000},
    {"many": {str(n): n for n in range(1000)}},
]


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with 0.0.4 in it, made by the first of the processes that run tests."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    folder = base / "0.0.4"
    with (base / "0.0.4.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            _install(base / "0.0.4.new")
            (base / "0.0.4.new").rename(folder)
    return folder


def _install(folder: Path) -> None:
    # Without what it depends on: redis is there already, in the version that is tested here.
    arguments = ("--no-deps", "--target", str(folder), "woodenwaiter==0.0.4")
    result = run(folder.parent, "-m", "pip", "install", *arguments)
    assert result.returncode == 0, result.stderr


@pytest.fixture
def old(installed: Path, server: Server, tmp_path: Path) -> Old:
    (tmp_path / "payloads").write_bytes(pickle.dumps(PAYLOADS))

    def run_old(script: str) -> str:
        port = str(server.port)
        result = run(tmp_path, "-c", HEAD + script, PYTHONPATH=str(installed), PORT=port)
        assert result.returncode == 0, result.stderr
        return result.stdout

    return run_old


def cook(waiter: WoodenWaiter, *payloads: Any) -> None:
    for foods in payloads:
        WoodenCooker(WoodenMenu("t", "d", foods), waiter).cookone()


def test_producers_write_the_same_bytes(old: Old, server: Server) -> None:
    old("""
for foods in pickle.load(open("payloads", "rb")):
    WoodenCooker(WoodenMenu("old", "d", foods), waiter).cookone()
""")
    waiter = WoodenWaiter.from_url(server.url)
    cook(waiter, *PAYLOADS)
    written = server.client.lrange("t:d", 0, -1)
    assert len(written) == len(PAYLOADS)
    assert written == server.client.lrange("old:d", 0, -1)
    waiter.redis_clt.close()


def test_old_producer_feeds_our_workers(old: Old, app: Application) -> None:
    app.write(handler='note("done", ascii(foods))', processes=1)
    expected = old("""
import json
for foods in pickle.load(open("payloads", "rb")):
    WoodenCooker(WoodenMenu("t", "d", foods), waiter).cookone()
    print(ascii(json.loads(json.dumps(foods))))
""").splitlines()
    supervisor = app.serve()
    eventually(lambda: len(app.noted("done")) == len(PAYLOADS))
    assert supervisor.stop() == 0
    assert app.noted("done") == expected


def test_our_producer_feeds_old_workers(old: Old, server: Server) -> None:
    waiter = WoodenWaiter.from_url(server.url)
    cook(waiter, *PAYLOADS)
    eaten = old("""
customer = WoodenCustomer("t", "d", waiter, lambda foods: print(ascii(foods)) or True, 1)
while customer.call_waiter():
    pass
""").splitlines()
    cook(waiter, *PAYLOADS)
    ours = WoodenCustomer("t", "d", waiter, ascii)
    assert eaten == [ours.call_waiter() for _ in PAYLOADS]
    assert not server.client.exists("t:d")
    assert ours._inline
    ours._inline._queue.link.close()
    waiter.redis_clt.close()


def test_old_and_new_workers_share_a_queue(old: Old, server: Server) -> None:
    waiter = WoodenWaiter.from_url(server.url)
    cook(waiter, *({"n": n} for n in range(6)))
    ours = WoodenCustomer("t", "d", waiter, lambda foods: foods["n"])
    assert [ours.call_waiter(), ours.call_waiter()] == [0, 1]
    assert old('print([waiter.serve_dish("t:d")["n"] for _ in range(2)])') == "[2, 3]\n"
    assert [ours.call_waiter(), ours.call_waiter()] == [4, 5]
    assert ours._inline
    ours._inline._queue.link.close()
    waiter.redis_clt.close()
