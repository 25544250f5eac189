"""The five classes as producers know them."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

import woodenwaiter
from woodenwaiter import errors
from woodenwaiter.errors import StartupError, WrongValue
from woodenwaiter.woodenwaiter import (
    WoodenCooker,
    WoodenCustomer,
    WoodenManager,
    WoodenMenu,
    WoodenWaiter,
    WrongType,
)

from ..support import Server, run

SIGNATURES_OF_0_0_4 = [
    (WoodenMenu, "table, dish, foods"),
    (WoodenMenu.set_menu, "self, table, dish, foods"),
    (WoodenMenu.get_menu, "self"),
    (WoodenWaiter, "host='localhost', port='6379', db=0"),
    (WoodenWaiter.take_dish, "self, table_dish, foods"),
    (WoodenWaiter.serve_dish, "self, table_dish"),
    (WoodenCooker, "menu, waiter"),
    (WoodenCooker.set_menu, "self, menu"),
    (WoodenCooker.set_waiter, "self, waiter"),
    (WoodenCooker.cookone, "self, menu=None"),
    (WoodenCustomer, "table, dish, waiter, process, seconds"),
    (WoodenCustomer.call_waiter, "self"),
    (WoodenCustomer.call_waiter_cyclic, "self, seconds"),
    (WoodenCustomer.terminate, "self"),
    (WoodenManager, ""),
    (WoodenManager.add_customer, "self, customer"),
    (WoodenManager.launch, "self"),
    (WoodenManager.terminate_all, "self"),
]


def positional(function: Callable[..., Any]) -> dict[str, object]:
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD}


@pytest.mark.parametrize(("function", "signature"), SIGNATURES_OF_0_0_4)
def test_signatures_are_those_of_0_0_4(function: Callable[..., Any], signature: str) -> None:
    ours = positional(function)
    theirs = positional(eval(f"lambda {signature}: None"))
    assert list(ours) == list(theirs)
    for name, default in theirs.items():
        if default is not inspect.Parameter.empty:
            assert ours[name] == default


def test_menu() -> None:
    menu = WoodenMenu("t", "d", {"n": 1})
    assert menu.get_menu() == ("t:d", {"n": 1})
    menu.set_menu(table="u", dish="e", foods={})
    assert (menu.table, menu.dish, menu.foods) == ("u", "e", {})
    assert menu.get_menu() == ("u:e", {})


def test_waiter_pushes_json_and_serves_the_oldest(server: Server) -> None:
    waiter = WoodenWaiter("127.0.0.1", str(server.port))
    waiter.take_dish("t:d", {"n": 1})
    waiter.take_dish("t:d", {"n": "é"})
    assert server.client.lrange("t:d", 0, -1) == [b'{"n": "\\u00e9"}', b'{"n": 1}']
    assert waiter.serve_dish("t:d") == {"n": 1}
    assert waiter.serve_dish("t:d") == {"n": "é"}
    assert waiter.serve_dish("t:d") is None
    waiter.redis_clt.close()


def test_waiter_serves_a_redelivered_task_without_its_header(server: Server) -> None:
    waiter = WoodenWaiter.from_url(server.url)
    header = {"id": "a/1", "deliveries": 1, "first_failed": 1.0, "reason": "no"}
    server.client.lpush("t:d", b"\x1e" + json.dumps(header).encode() + b'\n{"n": 1}')
    assert waiter.serve_dish("t:d") == {"n": 1}
    waiter.redis_clt.close()


def test_cooker_cooks_its_menu_or_another(server: Server) -> None:
    waiter = WoodenWaiter.from_url(server.url)
    cooker = WoodenCooker(WoodenMenu("t", "d", {"n": 1}), waiter)
    cooker.cookone()
    cooker.cookone(WoodenMenu("t", "e", {"n": 2}))
    cooker.cookone(menu=None)
    cooker.set_menu(WoodenMenu("t", "f", {"n": 3}))
    cooker.cookone()
    lists = {name: server.client.lrange(name, 0, -1) for name in ("t:d", "t:e", "t:f")}
    assert lists == {
        "t:d": [b'{"n": 1}', b'{"n": 1}'],
        "t:e": [b'{"n": 2}'],
        "t:f": [b'{"n": 3}'],
    }
    waiter.redis_clt.close()


WAITER = WoodenWaiter()
MENU = WoodenMenu("t", "d", {})
WRONG: dict[str, Callable[..., Any]] = {
    "menu": lambda: WoodenMenu("t", "d", []),  # type: ignore[arg-type]
    "take_dish": lambda: WAITER.take_dish("t:d", "foods"),  # type: ignore[arg-type]
    "cooker's menu": lambda: WoodenCooker({}, WAITER),  # type: ignore[arg-type]
    "cooker's waiter": lambda: WoodenCooker(MENU, None),  # type: ignore[arg-type]
    "cookone": lambda: WoodenCooker(MENU, WAITER).cookone({}),  # type: ignore[arg-type]
    "customer's waiter": lambda: WoodenCustomer("t", "d", "w", print),  # type: ignore[arg-type]
    "process": lambda: WoodenCustomer("t", "d", WAITER, "p"),  # type: ignore[arg-type]
    "seconds": lambda: WoodenCustomer("t", "d", WAITER, print, "1"),  # type: ignore[arg-type]
    "timeout": lambda: WoodenCustomer("t", "d", WAITER, print, timeout="1"),  # type: ignore[arg-type]
    "setup": lambda: WoodenCustomer("t", "d", WAITER, print, setup=3),  # type: ignore[arg-type]
    "teardown": lambda: WoodenCustomer("t", "d", WAITER, print, teardown=3),  # type: ignore[arg-type]
    "table": lambda: WoodenCustomer(1, "d", WAITER, print),  # type: ignore[arg-type]
    "dish": lambda: WoodenCustomer("t", None, WAITER, print),  # type: ignore[arg-type]
    "table of bytes": lambda: WoodenCustomer(b"t", b"d", WAITER, print),  # type: ignore[arg-type]
    "menu's table": WoodenMenu(1, "d", {}).get_menu,  # type: ignore[arg-type]
    "menu's dish": WoodenCooker(WoodenMenu("t", b"d", {}), WAITER).cookone,  # type: ignore[arg-type]
    "backoff": lambda: WoodenCustomer("t", "d", WAITER, print, backoff=2),  # type: ignore[arg-type]
    "manager": lambda: WoodenManager().add_customer(print),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_type_is_told(name: str) -> None:
    with pytest.raises(WrongType, match=r"must be ") as raised:
        WRONG[name]()
    assert isinstance(raised.value, TypeError)
    assert isinstance(raised.value, AssertionError)


@pytest.mark.parametrize("name", ["\0", "a\0b", "\ud800", "\udcff:x", "é\udfff"])
def test_queue_that_no_worker_can_serve_is_told(name: str) -> None:
    for table, dish in ((name, "d"), ("t", name)):
        with pytest.raises(WrongValue, match=r"\Atable and dish must be UTF-8 without NUL, not '"):
            WoodenCustomer(table, dish, WAITER, print)


@pytest.mark.parametrize(("table", "dish"), [("", "d"), ("t", ""), ("", "")])
def test_empty_name_is_told(table: str, dish: str) -> None:
    with pytest.raises(WrongValue, match=r"\Atable and dish must not be empty: '"):
        WoodenCustomer(table, dish, WAITER, print)


@pytest.mark.parametrize("few", [1, 500, 2**20 - 1])
def test_memory_that_is_not_meant_in_bytes_is_told(few: int) -> None:
    with pytest.raises(WrongValue, match=r"\Amax_memory is in bytes, .*: 500 MiB are "):
        WoodenCustomer("t", "d", WAITER, print, max_memory=few)
    assert WoodenCustomer("t", "d", WAITER, print, max_memory=2**20).max_memory == 2**20


CIRCLE: dict[str, Any] = {}
CIRCLE["again"] = CIRCLE


@pytest.mark.parametrize(
    ("foods", "told"),
    [
        (
            {"n": 1, "when": datetime(2026, 1, 2)},
            "foods['when']: Object of type datetime is not JSON",
        ),
        ({"a": [1, {"b": (0, b"x")}]}, "foods['a'][1]['b'][1]: Object of type bytes is not JSON"),
        ({"a": {(1, 2): 3}}, "foods['a']: keys must be str, int, float, bool or None, not tuple"),
        ({1: {2: {3}}}, "foods[1][2]: Object of type set is not JSON"),
        (
            {"a": print, "c": CIRCLE},
            "foods['a']: Object of type builtin_function_or_method is not JSON",
        ),
    ],
    ids=ascii,
)
def test_foods_that_json_cannot_hold_are_named(foods: Any, told: str) -> None:
    with pytest.raises(WrongType) as raised:
        WAITER.take_dish("t:d", foods)
    assert str(raised.value).startswith(told)
    assert raised.value.__suppress_context__


def test_foods_in_a_circle_are_told_as_ever() -> None:
    with pytest.raises(ValueError, match="Circular"):
        WAITER.take_dish("t:d", CIRCLE)


def test_numbers_that_are_none_pass_as_in_0_0_4(server: Server) -> None:
    waiter = WoodenWaiter.from_url(server.url)
    waiter.take_dish("t:d", {"n": [float("nan"), float("inf")]})
    assert server.client.lrange("t:d", 0, -1) == [b'{"n": [NaN, Infinity]}']
    assert math.isnan(waiter.serve_dish("t:d")["n"][0])
    waiter.redis_clt.close()


@pytest.mark.parametrize("host", ["a..b", "\ud800", "x" * 70, "é" * 70, "."])
def test_host_that_is_none_is_told(host: str) -> None:
    waiter = WoodenWaiter(host)  # as ever: nobody asks for it yet
    with pytest.raises(WrongValue, match=r"\Ano name of a host: '"):
        WoodenCustomer("t", "d", waiter, print)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1", "küche.example", "a.b.", ""])
def test_host_that_may_be_one_is_not(host: str) -> None:
    assert WoodenCustomer("t", "d", WoodenWaiter(host), print).consumer.queue == "t:d"


def test_producer_may_push_to_whatever_it_could_push_to(server: Server) -> None:
    waiter = WoodenWaiter.from_url(server.url)
    for table in ("\0", "", "\x1b[31m\n", "\u202e", "x" * 10_000):
        WoodenCooker(WoodenMenu(table, "d", {}), waiter).cookone()
        assert server.client.lrange(table + ":d", 0, -1) == [b"{}"]
    surrogate = WoodenMenu("\ud800", "d", {})
    assert surrogate.get_menu() == ("\ud800:d", {})
    with pytest.raises(UnicodeEncodeError):
        WoodenCooker(surrogate, waiter).cookone()
    waiter.redis_clt.close()


def test_wrong_type_is_told_without_assertions(tmp_path: Path) -> None:
    script = """
from woodenwaiter import WoodenMenu
assert not "on"
try:
    WoodenMenu("t", "d", "foods")
except AssertionError as error:
    print(error)
"""
    assert run(tmp_path, "-O", "-c", script).stdout == "foods must be a dict, not 'foods'\n"


@pytest.mark.parametrize("processes", [0, -1, "many", "", None])
def test_impossible_number_of_processes_is_refused(processes: Any) -> None:
    with pytest.raises(WrongValue, match="number of processes"):
        WoodenCustomer("t", "d", WAITER, print, processes=processes)


@pytest.mark.parametrize(
    "keyword", ["max_deliveries", "timeout", "stall_timeout", "max_tasks", "max_memory"]
)
def test_limits_are_positive(keyword: str) -> None:
    for value in (0, -1):
        limit: dict[str, Any] = {keyword: value}
        with pytest.raises(ValueError, match=f"{keyword} must be more than 0"):
            WoodenCustomer("t", "d", WAITER, print, **limit)


def test_customer_counts_its_workers() -> None:
    assert WoodenCustomer("t", "d", WAITER, print, 1).consumer.processes == 1
    assert WoodenCustomer("t", "d", WAITER, print, processes=3).consumer.processes == 3
    assert WoodenCustomer("t", "d", WAITER, print, processes="cpus").consumer.processes == "cpus"


def test_customer_has_from_so_many_to_so_many_workers() -> None:
    customer = WoodenCustomer("t", "d", WAITER, print, processes=(0, 4), share=2)
    assert customer.consumer.bounds == (0, 4)
    assert customer.consumer.share == 2.0
    assert WoodenCustomer("t", "d", WAITER, print, processes=3).consumer.bounds == (3, 3)


@pytest.mark.parametrize("processes", [(0, 0), (2, 1), (1, 2, 3), (-1, 2), (0, None), ()])
def test_impossible_range_of_processes_is_refused(processes: Any) -> None:
    with pytest.raises(WrongValue, match="processes"):
        WoodenCustomer("t", "d", WAITER, print, processes=processes)


@pytest.mark.parametrize("share", [0, -1, 1e-9, 1e9, float("nan"), float("inf")])
def test_impossible_share_is_refused(share: float) -> None:
    with pytest.raises(WrongValue, match="share must be from"):
        WoodenCustomer("t", "d", WAITER, print, share=share)


def address(waiter: WoodenWaiter) -> dict[str, Any]:
    options = waiter.redis_clt.connection_pool.connection_kwargs
    return {name: options.get(name) for name in ("host", "port", "db", "password")}


def test_default_address(monkeypatch: pytest.MonkeyPatch) -> None:
    default = {"host": "localhost", "port": 6379, "db": 0, "password": None}
    assert address(WoodenWaiter()) == default
    monkeypatch.setenv("WOODENWAITER_REDIS_URL", "")
    assert address(WoodenWaiter()) == default
    monkeypatch.setenv("WOODENWAITER_REDIS_URL", "redis://:pw@h:1/2")
    assert address(WoodenWaiter()) == {"host": "h", "port": 1, "db": 2, "password": "pw"}


@pytest.mark.parametrize(
    ("arguments", "options", "expected"),
    [
        (("h", "1", 2), {}, ("h", 1, 2, None)),
        (("h",), {}, ("h", 6379, 0, None)),
        ((), {"port": 1}, ("localhost", 1, 0, None)),
        ((), {"db": 3}, ("localhost", 6379, 3, None)),
        ((), {"password": "pw"}, ("localhost", 6379, 0, "pw")),
    ],
)
def test_arguments_are_stronger_than_the_environment(
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[Any, ...],
    options: dict[str, Any],
    expected: tuple[Any, ...],
) -> None:
    monkeypatch.setenv("WOODENWAITER_REDIS_URL", "redis://elsewhere:9/9")
    assert tuple(address(WoodenWaiter(*arguments, **options)).values()) == expected


def test_from_url() -> None:
    waiter = WoodenWaiter.from_url("rediss://user:pw@h:1/2", socket_timeout=3)
    assert address(waiter) == {"host": "h", "port": 1, "db": 2, "password": "pw"}
    assert waiter.redis_clt.connection_pool.connection_kwargs["socket_timeout"] == 3
    with pytest.raises(ValueError, match="URL"):
        WoodenWaiter.from_url("nonsense")


def test_package_exports_what_it_says() -> None:
    assert all(getattr(woodenwaiter, name) is not None for name in woodenwaiter.__all__)
    assert woodenwaiter.WoodenMenu is WoodenMenu
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = woodenwaiter.nothing


def test_both_import_paths_work_alone(tmp_path: Path) -> None:
    names = "WoodenMenu, WoodenWaiter, WoodenCooker, WoodenCustomer, WoodenManager"
    for module in ("woodenwaiter", "woodenwaiter.woodenwaiter"):
        result = run(tmp_path, "-W", "error", "-c", f"from {module} import {names}")
        assert (result.returncode, result.stderr) == (0, "")


def test_star_import(tmp_path: Path) -> None:
    script = "from woodenwaiter import *; print(WoodenMenu.__name__, woodenwaiter.__name__)"
    assert run(tmp_path, "-c", script).stdout == "WoodenMenu woodenwaiter.woodenwaiter\n"


# What it raises.

TREE: dict[str, tuple[type[BaseException], ...]] = {
    "WoodenError": (Exception,),
    "WrongType": (errors.WoodenError, TypeError, AssertionError),
    "WrongValue": (errors.WoodenError, ValueError),
    "Misuse": (errors.WoodenError, RuntimeError),
    "StartupError": (errors.WoodenError,),
    "AppError": (errors.StartupError,),
    "RedisUnusable": (errors.StartupError,),
    "BadEntry": (errors.WoodenError, ValueError),
    "LeaseLost": (errors.WoodenError,),
    "NotReplicated": (errors.WoodenError,),
    "Reject": (errors.WoodenError,),
    "Retry": (errors.WoodenError,),
    "TaskInterrupted": (BaseException,),
    "TaskTimeout": (errors.TaskInterrupted,),
    "TaskStalled": (errors.TaskTimeout,),
    "TaskCancelled": (errors.TaskInterrupted,),
}


def exceptions(module: Any, names: Iterable[str]) -> dict[str, type[BaseException]]:
    """Those of the names in a module that stand for exceptions."""
    things = {name: getattr(module, name) for name in names}
    return {
        name: thing
        for name, thing in things.items()
        if isinstance(thing, type) and issubclass(thing, BaseException)
    }


def test_all_errors_are_exported_and_no_others() -> None:
    exported = exceptions(woodenwaiter, woodenwaiter.__all__)
    assert exported == exceptions(errors, vars(errors))
    assert exported.keys() == TREE.keys()


@pytest.mark.parametrize("name", TREE)
def test_error_hangs_in_the_tree_and_keeps_its_old_bases(name: str) -> None:
    error: type[BaseException] = getattr(woodenwaiter, name)
    assert error.__bases__ == TREE[name]
    assert issubclass(error, errors.WoodenError) == (not name.startswith("Task"))


@pytest.mark.parametrize("name", TREE)
def test_error_says_when_it_is_raised(name: str) -> None:
    """Where people look: in its own docstring and in the module's tree."""
    own = vars(getattr(woodenwaiter, name))["__doc__"]
    assert own
    assert own.strip().endswith(".")
    assert f" {name} " in f" {' '.join((errors.__doc__ or '').split())} "


def test_timeout_is_not_caught_with_the_handlers_own_errors() -> None:
    assert not issubclass(errors.TaskInterrupted, Exception)


def test_command_ends_with_what_its_error_says() -> None:
    codes = [error.exit_code for error in (StartupError, errors.AppError, errors.RedisUnusable)]
    assert codes == [2, 3, 4]


# What it loads.

LOADED = """
import sys
names = sorted(name for name in sys.modules if name.split(".")[0] in {names})
print(*names)
"""
FOREIGN = {"psutil", "setproctitle"}
WINGS = {"supervisor", "worker", "housekeeper", "processes", "commands"}


def loaded_after(folder: Path, script: str) -> list[str]:
    """Modules of ours, and of those that only a supervisor needs."""
    names = FOREIGN | {"woodenwaiter"}
    result = run(folder, "-c", f"{script}\n{LOADED.format(names=names)}")
    assert result.stderr == ""
    return result.stdout.split()


def test_producer_loads_little(tmp_path: Path) -> None:
    loaded = loaded_after(tmp_path, "from woodenwaiter.woodenwaiter import WoodenCooker")
    assert "woodenwaiter.woodenwaiter" in loaded
    assert FOREIGN.isdisjoint(loaded)
    assert WINGS.isdisjoint(name.partition(".")[2].split(".")[0] for name in loaded)
    assert len(loaded) <= 12


def test_customer_that_is_not_launched_loads_little(tmp_path: Path) -> None:
    script = """
from woodenwaiter import WoodenCustomer, WoodenManager, WoodenWaiter
WoodenManager().add_customer(WoodenCustomer("t", "d", WoodenWaiter(), print, processes="cpus"))
"""
    loaded = loaded_after(tmp_path, script)
    assert "woodenwaiter.settings" in loaded
    assert FOREIGN.isdisjoint(loaded)
    assert WINGS.isdisjoint(name.partition(".")[2].split(".")[0] for name in loaded)
