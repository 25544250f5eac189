"""Log lines of many processes on one stderr."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from select import PIPE_BUF

import pytest
from hypothesis import given
from hypothesis import strategies as st

from woodenwaiter.logs import LONGEST_MESSAGE, LONGEST_TRACEBACK
from woodenwaiter.stderr import first_portion

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


ABOUT = """
from woodenwaiter.events import about
extra = about("task.buried", queue="t:\\x1b", task="a/1", delivery=2, seconds=1/3, cause="no")
log.info("one", extra=extra)
"""


def test_json_has_what_the_record_is_about(tmp_path: Path) -> None:
    output = logged(tmp_path, ABOUT, "json")
    assert output[:-1].isprintable()
    fields = json.loads(output)
    told = {"event": "task.buried", "queue": "t:\x1b", "task": "a/1", "delivery": 2, "cause": "no"}
    assert told.items() <= fields.items()
    assert fields["seconds"] == 0.333333
    assert fields["message"] == "one"


def test_text_is_as_it_is_without(tmp_path: Path) -> None:
    assert logged(tmp_path, ABOUT).endswith("] one\n")


def test_text_has_the_traceback_below(tmp_path: Path) -> None:
    output = logged(
        tmp_path, "try: 1 / 0\nexcept ZeroDivisionError as e: log.error('no', exc_info=e)"
    )
    assert "] no\n    Traceback (most recent call last):" in output
    assert output.endswith("    ZeroDivisionError: division by zero\n")


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


FULL_PIPE = """
import os, time

read, write = os.pipe()
os.set_blocking(write, False)
try:
    while os.write(write, b"." * 1000):
        pass
except BlockingIOError:
    os.set_blocking(write, True)
os.dup2(write, 2)
"""


@pytest.mark.parametrize("user", ["os.getuid()", "65534"], ids=["the same", "another user"])
def test_pipe_that_nobody_reads_drops_whole_records_and_tells(tmp_path: Path, user: str) -> None:
    """Also where it cannot be opened anew, as it is another user's."""
    if os.getuid() and user == "65534":
        pytest.skip("only root can become somebody else")
    body = f"""{FULL_PIPE}
os.setuid({user})
began = time.monotonic()
for n in range(100):
    log.info("dropped\\n%s", "x" * 10_000)
assert time.monotonic() - began < 5
assert os.get_blocking(2)  # which is others' as well
os.read(read, 1 << 20)
log.info("before\\n%s", "x" * 10_000)
log.info("after")
text = os.read(read, 1 << 20).decode()
told, before, after = text.splitlines()
assert told.endswith("WARNING [%d worker t:d #0] 100 log records were dropped: "
                     "stderr did not take them" % os.getpid()), told
assert before.endswith("x" * 10_000)
assert after.endswith("after")
os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
"""
    logged(tmp_path, body)


def test_rest_of_a_record_comes_before_the_next_one(tmp_path: Path) -> None:
    body = f"""{FULL_PIPE}
os.read(read, 10_000)
log.info("x" * 30_000)
log.info("dropped")
os.set_blocking(read, False)
os.read(read, 1 << 20)
log.info("after")
text = os.read(read, 1 << 20).decode()
rest, told, after = text.splitlines()
assert set(rest) == {{"x"}}
assert "1 log record was dropped" in told
assert after.endswith("after")
os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
"""
    logged(tmp_path, body)


FORGED = "no\n2026-01-01 00:00:00.000 INFO    [1 main] forged"
HOSTILE = ["\x1b[2J", "\x9b2J", "\r", "\x85", "\u2028", "\u202e", "\ud800", FORGED]


@pytest.mark.parametrize("style", ["text", "json"])
@pytest.mark.parametrize("hostile", HOSTILE, ids=ascii)
def test_what_came_from_outside_is_text_and_nothing_else(
    tmp_path: Path, style: str, hostile: str
) -> None:
    body = f"""
hostile = {hostile!a}
set_role("worker " + hostile)
log.info("said %s", hostile)
try:
    raise ValueError(hostile)
except ValueError:
    log.exception("failed")
"""
    output = logged(tmp_path, body, style)
    records = [line for line in output.splitlines() if not line.startswith("    ")]
    assert len(records) == 2
    if style == "json":
        said, failed = map(json.loads, records)
        assert (said["message"], said["role"]) == (f"said {hostile}", f"worker {hostile}")
        assert f"ValueError: {hostile}\n" in failed["traceback"] + "\n"
    assert all(c.isprintable() for c in output.replace("\n", ""))


def test_lines_that_are_meant_are_kept_behind_a_margin(tmp_path: Path) -> None:
    body = """
from woodenwaiter.logs import IN_LINES
log.info("here:\\n%s", "one\\ntwo\\x1b", extra=IN_LINES)
"""
    assert logged(tmp_path, body).endswith("] here:\n    one\n    two\\x1b\n")
    assert json.loads(logged(tmp_path, body, "json"))["message"] == "here:\none\ntwo\x1b"


@pytest.mark.parametrize("style", ["text", "json"])
def test_long_text_is_cut(tmp_path: Path, style: str) -> None:
    """Into a file, which takes all at once: what a slow reader does not take in time is let go."""
    body = """
import os
os.dup2(os.open("log", os.O_WRONLY | os.O_CREAT), 2)
head, tail = "begin", "end"
log.info(head + "é" * 60_000_000 + tail)
try:
    raise ValueError(head + "\\n" * 1_000_000 + tail)
except ValueError:
    log.exception("failed")
"""
    assert logged(tmp_path, body, style) == ""
    output = (tmp_path / "log").read_text()
    assert len(output.encode()) < LONGEST_MESSAGE + 6 * LONGEST_TRACEBACK
    assert output.count("begin") == output.count("end") == 2
    assert "characters in all" in output


@pytest.mark.parametrize("style", ["text", "json"])
def test_wrong_call_of_the_log_is_told_in_one_line(tmp_path: Path, style: str) -> None:
    body = """
class Odd:
    def __str__(self):
        raise ValueError("no")
    __repr__ = __str__
log.info("%d", "x")
log.info("%s", Odd())
log.info(Odd())
log.info("after")
"""
    *told, after = logged(tmp_path, body, style).splitlines()
    assert [line for line in told if "what cannot be shown: " not in line] == []
    assert len(told) == 3
    assert "after" in after


def test_line_is_written_whole_however_little_is_taken(tmp_path: Path) -> None:
    """A signal may end the writing of what a pipe does not take at once."""
    body = """
import os, signal, threading, time
read, write = os.pipe()
os.dup2(write, 2)
signal.signal(signal.SIGUSR1, lambda *_: None)

def drain():
    got = b""
    while not got.endswith(b"end\\n"):
        os.kill(os.getpid(), signal.SIGUSR1)
        got += os.read(read, 1000)
    os.write(kept, got)

kept = os.open("kept", os.O_CREAT | os.O_WRONLY)
thread = threading.Thread(target=drain)
thread.start()
log.info("x" * 1_000_000 + "\\n%s", "y" * 60_000)
log.info("end")
thread.join()
"""
    logged(tmp_path, body)
    first, last = (tmp_path / "kept").read_text().splitlines()
    assert first.endswith("y")
    assert last.endswith("end")


@given(st.lists(st.integers(0, 2 * PIPE_BUF), max_size=8), st.booleans())
def test_long_text_is_written_in_whole_lines(lengths: list[int], ended: bool) -> None:
    text = b"\n".join(b"x" * length for length in lengths) + (b"\n" if ended else b"")
    cut, rest = [], text
    while rest:
        cut.append(first_portion(rest))
        rest = rest[len(cut[-1]) :]
    assert all(portion.endswith(b"\n") for portion in cut[:-1])
    assert all(len(portion) <= PIPE_BUF or portion.count(b"\n") <= 1 for portion in cut)
