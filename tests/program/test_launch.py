"""Supervisors launched from programs, which may have threads, end in many ways, and are killed."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from woodenwaiter.processes.tree import is_alive

from ..application import Application
from ..support import Program, await_end_of, eventually

OTHER = """
other = WoodenManager()
other.add_customer(WoodenCustomer("t", "other", WoodenWaiter(), process=handle, seconds=1))
"""

Start = Callable[[str], Program]


@pytest.fixture
def program(app: Application) -> Start:
    """Starts a program that builds an application with one worker, and does more."""
    app.write(processes=1)
    return app.run


def test_with_block_drains_at_its_end(program: Start, app: Application) -> None:
    app.push({"n": 0})
    main = """
with manager:
    while not os.path.exists("done"):
        time.sleep(0.01)
note("end", "drained")
"""
    running = program(main)
    assert running.wait() == 0
    assert not running.left_behind()
    assert app.noted("end") == ["drained"]


def test_launch_returns_at_once_in_a_program_with_threads(program: Start, app: Application) -> None:
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
    running = program(main)
    running.logged("started")
    app.push({"n": 0})
    assert running.wait() == 0
    assert all(set(line) == {"x"} for line in running.log.splitlines() if "x" * 9 in line)


def test_serves_on_after_the_main_part_has_ended(program: Start, app: Application) -> None:
    running = program("manager.launch(); print('the end', flush=True)")
    running.logged("the end")
    app.push({"n": 0})
    eventually(lambda: app.done)
    assert running.process.poll() is None
    running.signal(signal.SIGTERM)
    assert running.wait() == 0
    assert not running.left_behind()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_to_the_program_drains(program: Start, app: Application, number: int) -> None:
    app.push({"n": 0, "sleep": 300})
    running = program("manager.launch()\nwhile True: time.sleep(1)")
    eventually(lambda: app.begun)
    running.signal(number)
    running.logged("draining")
    app.let_go(0)
    assert running.wait() in (-number, 128 + number)
    assert app.done == [0]
    assert not running.left_behind()


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
    running = program(launches + "print('launched', flush=True)\n" + end)
    running.logged("launched")
    eventually(lambda: len(running.titled("supervisor of")) == supervisors)
    launched = running.titled("woodenwaiter")
    running.signal(number)
    assert running.wait() in ((-number, 128 + number) if end else (0,))
    assert not any(is_alive(process) for process in launched)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_while_the_programs_threads_are_waited_for(
    program: Start, app: Application, number: int
) -> None:
    main = """
def outlive_main():
    while threading.main_thread().is_alive():
        time.sleep(0.001)
    print("the main part has ended", flush=True)
    while not os.path.exists("go-0"):
        time.sleep(0.001)

manager.launch()
threading.Thread(target=outlive_main).start()
"""
    running = program(main)
    running.logged("started")
    running.logged("the main part has ended")
    running.signal(number)
    running.logged("drained")
    app.let_go(0)
    assert running.wait() == 0
    assert "Exception ignored" not in running.log


def test_interrupt_at_the_very_end_of_the_main_part(program: Start) -> None:
    """Before anybody hears that it has ended."""
    main = """
manager.launch()
threading._register_atexit(lambda: signal.raise_signal(signal.SIGINT))  # called before ours
"""
    running = program(main)
    assert running.wait() == 0
    assert "KeyboardInterrupt" in running.log
    assert "go on" not in running.log
    assert not running.left_behind()


def test_program_that_is_killed_takes_its_supervisor_along(
    program: Start, app: Application
) -> None:
    app.push({"n": 0, "sleep": 300}, {"n": 1})
    main = """
manager.launch()
other.launch()
os.system("sleep 300 &")  # a child of the program's own, which inherits what it may
os.fork()
time.sleep(300)
"""
    running = program(OTHER + main)
    eventually(lambda: app.begun)
    eventually(lambda: len(running.titled("supervisor of")) == 2)
    eventually(lambda: running.titled("program.py"), "the fork")
    supervised = running.titled("woodenwaiter")
    running.signal(signal.SIGKILL)
    running.wait()
    running.logged("the program that launched this supervisor is gone")
    app.let_go(0)
    await_end_of(supervised)
    assert app.done == [0]
    assert app.client.llen("t:d") == 1


def test_error_in_the_program_drains(program: Start, app: Application) -> None:
    running = program("manager.launch()\nraise ValueError('a bug')")
    assert running.wait() == 1
    assert "ValueError: a bug" in running.log
    assert not running.left_behind()


def test_nothing_of_the_parent_is_flushed_or_run_twice(program: Start, app: Application) -> None:
    app.push({"n": 0})
    main = """
import atexit
atexit.register(note, "atexit", "parent")
sys.stdout.write("in the buffer of the parent\\n")
manager.launch()
while not os.path.exists("done"):
    time.sleep(0.01)
manager.terminate_all()
"""
    running = program(main)
    assert running.wait() == 0
    assert running.log.count("in the buffer of the parent") == 1
    assert app.noted("atexit") == ["parent"]


@pytest.mark.parametrize("closing", ["sys.stdout.close()", "kept = sys.stdout.detach()"])
def test_program_may_have_closed_its_stdout(program: Start, app: Application, closing: str) -> None:
    app.push({"n": 0})
    program(f"{closing}\nmanager.launch()\nwhile True: time.sleep(1)")
    eventually(lambda: app.done, "the task")


def test_stderr_takes_what_cannot_be_encoded(program: Start, app: Application) -> None:
    app.push({"n": 0})
    main = """
manager.customers[0].process = lambda foods: print("odd: \\udc80", file=sys.stderr)
manager.launch()
"""
    running = program(main)
    running.logged(r"odd: \udc80")
    assert running.stop() == 0
    assert "Traceback" not in running.log


def test_launching_twice_is_refused(program: Start) -> None:
    running = program("manager.launch()\nmanager.launch()")
    assert running.wait() == 1
    assert "Misuse: already launched" in running.log


def test_launching_nothing_is_refused(program: Start) -> None:
    running = program("WoodenManager().launch()")
    assert running.wait() == 1
    assert "AppError: there is nothing to launch" in running.log


def test_terminate_all_lets_launch_again(program: Start, app: Application) -> None:
    app.push({"n": 0})
    main = """
for turn in range(2):
    manager.launch()
    manager.terminate_all()
with manager:
    while not os.path.exists("done"):
        time.sleep(0.01)
"""
    running = program(main)
    assert running.wait() == 0
    assert not running.left_behind()


def test_a_launch_leaves_nothing_in_the_program(program: Start, app: Application) -> None:
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
    running = program(main)
    assert running.wait() == 0
    first, *later = app.noted("left")
    assert later == [first, first]


def test_run_restores_the_signals_of_its_caller(program: Start, app: Application) -> None:
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
    running = program(main)
    assert running.wait() == 0
    assert app.noted("code") == ["0"]
