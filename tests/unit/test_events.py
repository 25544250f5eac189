"""The names and fields that log records carry, as README.rst tells of them."""

from __future__ import annotations

import ast
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from woodenwaiter.events import NAMES, Event, about

ROOT = Path(__file__).parents[2]
SECTION = (
    (ROOT / "README.rst")
    .read_text()
    .split("Log lines with fields\n~~~")[1]
    .split("\nHooks\n~~~")[0]
)
EVENTS = set(get_args(Event))
JSON_KEYS = {"time", "level", "logger", "pid", "role", "message", "traceback"}


def named_in_code() -> Iterator[str]:
    for source in (ROOT / "woodenwaiter").rglob("*.py"):
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "about":
                parts = ast.walk(node.args[0])
                yield from (str(n.value) for n in parts if isinstance(n, ast.Constant))


def test_every_event_is_told_of_and_happens() -> None:
    assert set(named_in_code()) == EVENTS
    assert re.findall(r"(?m)^``([a-z]+\.[a-z]+)``", SECTION) == list(get_args(Event))


def test_every_field_is_told_of() -> None:
    assert set(NAMES) <= set(re.findall(r"``(\w+)``", SECTION))


def test_fields_hide_nothing() -> None:
    record = logging.LogRecord("", 0, "", 0, "", (), None)
    hidden = {*vars(record), "message", "asctime", "taskName", *JSON_KEYS}
    assert not hidden & set(NAMES)


def test_what_is_not_known_is_left_out() -> None:
    extra = about("task.retry", task="", delivery=0, seconds=None, queue="t:d")
    assert extra == {"event": "task.retry", "delivery": 0, "queue": "t:d"}
