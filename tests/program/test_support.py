"""What a test starts is ended with it, and what a program leaves behind is seen."""

from __future__ import annotations

import signal
from pathlib import Path

import psutil
import pytest

from woodenwaiter.processes.tree import is_alive

from ..support import Programs, await_end_of, eventually, path_with

CALL = ("-c", "import subprocess, sys; subprocess.call(sys.argv[1:])")
LEAVE = ("-c", "import os, sys; os.system(sys.argv[1])")


@pytest.mark.parametrize("command", [("sleep", "300"), ("setsid", "sleep", "300")])
def test_process_that_was_seen_is_left_behind_and_ended(
    programs: Programs, command: tuple[str, ...]
) -> None:
    program = programs.start(*CALL, *command)
    [process] = eventually(lambda: [p for p in program.tree() if p.name() == "sleep"])
    program.signal(signal.SIGKILL)
    program.wait()
    assert program.left_behind() == [process]
    program.end()
    assert not is_alive(process)


def test_process_that_was_never_seen_is_left_behind_and_ended(programs: Programs) -> None:
    program = programs.start(*LEAVE, "sleep 300 &")
    program.process.wait()
    [process] = program.left_behind()
    program.end()
    assert not is_alive(process)


def test_process_that_has_ended_is_not_left_behind(programs: Programs) -> None:
    program = programs.start(*LEAVE, "sleep 0.1")
    eventually(program.tree)
    assert program.wait() == 0
    assert not program.left_behind()


GUARDED = """
import os, signal
from tests.topologies.node import Guard
guard = Guard()
print(guard.start("sleep", "300"), flush=True)
signal.pause()
"""


def test_guarded_processes_end_with_who_started_them(programs: Programs) -> None:
    """However that ends."""
    program = programs.start("-c", GUARDED, PYTHONPATH=path_with(Path(__file__).parents[2]))
    line = eventually(lambda: program.log.strip() or None)
    guarded = psutil.Process(int(line))
    program.signal(signal.SIGKILL)
    program.wait()
    await_end_of([guarded])
