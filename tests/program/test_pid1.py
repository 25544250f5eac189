"""As PID 1, in a PID namespace of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest

from ..support import Program, Server, eventually, lines, title
from .test_supervisor import APP, push

UNSHARE = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")


def _can_unshare() -> bool:
    try:
        return subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


pytestmark = pytest.mark.skipif(
    not _can_unshare(), reason="this machine lets nobody make a PID namespace"
)

LAUNCHER = """
import os, subprocess, sys
sys.exit(subprocess.call(sys.argv[1:]))
"""


class Container(Program):
    """A supervisor that is PID 1 of its namespace."""

    def __init__(self, folder: Path, source: str, *options: str) -> None:
        (folder / "app.py").write_text(source)
        (folder / "launcher.py").write_text(LAUNCHER)
        command = (sys.executable, "-m", "woodenwaiter.supervisor", "app", *options)
        super().__init__(folder, "launcher.py", *UNSHARE, *command)

    def first(self) -> psutil.Process:
        """The process that is PID 1 inside."""
        return eventually(lambda: self.titled("supervisor of"), "a supervisor")[0]


def test_reaps_orphans_and_drains(server: Server, tmp_path: Path) -> None:
    app = APP.replace(
        'note("done"',
        'os.system("sleep 0.1 &")\n        note("pid", os.getppid())\n        note("done"',
    )
    push(server.client, *({"n": n} for n in range(5)))
    with Container(tmp_path, textwrap.dedent(app), "--redis", server.url) as container:
        eventually(lambda: len(lines(tmp_path / "done")) == 5)
        assert set(lines(tmp_path / "pid")) == {"1"}
        first = container.first()
        eventually(lambda: not _zombies(first), "no zombies")
        assert len(first.children()) == 3
        os.kill(first.pid, signal.SIGTERM)
        assert container.wait() == 0


def _zombies(first: psutil.Process) -> list[psutil.Process]:
    """The orphans that the first process has not reaped, or that still run."""
    return [p for p in first.children() if "woodenwaiter" not in title(p)]


def test_termination_ends_an_import(tmp_path: Path) -> None:
    app = "import time\nopen('importing', 'w').close()\ntime.sleep(300)\n"
    with Container(tmp_path, app) as container:
        eventually((tmp_path / "importing").exists)
        os.kill(container.tree()[-1].pid, signal.SIGTERM)
        assert container.wait() == 128 + signal.SIGTERM


def test_exit_codes_are_those_of_a_plain_process(server: Server, tmp_path: Path) -> None:
    push(server.client, {"n": 0, "sleep": 300})
    options = ("--redis", server.url, "--drain-seconds", "0.1")
    with Container(tmp_path, textwrap.dedent(APP), *options) as container:
        eventually(lambda: lines(tmp_path / "begun"))
        os.kill(container.first().pid, signal.SIGTERM)
        assert container.wait() == 1
    with Container(tmp_path, "", "--redis", server.url) as container:
        assert container.wait() == 3
