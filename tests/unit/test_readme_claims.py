"""README.rst: what it says of options and tests is so."""

from __future__ import annotations

import re
from pathlib import Path

from woodenwaiter.commands.supervise import parser

README = Path(__file__).parents[2] / "README.rst"
TEXT = README.read_text()


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
