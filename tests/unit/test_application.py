"""Finding the customers that a command line names."""

from __future__ import annotations

import itertools
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from woodenwaiter.commands.application import find_customers
from woodenwaiter.errors import EXIT_APP, AppError

from ..support import Server, run

HEAD = """
from woodenwaiter import WoodenCustomer, WoodenManager, WoodenWaiter

def customer(dish):
    return WoodenCustomer("t", dish, WoodenWaiter(), print)

def managed(*dishes):
    manager = WoodenManager()
    for dish in dishes:
        manager.add_customer(customer(dish))
    return manager
"""

names = (f"application_{number}" for number in itertools.count())


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], str]]:
    """Writes a module and returns its name."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)

    def write(source: str) -> str:
        name = next(names)
        (tmp_path / f"{name}.py").write_text(HEAD + textwrap.dedent(source))
        return name

    yield write
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("source", "suffix", "dishes"),
    [
        ("m = managed('a', 'b')", "", ["a", "b"]),
        ("m = managed('a'); same = m", "", ["a"]),
        ("a = customer('a'); b = customer('b')", "", ["a", "b"]),
        ("a = customer('a'); m = managed('b')", "", ["b"]),
        ("m = managed('a'); n = managed('b')", ":n", ["b"]),
        ("a = customer('a'); b = customer('b')", ":b", ["b"]),
        ("all = [customer('a'), customer('b')]", ":all", ["a", "b"]),
        ("all = (customer(dish) for dish in 'ab')", ":all", ["a", "b"]),
        ("def make(): return managed('a')", ":make()", ["a"]),
        ("def make(): yield customer('a')", ":make()", ["a"]),
    ],
)
def test_finds_customers(
    module: Callable[[str], str], source: str, suffix: str, dishes: list[str]
) -> None:
    found = find_customers(module(source) + suffix)
    assert [customer.table_dish for customer in found] == [f"t:{dish}" for dish in dishes]


@pytest.mark.parametrize(
    ("source", "suffix", "message"),
    [
        ("", "", "no WoodenCustomer in it"),
        ("m = managed()", "", "no WoodenCustomer in it"),
        ("m = managed('a'); n = managed('b')", "", "more than one WoodenManager"),
        ("m = managed('a')", ":n", "has no 'n'"),
        ("m = managed('a')", ":make()", "has no 'make'"),
        ("m = 7", ":m", "is a int, not a WoodenManager"),
        ("m = 'text'", ":m", "is a str, not a WoodenManager"),
        ("def make(): return managed('a')", ":make", "is a function"),
        ("m = [customer('a'), 7]", ":m", "holds a int"),
        ("m = []", ":m", "no WoodenCustomer in it"),
        ("def make(): pass", ":make()", "is a NoneType"),
        ("def make(): return 1 / 0", ":make()", "calling it fails: ZeroDivisionError"),
        ("m = managed('a')", ":m()", "calling it fails: TypeError"),
        ("1 / 0", "", "importing it fails: ZeroDivisionError: division by zero"),
        ("1 / 0", "", ".py, line "),
        ("raise SystemExit(0)", "", "importing it fails: SystemExit: 0"),
        ("def f(:", "", "importing it fails: SyntaxError"),
        ("import not_there_at_all", "", "importing it fails: No module named 'not_there_at_all'"),
    ],
)
def test_says_why_there_are_none(
    module: Callable[[str], str], source: str, suffix: str, message: str
) -> None:
    spec = module(source) + suffix
    with pytest.raises(AppError) as raised:
        find_customers(spec)
    assert message in str(raised.value)
    assert spec in str(raised.value) or spec.partition(":")[0] in str(raised.value)
    assert raised.value.exit_code == EXIT_APP


@pytest.mark.parametrize("spec", ["not_there", "not.there", "json.not_there", "not_there:app"])
def test_says_which_module_there_is_not(spec: str) -> None:
    with pytest.raises(AppError, match=f"no module '{spec.partition(':')[0]}' here"):
        find_customers(spec)


@pytest.mark.parametrize("spec", ["", ":", ".", ".x", ":name", "a b"])
def test_refuses_what_is_no_name_of_a_module(spec: str) -> None:
    with pytest.raises(AppError):
        find_customers(spec)


def test_names_what_an_import_left_behind(server: Server, tmp_path: Path) -> None:
    script = f"""
import socket, threading, redis
from woodenwaiter.processes.leftovers import leftovers, open_connections
from woodenwaiter.protocol.client import connected_descriptors
print(list(leftovers()), open_connections())
event = threading.Event()
threading.Thread(target=event.wait, name="poller").start()
datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
datagrams.connect(("127.0.0.1", 9))
stream = socket.create_connection(("127.0.0.1", {server.port}))
pair = socket.socketpair()
listening = socket.create_server(("127.0.0.1", 0))
client = redis.Redis.from_url("{server.url}")
client.ping()
print(*leftovers(), sep="; ")
found = open_connections()
print(*found.values())
print(found.keys() - connected_descriptors() == {{stream.fileno()}})
event.set()
for each in (datagrams, stream, listening, client, *pair):
    each.close()
"""
    result = run(tmp_path, "-W", "error", "-c", script)
    peer = f"127.0.0.1:{server.port}"
    assert result.stdout.splitlines() == [
        "[] {}",
        "the thread 'poller'; a connection to 127.0.0.1:9",
        f"{peer} {peer}",
        "True",
    ], result.stderr
