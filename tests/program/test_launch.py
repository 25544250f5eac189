"""Supervisors launched from programs, which may have threads, end in many ways, and are killed."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from woodenwaiter.processes.tree import is_alive

from ..support import Program, Server, eventually, lines
from .test_supervisor import numbers, push

PROGRAM = """
import os, signal, sys, threading, time
from woodenwaiter.woodenwaiter import WoodenCustomer, WoodenManager, WoodenWaiter

def note(file, text):
    with open(file, "a") as out:
        out.write(f"{text}\\n")

def handle(foods):
    note("begun", foods["n"])
    while foods.get("wait") and not os.path.exists("go"):
        time.sleep(0.01)
    note("done", foods["n"])

manager = WoodenManager()
manager.add_customer(
    WoodenCustomer("t", "d", WoodenWaiter.from_url(sys.argv[1]), process=handle, seconds=1)
)
"""

OTHER = """
other = WoodenManager()
other.add_customer(
    WoodenCustomer("t", "other", WoodenWaiter.from_url(sys.argv[1]), process=handle, seconds=1)
)
"""


@pytest.fixture
def program(server: Server, tmp_path: Path) -> Callable[[str], Program]:
    def start(main: str) -> Program:
        (tmp_path / "program.py").write_text(PROGRAM + main)
        return Program(tmp_path, "program.py", server.url)

    return start


Start = Callable[[str], Program]


def test_with_block_drains_at_its_end(program: Start, server: Server, tmp_path: Path) -> None:
    push(server.client, {"n": 0})
    main = """
with manager:
    while not os.path.exists("done"):
        time.sleep(0.01)
note("end", "drained")
"""
    with program(main) as running:
        assert running.wait() == 0
        assert not running.tree()
    assert lines(tmp_path / "end") == ["drained"]


def test_launch_returns_at_once_in_a_program_with_threads(
    program: Start, server: Server, tmp_path: Path
) -> None:
    main = """
def talk():
    while not os.path.exists("done"):
        print("x" * 100 + "\\n", end="", flush=True)  # in one piece: a fork flushes
        time.sleep(0.001)

talker = threading.Thread(target=talk)
talker.start()
manager.launch()
talker.join()
manager.terminate_all()
"""
    with program(main) as running:
        running.logged("started")
        push(server.client, {"n": 0})
        assert running.wait() == 0
        assert all(set(line) == {"x"} for line in running.log.splitlines() if "x" * 9 in line)


def test_serves_on_after_the_main_part_has_ended(
    program: Start, server: Server, tmp_path: Path
) -> None:
    with program("manager.launch(); print('the end', flush=True)") as running:
        running.logged("the end")
        push(server.client, {"n": 0})
        eventually(lambda: lines(tmp_path / "done"))
        assert running.process.poll() is None
        running.signal(signal.SIGTERM)
        assert running.wait() == 0
        assert not running.tree()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_to_the_program_drains(
    program: Start, server: Server, tmp_path: Path, number: int
) -> None:
    push(server.client, {"n": 0, "wait": True})
    with program("manager.launch()\nwhile True: time.sleep(1)") as running:
        eventually(lambda: lines(tmp_path / "begun"))
        running.signal(number)
        running.logged("draining")
        (tmp_path / "go").touch()
        assert running.wait() in (-number, 128 + number)
        assert numbers(tmp_path / "done") == [0]
        assert not running.tree()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("end", ["", "while True: time.sleep(1)"])
@pytest.mark.parametrize(
    ("launches", "supervisors"),
    [
        (OTHER + "manager.launch()\nother.launch()\n", 2),
        ("manager.launch()\nmanager.terminate_all()\nmanager.launch()\n", 1),
    ],
    ids=["two managers", "relaunched"],
)
def test_signal_to_the_program_drains_all_that_it_launched(
    program: Start, launches: str, supervisors: int, end: str, number: int
) -> None:
    with program(launches + "print('launched', flush=True)\n" + end) as running:
        running.logged("launched")
        eventually(lambda: len(running.titled("supervisor of")) == supervisors)
        launched = running.titled("woodenwaiter")
        running.signal(number)
        assert running.wait() in ((-number, 128 + number) if end else (0,))
        assert not any(is_alive(process) for process in launched)
        assert "Exception ignored" not in running.log


def test_program_that_is_killed_takes_its_supervisor_along(
    program: Start, server: Server, tmp_path: Path
) -> None:
    push(server.client, {"n": 0, "wait": True}, {"n": 1})
    main = """
manager.launch()
other.launch()
os.system("sleep 300 &")  # a child of the program's own, which inherits what it may
os.fork()
time.sleep(300)
"""
    with program(OTHER + main) as running:
        eventually(lambda: lines(tmp_path / "begun"))
        eventually(lambda: len(running.titled("supervisor of")) == 2)
        eventually(lambda: running.titled("program.py"), "the fork")
        supervised = running.titled("woodenwaiter")
        running.signal(signal.SIGKILL)
        running.wait()
        running.logged("the program that launched this supervisor is gone")
        (tmp_path / "go").touch()
        assert not psutil.wait_procs(supervised, timeout=20)[1]
    assert numbers(tmp_path / "done") == [0]
    assert server.client.llen("t:d") == 1


def test_error_in_the_program_drains(program: Start, server: Server, tmp_path: Path) -> None:
    with program("manager.launch()\nraise ValueError('a bug')") as running:
        assert running.wait() == 1
        assert "ValueError: a bug" in running.log
        assert not running.tree()


def test_nothing_of_the_parent_is_flushed_or_run_twice(
    program: Start, server: Server, tmp_path: Path
) -> None:
    push(server.client, {"n": 0})
    main = """
import atexit
atexit.register(note, "atexit", "parent")
sys.stdout.write("in the buffer of the parent\\n")
manager.launch()
while not os.path.exists("done"):
    time.sleep(0.01)
manager.terminate_all()
"""
    with program(main) as running:
        assert running.wait() == 0
        assert running.log.count("in the buffer of the parent") == 1
    assert lines(tmp_path / "atexit") == ["parent"]


@pytest.mark.parametrize("closing", ["sys.stdout.close()", "kept = sys.stdout.detach()"])
def test_program_may_have_closed_its_stdout(
    program: Start, server: Server, tmp_path: Path, closing: str
) -> None:
    push(server.client, {"n": 0})
    with program(f"{closing}\nmanager.launch()\nwhile True: time.sleep(1)"):
        eventually(lambda: lines(tmp_path / "done"), "the task")


def test_stderr_takes_what_cannot_be_encoded(program: Start, server: Server) -> None:
    push(server.client, {"n": 0})
    main = """
manager.customers[0].process = lambda foods: print("odd: \\udc80", file=sys.stderr)
manager.launch()
"""
    with program(main) as running:
        running.logged(r"odd: \udc80")
        assert running.stop() == 0
        assert "Traceback" not in running.log


def test_launching_twice_is_refused(program: Start) -> None:
    with program("manager.launch()\nmanager.launch()") as running:
        assert running.wait() == 1
        assert "Misuse: already launched" in running.log


def test_launching_nothing_is_refused(program: Start) -> None:
    with program("WoodenManager().launch()") as running:
        assert running.wait() == 1
        assert "AppError: there is nothing to launch" in running.log


def test_terminate_all_lets_launch_again(program: Start, server: Server, tmp_path: Path) -> None:
    push(server.client, {"n": 0})
    main = """
for turn in range(2):
    manager.launch()
    manager.terminate_all()
with manager:
    while not os.path.exists("done"):
        time.sleep(0.01)
"""
    with program(main) as running:
        assert running.wait() == 0
        assert not running.tree()


def test_a_launch_leaves_nothing_in_the_program(program: Start, tmp_path: Path) -> None:
    main = """
import gc
from woodenwaiter.supervisor.launcher import Launched
for turn in range(3):
    manager.launch()
    manager.terminate_all()
    gc.collect()
    kept = [thing for thing in gc.get_objects() if isinstance(thing, Launched)]
    note("left", (os.listdir("/dev/fd"), kept))
"""
    with program(main) as running:
        assert running.wait() == 0
    first, *later = lines(tmp_path / "left")
    assert later == [first, first]


def test_run_restores_the_signals_of_its_caller(program: Start, tmp_path: Path) -> None:
    main = """
before = signal.getsignal(signal.SIGTERM)

def terminate():
    while signal.getsignal(signal.SIGTERM) is before:
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGTERM)

threading.Thread(target=terminate).start()
code = manager.run()
assert signal.getsignal(signal.SIGTERM) is before
note("code", code)
"""
    with program(main) as running:
        assert running.wait() == 0
    assert lines(tmp_path / "code") == ["0"]
