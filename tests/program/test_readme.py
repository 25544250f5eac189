"""README.rst: its examples run, and what it says of options and tests is so."""

from __future__ import annotations

import re
import signal
import textwrap
from pathlib import Path

import redis

from woodenwaiter.commands.supervise import parser

from ..support import Program, Server, eventually

README = Path(__file__).parents[2] / "README.rst"
TEXT = README.read_text()


def example(title: str) -> str:
    """The first code block below a title."""
    section = TEXT.split(f"\n{title}\n---", 1)[1]
    block = section.split(".. code-block:: python\n", 1)[1]
    return textwrap.dedent(re.split(r"\n(?=\S)", block)[0])


def test_producer_and_customer(server: Server, tmp_path: Path) -> None:
    (tmp_path / "producer.py").write_text(example("A producer"))
    (tmp_path / "customer.py").write_text(example("A customer"))
    url = {"WOODENWAITER_REDIS_URL": server.url, "PYTHONUNBUFFERED": "1"}
    with (
        Program(tmp_path, "customer.py", **url) as customer,
        Program(tmp_path, "producer.py", **url) as producer,
    ):
        customer.logged("foods is: {'action': 'sync_custom_data', 'paras': ''}", seconds=40)
        customer.logged("foods is: {'action': 'some_action', 'paras': {'para1': 'value1'")
        producer.signal(signal.SIGINT)
        customer.signal(signal.SIGINT)
        producer.wait()
        customer.wait()
        assert not customer.tree()


def test_service(server: Server, tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text(example("As a service"))
    arguments = ("-m", "woodenwaiter.supervisor", "tasks", "--redis", server.url)
    with Program(tmp_path, *arguments) as supervisor:
        redis.Redis.from_url(server.url).lpush("images:resize", "{}")
        eventually(lambda: server.client.llen("images:resize") == 0)
        supervisor.signal(signal.SIGTERM)
        assert supervisor.wait() == 0


def test_every_option_is_listed() -> None:
    options = {
        option
        for action in parser()._actions
        for option in action.option_strings
        if option not in ("-h", "--help", "--version")
    }
    assert options == set(re.findall(r"^``(--[a-z-]+)", TEXT, re.MULTILINE))


def test_every_test_that_is_named_exists() -> None:
    files = {path.stem: path for path in (README.parent / "tests").rglob("test_*.py")}
    for name, test in re.findall(r"``(test_\w+)::(test_\w+)``", TEXT):
        assert f"def {test}(" in files[name].read_text(), f"{name}::{test}"
