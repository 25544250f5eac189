"""``Type=notify``: what a service manager is told, by a real supervisor on a real socket."""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from woodenwaiter import pace
from woodenwaiter.errors import EXIT_REDIS, EXIT_SETUP

from ..application import Application, Code, customer
from ..support import eventually, free_port

WAIT = """
def wait():
    note("setup", os.getpid())
    while not os.path.exists("set-up"): time.sleep(0.01)
"""

needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="systemd is Linux's")
pytestmark = needs_linux

READY = "READY=1\nSTATUS=serving"
STOPPING = "STOPPING=1\nSTATUS=draining"


class Manager:
    """Stands where systemd does: it has bound the socket before it starts the service."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        self._socket.setblocking(False)

    def fill(self) -> None:
        """Let nothing more be sent to it."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            with suppress(BlockingIOError):
                while True:
                    sender.sendto(b"STATUS=full", self._socket.getsockname())

    def told(self) -> str:
        """The next message of more than how the service fares, if there is one."""
        while message := self.received():
            if not message.startswith(("STATUS=", "WATCHDOG=1")):
                return message
        return ""

    def next(self) -> str:
        return eventually(self.told, "a message")

    def received(self) -> str:
        try:
            return self._socket.recv(4096).decode()
        except BlockingIOError:
            return ""

    def await_message(self, text: str) -> None:
        """One that contains it."""
        eventually(lambda: text in self.received(), text)

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(str(tmp_path / "notify"))
    yield manager
    manager.close()


def test_ready_once_all_queues_are_served_and_stopping_at_a_drain(
    app: Application, manager: Manager
) -> None:
    app.write(customer("t:d", setup=Code("wait")), customer("t:e"), text=WAIT)
    supervisor = app.serve(NOTIFY_SOCKET=manager.address).ready(1)
    eventually(lambda: app.noted("setup"), "a setup under way")
    assert not manager.told()
    (app.folder / "set-up").touch()
    assert manager.next() == READY
    app.push({"n": 0, "sleep": 300})
    eventually(lambda: app.begun)
    supervisor.signal(signal.SIGTERM)
    assert manager.next() == STOPPING
    app.let_go(0)
    assert supervisor.wait() == 0
    assert not manager.told()


def test_not_ready_without_a_redis(app: Application, manager: Manager) -> None:
    url = f"redis://127.0.0.1:{free_port()}"
    supervisor = app.serve("--redis", url, "--redis-wait", "1", NOTIFY_SOCKET=manager.address)
    assert supervisor.wait() == EXIT_REDIS
    assert READY not in iter(manager.told, "")


def test_not_ready_without_a_setup(app: Application, manager: Manager) -> None:
    app.write(setup=Code("fail"), text="def fail(): raise ValueError")
    assert app.serve("--setup-wait", "0.1", NOTIFY_SOCKET=manager.address).wait() == EXIT_SETUP
    assert READY not in iter(manager.told, "")


def test_reload_is_told_and_its_end(app: Application, manager: Manager) -> None:
    supervisor = app.serve(NOTIFY_SOCKET=manager.address)
    assert manager.next() == READY
    began = time.monotonic_ns() // 1000
    supervisor.signal(signal.SIGHUP)
    [when] = re.findall(r"^RELOADING=1\nMONOTONIC_USEC=(\d+)\n", manager.next())
    assert began <= int(when) <= time.monotonic_ns() // 1000
    assert manager.next() == READY  # by the new one, under the same pid
    assert supervisor.log.count(", supervisor, pid ") == 2
    assert supervisor.stop() == 0
    assert manager.next() == STOPPING


def test_reload_of_what_cannot_be_loaded_ends_as_it_was(app: Application, manager: Manager) -> None:
    supervisor = app.serve(NOTIFY_SOCKET=manager.address)
    assert manager.next() == READY
    (app.folder / "app.py").write_text("no Python")
    supervisor.signal(signal.SIGHUP)
    assert manager.next().startswith("RELOADING=1\n")
    assert manager.next() == READY
    assert supervisor.log.count(", supervisor, pid ") == 1


def test_drain_for_good_in_a_reload_is_a_stop(app: Application, manager: Manager) -> None:
    supervisor = app.serve(NOTIFY_SOCKET=manager.address)
    assert manager.next() == READY
    app.push({"n": 0, "sleep": 300})
    eventually(lambda: app.begun)
    supervisor.signal(signal.SIGHUP)
    assert manager.next().startswith("RELOADING=1\n")
    supervisor.logged("draining")
    assert not manager.told()
    supervisor.signal(signal.SIGTERM)
    assert manager.next() == STOPPING
    app.let_go(0)
    assert supervisor.wait() == 0


def test_workers_do_not_know_of_the_manager(app: Application, manager: Manager) -> None:
    app.write(then='note("address", os.environ.get("NOTIFY_SOCKET"))')
    app.serve(NOTIFY_SOCKET=manager.address)
    app.push({"n": 0})
    eventually(lambda: app.done)
    assert app.noted("address") == ["None"]


def test_manager_that_reads_nothing_holds_up_nobody_and_is_told_later(
    app: Application, manager: Manager
) -> None:
    manager.fill()
    supervisor = app.serve(NOTIFY_SOCKET=manager.address).ready(2)
    killed = supervisor.workers()[0]
    killed.kill()
    eventually(lambda: killed not in supervisor.workers(), "its end")
    supervisor.ready(2)
    eventually(lambda: manager.told() == READY, "that the service is ready")


@pytest.mark.parametrize(
    "address", ["nowhere", "/nowhere/notify", "@nobody-has-bound-this", "x" * 200]
)
def test_address_of_nobody_is_told_and_does_no_harm(app: Application, address: str) -> None:
    supervisor = app.serve(NOTIFY_SOCKET=address)
    supervisor.logged("NOTIFY_SOCKET is of no use: ")
    app.push({"n": 0})
    eventually(lambda: app.done)
    assert supervisor.stop() == 0
    assert supervisor.log.count("NOTIFY_SOCKET") == 1


def test_socket_without_a_file(app: Application) -> None:
    manager = Manager(f"@woodenwaiter-{os.getpid()}-{time.monotonic_ns()}")
    app.serve(NOTIFY_SOCKET=manager.address)
    assert manager.next() == READY
    manager.close()


def test_workers_that_import_for_themselves(app: Application, manager: Manager) -> None:
    app.serve("--import-in", "worker", NOTIFY_SOCKET=manager.address)
    assert manager.next() == READY


def test_launched_supervisor_does_not_speak_for_its_program(
    app: Application, manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", manager.address)
    program = app.run("manager.launch(); time.sleep(300)")
    app.push({"n": 0})
    eventually(lambda: app.done)
    assert not manager.told()
    assert program.tree()


def test_run_speaks_for_its_program(
    app: Application, manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", manager.address)
    app.run("raise SystemExit(manager.run())")
    assert manager.next() == READY


# How it fares.


def test_status_is_told_when_it_has_changed(app: Application, manager: Manager) -> None:
    app.write(setup=Code("wait"), text=WAIT)
    supervisor = app.serve(NOTIFY_SOCKET=manager.address)
    manager.await_message("STATUS=starting")
    (app.folder / "set-up").touch()
    assert manager.next() == READY
    app.push({"n": 0})
    manager.await_message("STATUS=serving; workers up: 2 of 2; tasks done: 1")
    supervisor.signal(signal.SIGTSTP)
    manager.await_message("STATUS=serving; quiet; workers up: 2 of 2; tasks done: 1")


def test_status_in_a_drain(app: Application, manager: Manager) -> None:
    supervisor = app.serve(NOTIFY_SOCKET=manager.address).ready(2)
    app.push({"n": 0, "sleep": 300})
    eventually(lambda: app.begun)
    supervisor.signal(signal.SIGTERM)
    manager.await_message("STATUS=draining; workers up: 1 of 1; tasks done: 0")
    app.let_go(0)


def test_status_that_stays_is_not_repeated(app: Application, manager: Manager) -> None:
    app.serve(NOTIFY_SOCKET=manager.address)
    manager.await_message("STATUS=serving; workers up: 2 of 2; tasks done: 0")
    until = time.monotonic() + 1.5 * pace.STATUS
    while time.monotonic() < until:
        assert not manager.received()
        time.sleep(0.1)


def test_status_is_whole_again_after_a_reload_that_failed(
    app: Application, manager: Manager
) -> None:
    supervisor = app.serve(NOTIFY_SOCKET=manager.address)
    manager.await_message("STATUS=serving; workers up: 2 of 2; tasks done: 0")
    (app.folder / "app.py").write_text("no Python")
    supervisor.signal(signal.SIGHUP)
    manager.await_message("RELOADING=1")
    assert manager.next() == READY
    manager.await_message("STATUS=serving; workers up: 2 of 2; tasks done: 0")


# Its watchdog.


def watched(manager: Manager, **others: str) -> dict[str, str]:
    return {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "400000", **others}


def test_signs_of_life_come_in_time_and_from_the_loop(app: Application, manager: Manager) -> None:
    supervisor = app.serve(**watched(manager)).ready(2)
    app.push({"n": 0, "sleep": 300})
    for _ in range(10):
        began = time.monotonic()
        manager.await_message("WATCHDOG=1")
        took = time.monotonic() - began
    assert 0.1 < took < 0.4
    supervisor.signal(signal.SIGSTOP)
    eventually(lambda: not manager.received(), "silence")
    time.sleep(1)
    assert not manager.received()
    supervisor.signal(signal.SIGCONT)
    manager.await_message("WATCHDOG=1")
    app.let_go(0)


def test_watchdog_is_patient_with_an_import(app: Application, manager: Manager) -> None:
    """Of new code, which gives no sign of life: as long as its trial may take."""
    supervisor = app.serve(**watched(manager))
    assert manager.next() == "READY=1\nWATCHDOG_USEC=400000\nSTATUS=serving"
    supervisor.signal(signal.SIGHUP)
    [micros] = re.findall(r"^WATCHDOG_USEC=(\d+)$", manager.next(), re.MULTILINE)
    assert int(micros) >= pace.TRIAL * 1e6
    assert manager.next() == "READY=1\nWATCHDOG_USEC=400000\nSTATUS=serving"


@pytest.mark.parametrize(
    "others", [{"WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "x"}]
)
def test_watchdog_of_nobody_or_of_another(
    app: Application, manager: Manager, others: dict[str, str]
) -> None:
    app.serve(**watched(manager, **others))
    told = ""
    while "STATUS=serving; workers up: 2 of 2" not in told:
        told += eventually(manager.received)
    assert "WATCHDOG" not in told


def test_workers_are_not_watched(app: Application, manager: Manager) -> None:
    app.write(then='note("watched", [n for n in os.environ if n.startswith("WATCHDOG")])')
    app.serve(**watched(manager))
    app.push({"n": 0})
    eventually(lambda: app.done)
    assert app.noted("watched") == ["[]"]
