"""How processes leave: what is flushed, what runs, what reaches the log."""

from __future__ import annotations

import json
import os
import signal
import sys

import pytest

from ..application import Application, Code
from ..support import eventually


def test_exit_handlers_run_once_and_not_in_the_supervisor(app: Application) -> None:
    text = """
        import atexit

        def leave(role):
            note(role, os.getpid())

        atexit.register(leave, "supervisor")
    """
    app.write(text=text, setup=Code('lambda: atexit.register(leave, "worker")'))
    supervisor = app.serve().ready(2)
    workers = sorted(process.pid for process in supervisor.workers())
    assert supervisor.stop() == 0
    [last] = app.numbers("supervisor")
    assert last not in [supervisor.pid, *workers]
    assert app.numbers("worker") == workers


def test_nothing_printed_into_a_pipe_is_lost_or_torn(app: Application) -> None:
    """Whole lines from many processes at once, and what had no line's end when its worker left."""
    handler = """
        if foods["letter"] == "tail":
            sys.stdout.write("<tail>")
            note("tail", "")
        else:
            for _ in range(20):
                print(foods["letter"] * 2000)
    """
    app.write(text='print("<while loading>", end="")', handler=handler, processes=4)
    letters = ["abcd"[n % 4] for n in range(100)]
    app.push(*({"letter": letter} for letter in letters))
    supervisor = app.serve(piped=True)
    assert supervisor.process.stdout
    output = b""
    while output.count(b"\n") < 2000:
        output += os.read(supervisor.process.stdout.fileno(), 1 << 16)
    app.push({"letter": "tail"})
    eventually(lambda: app.noted("tail"))
    supervisor.signal(signal.SIGTERM)
    output += supervisor.process.stdout.read()
    assert supervisor.wait() == 0

    *whole, tail = output.decode().replace("<while loading>", "", 1).split("\n")
    assert sorted(whole) == sorted(letter * 2000 for letter in letters for _ in range(20))
    assert tail == "<tail>"


def test_log_lines_of_many_processes_stay_whole(app: Application) -> None:
    app.push(*({"n": n} for n in range(200)))
    app.write(
        then="raise ValueError(f\"<{foods['n']}>\" + 'x' * 1000)", processes=4, max_deliveries=1
    )
    supervisor = app.serve("--log-format", "json")
    eventually(lambda: len(app.letters()) == 200)
    assert supervisor.stop() == 0
    records = [json.loads(line) for line in supervisor.log.splitlines()]
    errors = [record["message"] for record in records if "traceback" in record]
    assert len(errors) == 200
    assert all("x" * 1000 in error for error in errors)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGTTOU])
def test_task_that_fails_as_its_worker_is_to_leave_has_ended(app: Application, number: int) -> None:
    app.write(then="raise ValueError", max_deliveries=1)
    app.push({"n": 0, "sleep": 300}, {"n": 1, "sleep": 300})
    supervisor = app.serve()
    eventually(lambda: len(app.begun) == 2)
    supervisor.signal(number)
    supervisor.logged("draining" if number == signal.SIGTERM else "workers now: 1")
    app.let_go(0, 1)
    eventually(lambda: len(app.letters()) == 2)
    supervisor.logged("left with exit code 0")
    assert supervisor.stop() == 0
    assert "while running" not in supervisor.log


def test_process_that_a_handler_forks_does_not_become_a_worker(app: Application) -> None:
    app.push(*({"n": n} for n in range(20)))
    app.write(then="os.fork()")
    supervisor = app.serve()
    eventually(lambda: len(app.done) == 40)
    eventually(lambda: len(supervisor.workers()) == 2, "only the workers are left")
    assert supervisor.stop() == 0
    assert app.done == sorted([*range(20), *range(20)])


def test_worker_that_lost_its_lease_starts_over(app: Application) -> None:
    app.write(processes=1)
    supervisor = app.serve().ready(1)
    app.client.delete("{t:d}:settled", "{t:d}:leases")
    app.push({"n": 0})
    eventually(lambda: app.done == [0])
    assert "its lease ran out, or its keys are gone" in supervisor.log
    assert supervisor.stop() == 0
    assert app.begun == [0]


def test_failure_in_an_outage_counts_though_its_worker_was_told_to_leave(app: Application) -> None:
    app.write(then="raise Retry(after=600)")
    app.push({"n": 0, "sleep": 300})
    supervisor = app.serve()
    eventually(lambda: app.begun)
    supervisor.signal(signal.SIGTERM)
    supervisor.logged("draining")
    eventually(lambda: len(supervisor.workers()) == 1, "only the one that works")
    app.client.client_kill_filter(_type="normal", skipme=True)
    app.let_go(0)
    assert supervisor.wait() == 0
    assert len(app.delayed()) == 1
    assert app.client.llen("t:d") == 0


def test_sleeping_worker_finds_what_was_claimed_for_it(app: Application) -> None:
    """By a request whose answer was lost with the connection, and that the server carried out."""

    def waits() -> int:
        return int(app.client.info("commandstats").get("cmdstat_blmove", {"calls": 0})["calls"])

    before = waits()
    app.write(processes=1, seconds=0)
    supervisor = app.serve().ready(1)
    eventually(
        lambda: waits() > before and app.client.info("clients")["blocked_clients"],
        "a worker that only waits",
    )
    [owner] = app.client.hkeys("{t:d}:settled")
    app.client.lpush(b"{t:d}:claims:" + owner, json.dumps({"n": 0}))
    app.client.client_kill_filter(_type="normal", skipme=True)
    eventually(lambda: app.done == [0])
    assert supervisor.stop() == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only there pages can be wiped by a fork")
def test_process_that_is_forked_behind_pythons_back_runs_nothing_more(app: Application) -> None:
    app.push(*({"n": n} for n in range(60)))
    app.write(text="import ctypes", then="ctypes.CDLL(None).fork() if foods['n'] == 0 else None")
    supervisor = app.serve()
    eventually(lambda: len(set(app.done)) == 60)
    assert supervisor.stop() == 0
    assert sorted(app.begun) == list(range(60))


def test_process_that_a_handler_forks_can_be_terminated(app: Application) -> None:
    """At once, as when a multiprocessing.Pool ends."""
    then = """
        pid = os.fork()
        if pid == 0:
            time.sleep(300)
        os.kill(pid, signal.SIGTERM)
        note("status", os.waitpid(pid, 0)[1])
    """
    app.write(then=then)
    app.push(*({"n": n} for n in range(20)))
    supervisor = app.serve()
    eventually(lambda: len(app.done) == 20)
    assert supervisor.stop() == 0
    assert set(app.noted("status")) == {str(signal.SIGTERM.value)}


def test_event_loop_in_a_handler_does_not_make_its_worker_deaf(app: Application) -> None:
    then = """
        import asyncio

        async def main():
            asyncio.get_running_loop().add_signal_handler(signal.SIGALRM, print)

        asyncio.run(main())
    """
    app.write(then=then, processes=1)
    app.push({"n": 0})
    supervisor = app.serve()
    eventually(lambda: app.done)
    supervisor.ready(1).signal(signal.SIGTSTP)
    eventually(lambda: supervisor.titled(" quiet"))
    assert supervisor.stop() == 0


@pytest.mark.parametrize(
    "text",
    [
        """
        import random

        def late(*_):
            raise TimeoutError("late")

        signal.signal(signal.SIGALRM, late)
        """,
        """
        import logging

        class Full(logging.Filter):
            def filter(self, record):
                if record.levelname == "ERROR" and not os.path.exists("full"):
                    note("full", 1)
                    raise OSError("no space left on device")
                return True

        logging.getLogger("woodenwaiter").addFilter(Full())
        """,
    ],
    ids=["a late alarm", "a log that is full"],
)
def test_errors_beside_the_handler_lose_no_task(app: Application, text: str) -> None:
    """Though they look like a server's trouble."""
    app.push(*({"n": n} for n in range(1000)))
    alarmed = "if 'late' in globals(): signal.setitimer(signal.ITIMER_REAL, random.random() / 2000)"
    failing = (
        "if foods['n'] == 500 and 'Full' in globals() and delivery().number == 1: raise KeyError"
    )
    policy = {"max_deliveries": 100, "backoff": Code("Backoff(0, 0)")}
    app.write(text=text, then=f"{alarmed}\n{failing}", **policy)
    supervisor = app.serve()
    eventually(lambda: len(set(app.done)) == 1000, seconds=40)
    assert supervisor.stop() == 0
    assert not app.letters()


def test_worker_that_crashes_and_is_held_up_is_replaced(app: Application) -> None:
    text = "def teardown(): time.sleep(1000)"
    then = """
        if foods["n"] == 0:
            time.monotonic = None
    """
    app.write(processes=1, teardown=Code("teardown"), text=text, then=then)
    app.push({"n": 0}, {"n": 1})
    supervisor = app.serve("--drain-seconds", "1")
    eventually(lambda: app.done == [0, 1])
    assert "is killed, as it has nothing left to do" in supervisor.log


def test_worker_ends_though_a_handler_patches_that_away(app: Application) -> None:
    app.write(then="os._exit = print")
    app.push({"n": 0}, {"n": 1})
    supervisor = app.serve().ready(2)
    eventually(lambda: app.done == [0, 1])
    assert supervisor.stop() == 0
    assert "pid 0" not in supervisor.log
