"""Where other processes, or the system's own figures, are hidden from the service."""

from __future__ import annotations

import signal
import subprocess

import psutil
import pytest

from woodenwaiter.processes.tree import is_alive

from ..application import Application
from ..support import await_end_of, eventually

HIDES = {
    "figures": "mount -t proc -o subset=pid,hidepid=2 proc /proc",  # systemd's ProcSubset=pid
    "all": "mount -t tmpfs none /proc",
}


def hidden(how: str) -> tuple[str, ...]:
    return ("unshare", "--mount", "sh", "-c", f'{HIDES[how]} && exec "$@"', "sh")


def _can_hide() -> bool:
    try:
        return all(
            subprocess.run([*hidden(how), "true"], capture_output=True, check=False).returncode == 0
            for how in HIDES
        )
    except FileNotFoundError:
        return False


pytestmark = pytest.mark.skipif(not _can_hide(), reason="this machine lets nobody mount")

TEXT = "from woodenwaiter import pace\npace.TIMEOUT_GRACE = 0.1"

HANG = """
    note("begun", foods["n"])
    os.system("sleep 300 & echo $! > child")
    signal.signal(signal.SIGWINCH, signal.SIG_IGN)
    time.sleep(300)
"""


@pytest.mark.parametrize("how", HIDES)
@pytest.mark.parametrize("end", ["time limit", "drain", "kill"])
def test_what_is_to_be_killed_is_killed(app: Application, how: str, end: str) -> None:
    app.push({"n": 0})
    limit = 0.5 if end == "time limit" else None
    app.write(text=TEXT, handler=HANG, processes=1, timeout=limit, max_deliveries=1)
    supervisor = app.serve("--drain-seconds", "0.5", inside=hidden(how))
    child = psutil.Process(int(eventually(lambda: app.noted("child"))[0]))
    family = supervisor.tree()
    if end == "time limit":
        eventually(app.letters)
        assert supervisor.stop() == 0
    elif end == "drain":
        assert supervisor.stop() == 1
    else:
        supervisor.signal(signal.SIGKILL)
    await_end_of(family)
    eventually(lambda: not is_alive(child))
    assert "Traceback" not in supervisor.log


@pytest.mark.parametrize("how", HIDES)
def test_service_is_as_anywhere(app: Application, how: str) -> None:
    app.push(*({"n": n} for n in range(10)))
    app.write(max_tasks=3)
    supervisor = app.serve(inside=hidden(how))
    eventually(lambda: len(app.done) == 10)
    assert supervisor.stop() == 0
    assert app.begun == app.done
    assert "ERROR" not in supervisor.log
