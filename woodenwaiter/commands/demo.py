"""``python -m woodenwaiter.woodenwaiter``: a cooker, two queues, and a process for each."""

from __future__ import annotations

import os
import random
import signal
import threading
from typing import Any

import redis

from ..errors import StartupError
from ..protocol.client import address_of
from ..protocol.link import unusable
from ..protocol.urls import REDIS_URL
from ..supervisor import embedded
from ..woodenwaiter import (
    WoodenCooker,
    WoodenCustomer,
    WoodenManager,
    WoodenMenu,
    WoodenWaiter,
)
from .terminal import complain, print_anything

HOST, PORT = "localhost", 6379


MENUS = (
    WoodenMenu(table="cmdb", dish="custom_sync", foods={"action": "sync_custom_data", "paras": ""}),
    WoodenMenu(
        table="rbac",
        dish="some_task",
        foods={"action": "some_action", "paras": {"para1": "value1", "para2": "value2"}},
    ),
)

NEXT = """\
next: write tasks.py as in README.rst, "As a service", and run it:
    python -m woodenwaiter.supervisor tasks --embedded"""


def print_foods(foods: dict[str, Any]) -> None:
    print(f"process {os.getpid()} got {foods}")


def main() -> int:
    print_anything()
    try:
        return _demonstrate()
    except StartupError as error:
        complain(error)
        return error.exit_code
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def _demonstrate() -> int:
    server = _server_if_needed()
    try:
        _serve()
    finally:
        if server:
            embedded.stop(server)
    print(NEXT)
    return 0


def _server_if_needed() -> int | None:
    """Start a server if none listens at the default address; returns its pid."""
    if os.environ.get(REDIS_URL) or embedded.is_listening(HOST, PORT):
        return None
    folder = embedded.default_folder(HOST, PORT)
    pid = embedded.EmbeddedServer(folder, HOST, PORT).start()
    print(f"no Redis at {HOST}:{PORT}: an embedded server runs there now, its data in {folder}")
    return pid


def _serve() -> None:
    waiter = WoodenWaiter() if os.environ.get(REDIS_URL) else WoodenWaiter(HOST, PORT)
    manager = WoodenManager()
    manager.add_customer(WoodenCustomer("cmdb", "custom_sync", waiter, print_foods, seconds=1))
    manager.add_customer(WoodenCustomer("rbac", "some_task", waiter, print_foods, seconds=3))

    closing_time = threading.Event()
    cookers = [WoodenCooker(menu, waiter) for menu in MENUS]

    troubles: list[Exception] = []

    def cook_sometimes() -> None:
        try:
            while not closing_time.wait(seconds := random.randint(1, 5)):
                for cooker in cookers:
                    cooker.cookone()
                print(f"cooked one of each, {seconds} s after the last", flush=True)
        except (redis.RedisError, OSError) as error:
            troubles.append(error)

    cook = threading.Thread(target=cook_sometimes)
    cook.start()
    print("two queues, a process for each; Ctrl-C ends it", flush=True)
    print("to look at them, in another shell: python -m woodenwaiter status", flush=True)
    with manager:
        try:
            cook.join()
        except KeyboardInterrupt:
            print("closing: running tasks finish first", flush=True)
        finally:
            closing_time.set()
    cook.join()
    if troubles:
        raise unusable(address_of(waiter.client), troubles[0])
