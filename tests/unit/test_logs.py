"""Log lines of many processes on one stderr."""

from __future__ import annotations

import json
import re
from pathlib import Path
from select import PIPE_BUF

import pytest
from hypothesis import given
from hypothesis import strategies as st

from woodenwaiter.logs import portions

from ..support import run

CONFIGURED = """
from woodenwaiter.logs import configure, log, set_role
configure("info", "{style}")
set_role("worker t:d #0")
"""


def logged(folder: Path, body: str, style: str = "text") -> str:
    result = run(folder, "-c", CONFIGURED.replace("{style}", style) + body)
    assert result.returncode == 0, result.stderr
    assert result.stdout == ""
    return result.stderr


def test_text_line_says_when_who_and_what(tmp_path: Path) -> None:
    line = logged(tmp_path, 'log.warning("%d tasks", 3)')
    when = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}"
    assert re.fullmatch(rf"{when} WARNING \[\d+ worker t:d #0\] 3 tasks\n", line)


def test_json_is_one_object_a_line(tmp_path: Path) -> None:
    body = """
log.info("one\\ntwo \\u20ac")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("three")
"""
    plain, failed = map(json.loads, logged(tmp_path, body, "json").splitlines())
    assert plain["message"] == "one\ntwo €"
    assert (plain["level"], plain["role"]) == ("info", "worker t:d #0")
    assert isinstance(plain["pid"], int)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", plain["time"])
    assert "traceback" not in plain
    assert failed["level"] == "error"
    assert "ZeroDivisionError: division by zero" in failed["traceback"]


def test_text_has_the_traceback_below(tmp_path: Path) -> None:
    output = logged(
        tmp_path, "try: 1 / 0\nexcept ZeroDivisionError as e: log.error('no', exc_info=e)"
    )
    assert "] no\nTraceback (most recent call last):" in output
    assert output.endswith("ZeroDivisionError: division by zero\n")


def test_level_counts(tmp_path: Path) -> None:
    assert logged(tmp_path, 'log.debug("no"); log.info("yes")').count("\n") == 1


@pytest.mark.parametrize("style", ["text", "json"])
def test_any_text_can_be_logged(tmp_path: Path, style: str) -> None:
    line = logged(tmp_path, r'log.info("a lone surrogate: %s", "\ud800")', style)
    assert r"a lone surrogate: \ud800" in line


def test_programs_own_logging_is_left_alone(tmp_path: Path) -> None:
    script = """
import logging
logging.basicConfig(format="OWN %(message)s", level="INFO")
from woodenwaiter.logs import configure, log
configure("info", "text")
log.info("text")
"""
    assert run(tmp_path, "-c", script).stderr == "OWN text\n"


def test_configured_twice_logs_once(tmp_path: Path) -> None:
    assert logged(tmp_path, 'configure("info", "text"); log.info("x")').count("\n") == 1


def test_nobody_reads_it(tmp_path: Path) -> None:
    body = 'import os; os.close(2); log.info("x"); os.dup2(os.open("left", 193), 2)'
    assert logged(tmp_path, body) == ""


def test_wrong_call_of_the_log_ends_nothing(tmp_path: Path) -> None:
    assert "after" in logged(tmp_path, 'log.info("%d", "x"); log.info("after")')


@given(st.lists(st.integers(0, 2 * PIPE_BUF), max_size=8), st.booleans())
def test_long_text_is_written_in_whole_lines(lengths: list[int], ended: bool) -> None:
    text = b"\n".join(b"x" * length for length in lengths) + (b"\n" if ended else b"")
    cut = list(portions(text))
    assert b"".join(cut) == text
    assert all(portion.endswith(b"\n") for portion in cut[:-1])
    assert all(len(portion) <= PIPE_BUF or portion.count(b"\n") <= 1 for portion in cut)
