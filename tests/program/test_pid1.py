"""As PID 1, in a PID namespace of its own."""

from __future__ import annotations

import signal
import subprocess

import psutil
import pytest

from ..application import Application
from ..support import Command, eventually, title

UNSHARE = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")


def can_unshare() -> bool:
    try:
        return subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


pytestmark = pytest.mark.skipif(
    not can_unshare(), reason="this machine lets nobody make a PID namespace"
)


def first(container: Command) -> psutil.Process:
    """The supervisor, which is PID 1 inside."""
    return eventually(lambda: container.titled("supervisor of"), "a supervisor")[0]


def test_reaps_orphans_and_drains(app: Application) -> None:
    app.write(then='os.system("sleep 0.1 &"); note("pid", os.getppid())')
    app.push(*({"n": n} for n in range(5)))
    container = app.serve(inside=UNSHARE)
    eventually(lambda: len(app.done) == 5)
    assert set(app.noted("pid")) == {"1"}
    supervisor = first(container)
    eventually(lambda: not _zombies(supervisor), "no zombies")
    assert len(supervisor.children()) == 3
    supervisor.terminate()
    assert container.wait() == 0


def _zombies(supervisor: psutil.Process) -> list[psutil.Process]:
    """The orphans that the first process has not reaped, or that still run."""
    return [p for p in supervisor.children() if "woodenwaiter" not in title(p)]


def test_termination_ends_an_import(app: Application) -> None:
    app.write(text='note("importing", ""); time.sleep(300)')
    container = app.serve(inside=UNSHARE)
    eventually(lambda: app.noted("importing"))
    container.tree()[-1].terminate()
    assert container.wait() == 128 + signal.SIGTERM


def test_exit_codes_are_those_of_a_plain_process(app: Application) -> None:
    app.push({"n": 0, "sleep": 300})
    container = app.serve("--drain-seconds", "0.1", inside=UNSHARE)
    eventually(lambda: app.begun)
    first(container).terminate()
    assert container.wait() == 1
    assert app.serve(app="empty", inside=UNSHARE).wait() == 3
