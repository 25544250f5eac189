"""What counts as a process's own memory where systems tell more or less of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from woodenwaiter.processes.memory import ROLLUP

from ..support import run

FORKED = """
import os, sys, time
from pathlib import Path
from woodenwaiter import pace
from woodenwaiter.processes.memory import MemoryLimit

pace.MEMORY_CHECK = 0.0
MIB = 2**20
inherited = b"x" * (200 * MIB)
if os.fork():
    raise SystemExit(os.waitstatus_to_exitcode(os.wait()[1]))
{before}
limit = MemoryLimit(100 * MIB, Path({rollup!r}))
print(limit.start() or "nothing", limit.excess() or "nothing")
own = b"x" * (150 * MIB)
deadline = time.monotonic() + 20
while not (told := limit.excess()) and time.monotonic() < deadline:
    pass
print(told)
print(limit.excess() or "nothing")
"""

HIDDEN = """
import psutil
def hidden(*_): raise psutil.AccessDenied
psutil.Process = hidden
"""


@pytest.mark.parametrize("before", ["", HIDDEN], ids=["", "hidden"])
@pytest.mark.parametrize("rollup", [str(ROLLUP), "absent", os.devnull])
def test_what_was_inherited_does_not_count(tmp_path: Path, rollup: str, before: str) -> None:
    ended = run(tmp_path, "-c", FORKED.format(rollup=rollup, before=before))
    start, grown, afterwards = ended.stdout.splitlines()
    assert start == "nothing nothing"
    assert grown.startswith("15")
    assert grown.endswith(" MiB of its own, max_memory is 100 MiB")
    assert afterwards == "nothing"


def test_process_without_descriptors_is_looked_at_later(tmp_path: Path) -> None:
    then = """
import resource
before = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))
own = b"x" * (150 * MIB)
print(limit.excess() or "nothing")
resource.setrlimit(resource.RLIMIT_NOFILE, before)
"""
    script = FORKED.format(rollup=str(ROLLUP), before="").replace('own = b"x" * (150 * MIB)', then)
    told = run(tmp_path, "-c", script).stdout.splitlines()
    assert told[:2] == ["nothing nothing", "nothing"]
    assert told[2].startswith("15")
