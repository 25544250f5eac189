"""``.ci/twice``: what fails runs once more; what breaks, or runs no test, has failed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TWICE = Path(__file__).parents[2] / ".ci" / "twice"
TESTS = """
import os, pathlib
def test_passes(): note("passes")
def test_other(): note("other"); {}
def note(name): pathlib.Path(name).open("a").write("x")
"""
FLAKY = 'assert pathlib.Path("other").read_text() == "xx"'


@pytest.mark.parametrize(
    ("body", "option", "code", "runs"),
    [
        ("pass", "-q", 0, "x"),
        (FLAKY, "-q", 0, "xx"),
        ("assert False", "-q", 1, "xx"),
        ("os._exit(3)", "-q", 3, "x"),
        ("os._exit(1)", "-q", 5, "x"),  # as if a test had failed, but pytest has noted none
        ("pass", "-knothing", 5, ""),
    ],
)
def test_what_fails_runs_once_more(
    tmp_path: Path, body: str, option: str, code: int, runs: str
) -> None:
    (tmp_path / "test_it.py").write_text(TESTS.format(body))
    (tmp_path / "pytest.ini").touch()
    environment = {
        **os.environ,
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # but for xdist's, which knows of -n0
        "SECOND_ATTEMPTS": str(tmp_path / "second"),
    }
    command = (TWICE, sys.executable, "-m", "pytest", "-p", "xdist.plugin", option)
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert done.returncode == code, done.stdout
    other = tmp_path / "other"
    assert (other.read_text() if other.exists() else "") == runs
    assert (tmp_path / "second").exists() == (body == FLAKY)
