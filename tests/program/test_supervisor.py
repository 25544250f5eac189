"""The program as its users start it: signals, deaths, drains."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from textwrap import dedent

import psutil
import pytest

from woodenwaiter import Backoff

from ..application import Application, Code, kill_all
from ..support import PYTHON, Server, await_end_of, eventually


def test_serves_and_drains(app: Application) -> None:
    app.push(*({"n": n} for n in range(100)))
    supervisor = app.serve()
    eventually(lambda: len(app.done) == 100)
    assert supervisor.stop() == 0
    assert not supervisor.left_behind()
    assert app.done == list(range(100))
    left = {b"{t:d}:" + name for name in (b"clock", b"tally", b"beats", b"minutes", b"times")}
    assert set(app.client.keys()) <= {b"woodenwaiter:queues", *left}
    assert app.client.hgetall("{t:d}:tally") == {b"done": b"100"}


def test_killed_worker_is_replaced_and_only_its_task_runs_again(app: Application) -> None:
    app.push({"n": 0, "kill": signal.SIGKILL}, *({"n": n} for n in range(1, 200)))
    app.write(processes=1, max_deliveries=2)
    supervisor = app.serve()
    eventually(lambda: len(app.done) == 199)
    eventually(app.letters)
    assert "died of signal 9 (SIGKILL)" in supervisor.log
    assert supervisor.stop() == 0
    assert app.begun == [0, *range(200)]


def test_drain_gives_the_rest_back_in_order(app: Application) -> None:
    app.push({"n": 0, "sleep": 30}, {"n": 1, "sleep": 30}, *({"n": n} for n in (2, 3, 4)))
    supervisor = app.serve()
    eventually(lambda: app.begun == [0, 1])
    supervisor.signal(signal.SIGTERM)
    supervisor.logged("draining")
    app.let_go(0, 1)
    assert supervisor.wait() == 0
    assert app.done == [0, 1]
    assert app.waiting() == [2, 3, 4]
    supervisor = app.serve()
    eventually(lambda: app.done == [0, 1, 2, 3, 4])
    assert supervisor.stop() == 0


def test_drain_that_takes_too_long_kills_without_charge(app: Application) -> None:
    app.push({"n": 0, "sleep": 300}, {"n": 1, "sleep": 300}, {"n": 2})
    supervisor = app.serve("--drain-seconds", "0.2")
    eventually(lambda: app.begun == [0, 1])
    assert supervisor.stop() == 1
    assert sorted(app.waiting()) == [0, 1, 2]
    assert app.waiting()[-1] == 2


@pytest.mark.parametrize(
    ("first", "second", "code"),
    [(signal.SIGINT, signal.SIGINT, 130), (signal.SIGTERM, signal.SIGQUIT, 131)],
)
def test_quick_stop(app: Application, first: int, second: int, code: int) -> None:
    app.push({"n": 0, "sleep": 300}, {"n": 1})
    app.write(processes=1)
    supervisor = app.serve()
    eventually(lambda: app.begun)
    supervisor.signal(first)
    supervisor.logged("draining")

    assert supervisor.wait_with(second) == code
    assert not supervisor.left_behind()
    assert app.waiting() == [0, 1]


def test_termination_again_and_again_drains(app: Application) -> None:
    supervisor = app.serve().ready(2)
    assert supervisor.wait_with(signal.SIGTERM) == 0


def test_interrupt_that_comes_twice_at_once_drains(app: Application) -> None:
    """As from Ctrl-C, when whoever started the program passes it on."""
    app.push({"n": 0, "sleep": 300})
    supervisor = app.serve()
    eventually(lambda: app.begun)
    for _ in range(10):
        supervisor.signal(signal.SIGINT)
        time.sleep(0.001)  # or they are one
    supervisor.logged("draining")
    supervisor.signal(signal.SIGUSR1)
    supervisor.logged("is here")  # it has heard all of them, and goes on
    app.let_go(0)
    assert supervisor.wait() == 0
    assert app.done == [0]


def test_termination_of_the_whole_group_drains(app: Application) -> None:
    """As systemd does it."""
    app.push({"n": 0, "sleep": 300})
    supervisor = app.serve().ready(1)
    eventually(lambda: app.begun)
    os.killpg(supervisor.pid, signal.SIGTERM)
    supervisor.logged("draining")
    app.let_go(0)
    assert supervisor.wait() == 0
    assert "ERROR" not in supervisor.log
    assert app.done == [0]


def test_no_task_waits_behind_a_slow_one(app: Application) -> None:
    app.push(*({"n": n} for n in range(500)))
    app.push({"n": 500, "sleep": 300}, *({"n": n} for n in range(501, 1000)))
    supervisor = app.serve()
    eventually(lambda: len(app.done) == 999)
    app.let_go(500)
    assert supervisor.stop() == 0
    assert app.begun == list(range(1000))


def test_idle_worker_gets_what_waits_behind_a_slow_task(app: Application) -> None:
    """Though the housekeeper would not look for minutes: who is idle has it look."""
    app.write(text="from woodenwaiter import pace\npace.LOOK = 600.0", processes=2)
    app.push(*({"n": n} for n in range(500)))
    app.push({"n": 500, "sleep": 300}, *({"n": n} for n in range(501, 1000)))
    supervisor = app.serve("--lease-seconds", "3600")
    eventually(lambda: len(app.done) == 999)
    app.let_go(500)
    eventually(lambda: len(app.done) == 1000)
    supervisor.signal(signal.SIGQUIT)
    supervisor.wait()
    assert app.begun == list(range(1000))


def test_what_ran_before_a_slow_task_is_settled_meanwhile(app: Application) -> None:
    app.push(*({"n": n} for n in range(10)), {"n": 10, "sleep": 300})
    app.write(processes=1)
    supervisor = app.serve()
    eventually(lambda: [v.split()[0] for v in app.client.hvals("{t:d}:settled")] == [b"10"])
    assert app.begun == list(range(11))
    supervisor.signal(signal.SIGQUIT)
    supervisor.wait()


def test_worker_shares_what_it_claimed_when_tasks_become_slower(app: Application) -> None:
    app.write(processes=1, then='note("by", os.getpid())')
    app.push(*({"n": n} for n in range(1000)))
    first = app.serve()
    eventually(lambda: len(app.noted("by")) == 1000)
    app.push(*({"n": n, "sleep": 0.03} for n in range(200)))
    second = app.serve()
    eventually(lambda: len(set(app.noted("by"))) == 2, "the other runs some, too")
    assert (first.stop(), second.stop()) == (0, 0)


def test_workers_outlive_their_supervisor_for_one_task(app: Application) -> None:
    app.push({"n": 0, "sleep": 300}, {"n": 1, "sleep": 300}, {"n": 2})
    supervisor = app.serve("--lease-seconds", "1")
    eventually(lambda: app.begun == [0, 1])
    family = supervisor.tree()
    supervisor.signal(signal.SIGKILL)
    supervisor.wait()
    supervisor.logged("the supervisor is gone")
    app.let_go(0, 1)
    await_end_of(family)
    assert app.begun == [0, 1]
    assert app.waiting() == [2]
    assert not app.client.exists("{t:d}:settled")


GONE_WHEN_KILLED = """
    import psutil
    from woodenwaiter.housekeeper import housekeeper

    def kill_what_is_gone(pid, kill_tree=housekeeper.kill_tree):
        os.kill(pid, 9)
        while psutil.pid_exists(pid):
            time.sleep(0.01)
        kill_tree(pid)

    housekeeper.kill_tree = kill_what_is_gone
"""


@pytest.mark.parametrize("text", ["", GONE_WHEN_KILLED], ids=["", "gone when killed"])
def test_hung_worker_does_not_outlive_its_supervisor_for_long(app: Application, text: str) -> None:
    app.push({"n": 0, "sleep": 300})
    app.write(text=text)
    supervisor = app.serve("--drain-seconds", "0.5")
    eventually(lambda: app.begun)
    family = supervisor.tree()
    supervisor.signal(signal.SIGKILL)
    await_end_of(family)
    assert "Traceback" not in supervisor.log
    assert app.waiting() == [0]
    assert not app.client.exists("{t:d}:settled")


def test_another_host_takes_over_when_a_host_dies(app: Application) -> None:
    app.push({"n": 0, "sleep": 300}, *({"n": n} for n in range(1, 5)))
    app.write(processes=1)
    supervisor = app.serve("--lease-seconds", "1")
    eventually(lambda: app.begun)
    kill_all(supervisor)
    app.let_go(0)
    supervisor = app.serve("--lease-seconds", "1")
    eventually(lambda: app.done == [0, 1, 2, 3, 4])
    supervisor.logged("ran out; its tasks that are back in the queue: 1")
    assert supervisor.stop() == 0
    assert app.begun == [0, 0, 1, 2, 3, 4]


def test_task_that_takes_its_host_down_is_buried_and_its_neighbours_are_not(
    app: Application,
) -> None:
    app.push(*({"n": n} for n in range(8)))
    handler = """
        note("done", foods["n"])
        time.sleep(300 if foods["n"] == 5 else 0)
    """
    app.write(handler=handler, processes=1, max_deliveries=3, backoff=Backoff(0, 0))
    for lives in range(1, 5):
        supervisor = app.serve("--lease-seconds", "1")
        eventually(lambda: app.done.count(5) == lives)  # noqa: B023
        kill_all(supervisor)
    app.serve("--lease-seconds", "1")
    [letter] = eventually(app.letters)
    assert json.loads(letter[b"payload"]) == {"n": 5}
    assert letter[b"deliveries"] == b"3"
    eventually(lambda: set(app.done) == set(range(8)))


def test_neighbours_of_a_task_that_takes_its_host_down_are_not_buried(app: Application) -> None:
    """Though they run beside it, for as long as it does, until each of them runs alone."""
    app.push(*({"n": n, "sleep": 300} for n in range(4)))
    app.write(processes=4, max_deliveries=2, backoff=Backoff(0, 0))
    for lives in range(1, 4):
        supervisor = app.serve("--lease-seconds", "1")
        if lives == 3:
            app.let_go(0, 1, 3)
        eventually(lambda: app.begun.count(2) == lives, f"life {lives}")  # noqa: B023
        kill_all(supervisor)
    app.serve("--lease-seconds", "1")
    [letter] = eventually(app.letters)
    assert json.loads(letter[b"payload"])["n"] == 2
    eventually(lambda: app.done == [0, 1, 3])


def test_redis_goes_away_and_comes_back(
    app: Application, make_server: Callable[..., Server]
) -> None:
    server = make_server()
    app = app.at(server)
    app.push(*({"n": n, "sleep": 0.01} for n in range(300)))
    supervisor = app.serve()
    eventually(lambda: len(app.done) > 50)
    family = supervisor.tree()
    server.kill()
    supervisor.logged("trying again")
    server.start()
    eventually(lambda: len(app.done) == 300)
    supervisor.logged("works again")
    assert supervisor.tree() == family
    assert supervisor.log.count("trying again") == 1
    assert supervisor.stop() == 0
    assert app.done == list(range(300))


def test_housekeeper_is_replaced(app: Application) -> None:
    supervisor = app.serve().ready(2)
    first = supervisor.housekeeper()
    first.kill()
    eventually(lambda: not first.is_running() and supervisor.housekeeper())
    app.push({"n": 0, "kill": signal.SIGKILL})
    eventually(app.delayed)
    assert supervisor.stop() == 0


def test_more_and_fewer_workers(app: Application) -> None:
    supervisor = app.serve().ready(2)
    supervisor.signal(signal.SIGTTIN)
    eventually(lambda: len(supervisor.workers()) == 3)
    for left in (2, 1):
        supervisor.signal(signal.SIGTTOU)
        eventually(lambda n=left: len(supervisor.workers()) == n)  # type: ignore[misc]
    supervisor.signal(signal.SIGTTOU)
    eventually(lambda: supervisor.log.count("workers now: 1") == 2)
    assert supervisor.stop() == 0


DAWDLE = """
    import random

    def dawdle():
        time.sleep(random.choice([0, 0, 0.1]))

    os.register_at_fork(after_in_parent=dawdle, after_in_child=dawdle)
"""


@pytest.mark.parametrize("seed", range(3))
def test_signals_and_deaths_leave_as_many_workers_as_told(app: Application, seed: int) -> None:
    chance = random.Random(seed)
    kinds = (
        signal.SIGTTIN,
        signal.SIGTTOU,
        signal.SIGTSTP,
        signal.SIGCONT,
        signal.SIGUSR1,
    )
    app.write(text=DAWDLE, max_tasks=3)
    supervisor = app.serve().ready(2)
    for n in range(100):
        app.push({"n": n})
        supervisor.signal(chance.choice(kinds))
        family = supervisor.tree()
        if family and chance.random() < 0.1:
            with suppress(psutil.NoSuchProcess):
                chance.choice(family).kill()
        time.sleep(chance.uniform(0, 0.03))  # waits for nothing: it spreads them

    def is_done() -> bool:
        # Again and again: Python may take it before a TSTP that was sent earlier.
        supervisor.signal(signal.SIGCONT)
        return set(app.done) == set(range(100))

    eventually(is_done)
    told = int(re.findall(r"workers now: (\d+)", supervisor.log)[-1])
    eventually(lambda: len(supervisor.titled(" idle")) == len(supervisor.workers()) == told)
    assert supervisor.stop() == 0


def test_quiet_workers_finish_and_claim_nothing(app: Application) -> None:
    app.push({"n": 0, "sleep": 300})
    supervisor = app.serve()
    eventually(lambda: app.begun)
    supervisor.signal(signal.SIGTSTP)
    app.let_go(0)
    eventually(lambda: len(supervisor.titled(" quiet")) == 2)
    app.push({"n": 1})
    assert app.waiting() == [1]
    supervisor.signal(signal.SIGCONT)
    eventually(lambda: app.done == [0, 1])
    assert supervisor.stop() == 0


SHELL = """
import os, subprocess, sys
sys.exit(subprocess.Popen(sys.argv[1:], preexec_fn=os.setpgrp).wait())
"""


def test_suspending_the_whole_group_stops_no_process(app: Application) -> None:
    """As Ctrl-Z does it to a shell's job: the housekeeper goes on to renew leases."""
    shell = app.serve(inside=(*PYTHON, "-c", SHELL)).ready(2)
    [job] = shell.titled("woodenwaiter: supervisor")
    os.killpg(job.pid, signal.SIGTSTP)
    eventually(lambda: len(shell.titled(" quiet")) == 2)
    assert psutil.STATUS_STOPPED not in [process.status() for process in shell.tree()]
    app.push({"n": 0})
    os.killpg(job.pid, signal.SIGCONT)
    eventually(lambda: app.done == [0])
    job.terminate()
    assert shell.wait() == 0


TERMINAL = """
import os, pty, sys, termios
pid, terminal = pty.fork()
if pid == 0:
    modes = termios.tcgetattr(0)
    modes[3] |= termios.TOSTOP
    termios.tcsetattr(0, termios.TCSANOW, modes)
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)
        os.execv(sys.argv[1], sys.argv[1:])
    os.waitpid(pid, 0)
while True:
    os.write(1, os.read(terminal, 4096))
"""


def test_job_in_the_background_may_not_write_and_works(app: Application) -> None:
    """With `stty tostop`."""
    app.push({"n": 0})
    app.serve(inside=(*PYTHON, "-c", TERMINAL))
    eventually(lambda: app.done == [0])


def test_a_month_is_no_time(app: Application) -> None:
    month = 30 * 86400
    app.write(seconds=month, timeout=month)
    supervisor = app.serve("--drain-seconds", str(month)).ready(2)
    app.push({"n": 0, "sleep": 300})
    eventually(lambda: app.begun)
    supervisor.signal(signal.SIGTERM)
    supervisor.logged("left with exit code 0")
    app.let_go(0)
    assert supervisor.wait() == 0
    assert "ERROR" not in supervisor.log


def test_report_for_the_whole_group_kills_nobody(app: Application) -> None:
    supervisor = app.serve().ready(2)
    os.killpg(supervisor.pid, signal.SIGUSR1)
    eventually(lambda: supervisor.log.count("is here") >= 2)
    assert supervisor.stop() == 0
    assert "ERROR" not in supervisor.log


def test_idle_workers_have_time_to_leave_where_tasks_have_none(app: Application) -> None:
    supervisor = app.serve("--drain-seconds", "0").ready(2)
    assert supervisor.stop() == 0


LOGGING = """
    import logging, logging.config
    logging.config.dictConfig({"version": 1})
    logging.basicConfig(format="OWN %(message)s", level="INFO")
"""


def test_logging_of_the_application_neither_mutes_nor_doubles_ours(app: Application) -> None:
    app.write(text=LOGGING)
    supervisor = app.serve().ready(2)
    assert supervisor.stop() == 0
    assert supervisor.log.count("drained in") == 1


def test_needs_no_folder_for_temporary_files(app: Application) -> None:
    app.write(text="import tempfile; tempfile.tempdir = '/nowhere'")
    supervisor = app.serve().ready(2)
    assert supervisor.stop() == 0


def test_report_tells_where_each_worker_is(app: Application) -> None:
    app.push({"n": 0, "sleep": 300})
    supervisor = app.serve()
    eventually(lambda: app.begun)
    supervisor.signal(signal.SIGUSR1)
    supervisor.logged("in handle")
    assert "runs claim" in supervisor.log
    supervisor.signal(signal.SIGQUIT)
    assert supervisor.wait() == 131


def test_titles_tell_what_workers_do(app: Application) -> None:
    supervisor = app.serve().ready(2)
    assert len(supervisor.titled("worker t:d #1 idle")) == 1
    app.push({"n": 0, "sleep": 300})
    eventually(lambda: supervisor.titled("since"))
    supervisor.signal(signal.SIGQUIT)
    supervisor.wait()


def test_setup_and_teardown_run_in_each_worker(app: Application) -> None:
    app.write(
        setup=Code('lambda: note("setup", os.getpid())'),
        teardown=Code('lambda: note("teardown", os.getpid())'),
    )
    supervisor = app.serve().ready(2)
    pids = sorted(process.pid for process in supervisor.workers())
    assert supervisor.stop() == 0
    assert app.numbers("setup") == app.numbers("teardown") == pids


LEFT_BEHIND = """
    threading.Thread(target=time.sleep, args=(300,), name="left behind", daemon=True).start()
"""


def test_threads_of_the_application_are_named(app: Application) -> None:
    app.write(text=LEFT_BEHIND)
    app.serve().logged("the thread 'left behind'")


def test_json_log(app: Application) -> None:
    app.push({"n": "no number", "sleep": "no number either"})
    supervisor = app.serve("--log-format", "json")
    supervisor.logged("TypeError")
    assert supervisor.stop() == 0
    records = [json.loads(line) for line in supervisor.log.splitlines()]
    assert {"time", "level", "pid", "role", "message"} <= records[0].keys()
    assert any("Traceback" in record.get("traceback", "") for record in records)


@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
def test_log_goes_into_no_file_of_the_application(app: Application, closed: str) -> None:
    """Which would have the number of a closed stderr."""
    app.write(text='first = open("first", "w+")', processes=1)
    app.push({"n": 0})
    supervisor = app.serve(inside=("sh", "-c", f'exec "$@" {closed}', "sh"))
    eventually(lambda: app.done == [0])
    assert supervisor.stop() == 0
    assert (app.folder / "first").read_text() == ""


@pytest.mark.parametrize("where", ["text", "handler"])
def test_failure_is_told_whatever_logging_was_configured_to(app: Application, where: str) -> None:
    configure = """
        import logging.config
        logging.config.dictConfig({"version": 1})
    """
    parts = {"text": "", "handler": 'raise ValueError("told")'}
    parts[where] = dedent(configure) + parts[where]
    app.write(**parts)
    app.push({"n": 0})
    assert "ValueError: told" in app.serve().logged("task ")
