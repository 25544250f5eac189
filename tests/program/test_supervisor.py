"""The program as its users start it: signals, deaths, drains."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import textwrap
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from ..support import Program, Server, Supervisor, eventually, lines

APP = """
    import os, time
    from woodenwaiter import WoodenCustomer, WoodenManager, WoodenWaiter, delivery

    def note(file, text):
        with open(file, "a") as out:
            out.write(f"{text}\\n")

    def handle(foods):
        note("begun", foods["n"])
        deadline = time.monotonic() + foods.get("sleep", 0)
        while time.monotonic() < deadline and not os.path.exists(f"go-{foods['n']}"):
            time.sleep(0.01)
        if foods.get("kill"):
            os.kill(os.getpid(), foods["kill"])
        note("done", foods["n"])

    manager = WoodenManager()
    manager.add_customer(WoodenCustomer("t", "d", WoodenWaiter(), handle, processes=2))
"""


def push(client: Any, *tasks: dict[str, Any]) -> None:
    for task in tasks:
        client.lpush("t:d", json.dumps(task))


def numbers(path: Path) -> list[int]:
    return sorted(map(int, lines(path)))


def waiting(client: Any) -> list[int]:
    """The tasks in the queue, the next one first."""
    return [json.loads(entry)["n"] for entry in reversed(client.lrange("t:d", 0, -1))]


def test_serves_and_drains(server: Server, tmp_path: Path) -> None:
    push(server.client, *({"n": n} for n in range(100)))
    with Supervisor(tmp_path, APP, "--redis", server.url) as supervisor:
        eventually(lambda: len(lines(tmp_path / "done")) == 100)
        assert supervisor.stop() == 0
        assert not supervisor.tree()
    assert numbers(tmp_path / "done") == list(range(100))
    assert server.client.keys() == [b"woodenwaiter:queues"]


def test_killed_worker_is_replaced_and_only_its_task_runs_again(
    server: Server, tmp_path: Path
) -> None:
    push(server.client, {"n": 0, "kill": signal.SIGKILL}, *({"n": n} for n in range(1, 200)))
    app = APP.replace("processes=2", "max_deliveries=2")
    with Supervisor(tmp_path, app, "--redis", server.url) as supervisor:
        eventually(lambda: len(lines(tmp_path / "done")) == 199)
        eventually(lambda: server.client.xlen("{t:d}:dead"))
        assert "died of signal 9 (SIGKILL)" in supervisor.log
        assert supervisor.stop() == 0
    assert numbers(tmp_path / "begun") == [0, *range(200)]


def test_drain_gives_the_rest_back_in_order(server: Server, tmp_path: Path) -> None:
    push(
        server.client, {"n": 0, "sleep": 30}, {"n": 1, "sleep": 30}, *({"n": n} for n in (2, 3, 4))
    )
    with Supervisor(tmp_path, APP, "--redis", server.url) as supervisor:
        eventually(lambda: numbers(tmp_path / "begun") == [0, 1])
        supervisor.signal(signal.SIGTERM)
        supervisor.logged("draining")
        (tmp_path / "go-0").touch()
        (tmp_path / "go-1").touch()
        assert supervisor.wait() == 0
    assert numbers(tmp_path / "done") == [0, 1]
    assert waiting(server.client) == [2, 3, 4]
    with Supervisor(tmp_path, APP, "--redis", server.url) as supervisor:
        eventually(lambda: numbers(tmp_path / "done") == [0, 1, 2, 3, 4])
        assert supervisor.stop() == 0


def test_drain_that_takes_too_long_kills_without_charge(server: Server, tmp_path: Path) -> None:
    push(server.client, {"n": 0, "sleep": 300}, {"n": 1, "sleep": 300}, {"n": 2})
    options = ("--redis", server.url, "--drain-seconds", "0.2")
    with Supervisor(tmp_path, APP, *options) as supervisor:
        eventually(lambda: numbers(tmp_path / "begun") == [0, 1])
        assert supervisor.stop() == 1
    assert sorted(waiting(server.client)) == [0, 1, 2]
    assert waiting(server.client)[-1] == 2


@pytest.mark.parametrize(
    ("first", "second", "code"),
    [(signal.SIGINT, signal.SIGINT, 130), (signal.SIGTERM, signal.SIGQUIT, 131)],
)
def test_quick_stop(server: Server, tmp_path: Path, first: int, second: int, code: int) -> None:
    push(server.client, {"n": 0, "sleep": 300}, {"n": 1})
    app = APP.replace("processes=2", "processes=1")
    with Supervisor(tmp_path, app, "--redis", server.url) as supervisor:
        eventually(lambda: lines(tmp_path / "begun"))
        supervisor.signal(first)
        supervisor.logged("draining")

        assert supervisor.wait_with(second) == code
        assert not supervisor.tree()
    assert waiting(server.client) == [0, 1]


def test_termination_again_and_again_drains(server: Server, tmp_path: Path) -> None:
    with Supervisor(tmp_path, APP, "--redis", server.url).ready(2) as supervisor:
        assert supervisor.wait_with(signal.SIGTERM) == 0


def test_interrupt_that_comes_twice_at_once_drains(server: Server, tmp_path: Path) -> None:
    """As from Ctrl-C, when whoever started the program passes it on."""
    push(server.client, {"n": 0, "sleep": 300})
    with Supervisor(tmp_path, APP, "--redis", server.url) as supervisor:
        eventually(lambda: lines(tmp_path / "begun"))
        for _ in range(10):
            supervisor.signal(signal.SIGINT)
            time.sleep(0.001)  # or they are one
        supervisor.logged("draining")
        supervisor.signal(signal.SIGUSR1)
        supervisor.logged("is here")  # it has heard all of them, and goes on
        (tmp_path / "go-0").touch()
        assert supervisor.wait() == 0
    assert lines(tmp_path / "done") == ["0"]


def test_termination_of_the_whole_group_drains(server: Server, tmp_path: Path) -> None:
    """As systemd does it."""
    push(server.client, {"n": 0, "sleep": 300})
    with Supervisor(tmp_path, APP, "--redis", server.url).ready(1) as supervisor:
        eventually(lambda: lines(tmp_path / "begun"))
        os.killpg(supervisor.pid, signal.SIGTERM)
        supervisor.logged("draining")
        (tmp_path / "go-0").touch()
        assert supervisor.wait() == 0
        assert "ERROR" not in supervisor.log
    assert lines(tmp_path / "done") == ["0"]


def test_no_task_waits_behind_a_slow_one(server: Server, tmp_path: Path) -> None:
    push(server.client, *({"n": n} for n in range(500)))
    push(server.client, {"n": 500, "sleep": 300}, *({"n": n} for n in range(501, 1000)))
    with Supervisor(tmp_path, APP, "--redis", server.url) as supervisor:
        eventually(lambda: len(lines(tmp_path / "done")) == 999)
        (tmp_path / "go-500").touch()
        assert supervisor.stop() == 0
    assert numbers(tmp_path / "begun") == list(range(1000))


def test_what_ran_before_a_slow_task_is_settled_meanwhile(server: Server, tmp_path: Path) -> None:
    push(server.client, *({"n": n} for n in range(10)), {"n": 10, "sleep": 300})
    app = APP.replace("processes=2", "processes=1")
    with Supervisor(tmp_path, app, "--redis", server.url) as supervisor:
        eventually(lambda: server.client.hvals("{t:d}:settled") == [b"10"])
        assert numbers(tmp_path / "begun") == list(range(11))
        supervisor.signal(signal.SIGQUIT)
        supervisor.wait()


def test_worker_shares_what_it_claimed_when_tasks_become_slower(
    server: Server, tmp_path: Path
) -> None:
    app = APP.replace("processes=2", "processes=1").replace(
        '"done", foods["n"]', '"by", os.getpid()'
    )
    push(server.client, *({"n": n} for n in range(1000)))
    with Supervisor(tmp_path, app, "--redis", server.url) as first:
        eventually(lambda: len(lines(tmp_path / "by")) == 1000)
        many = [json.dumps({"n": n, "sleep": 0.03}) for n in range(200)]
        server.client.lpush("t:d", *many)
        with Supervisor(tmp_path, app, "--redis", server.url) as second:
            eventually(lambda: len(set(lines(tmp_path / "by"))) == 2, "the other runs some, too")
            assert (first.stop(), second.stop()) == (0, 0)


def test_workers_outlive_their_supervisor_for_one_task(server: Server, tmp_path: Path) -> None:
    push(server.client, {"n": 0, "sleep": 300}, {"n": 1, "sleep": 300}, {"n": 2})
    options = ("--redis", server.url, "--lease-seconds", "1")
    with Supervisor(tmp_path, APP, *options) as supervisor:
        eventually(lambda: numbers(tmp_path / "begun") == [0, 1])
        family = supervisor.tree()
        supervisor.signal(signal.SIGKILL)
        supervisor.wait()
        supervisor.logged("the supervisor is gone")
        (tmp_path / "go-0").touch()
        (tmp_path / "go-1").touch()
        psutil.wait_procs(family, timeout=20)
        assert not any(process.is_running() for process in family)
    assert numbers(tmp_path / "begun") == [0, 1]
    assert waiting(server.client) == [2]
    assert not server.client.exists("{t:d}:settled")


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


@pytest.mark.parametrize("more", ["", GONE_WHEN_KILLED], ids=["", "gone when killed"])
def test_hung_worker_does_not_outlive_its_supervisor_for_long(
    server: Server, tmp_path: Path, more: str
) -> None:
    push(server.client, {"n": 0, "sleep": 300})
    options = ("--redis", server.url, "--drain-seconds", "0.5")
    with Supervisor(tmp_path, APP + more, *options) as supervisor:
        eventually(lambda: lines(tmp_path / "begun"))
        family = supervisor.tree()
        supervisor.signal(signal.SIGKILL)
        assert not psutil.wait_procs(family, timeout=20)[1]
        assert "Traceback" not in supervisor.log
    assert waiting(server.client) == [0]
    assert not server.client.exists("{t:d}:settled")


def test_another_host_takes_over_when_a_host_dies(server: Server, tmp_path: Path) -> None:
    push(server.client, {"n": 0, "sleep": 300}, *({"n": n} for n in range(1, 5)))
    options = ("--redis", server.url, "--lease-seconds", "1")
    app = APP.replace("processes=2", "processes=1")
    with Supervisor(tmp_path, app, *options) as supervisor:
        eventually(lambda: lines(tmp_path / "begun"))
        kill_all(supervisor)
    (tmp_path / "go-0").touch()
    with Supervisor(tmp_path, app, *options) as supervisor:
        eventually(lambda: numbers(tmp_path / "done") == [0, 1, 2, 3, 4])
        assert "the lease of its worker ran out" in supervisor.log
        assert supervisor.stop() == 0
    assert numbers(tmp_path / "begun") == [0, 0, 1, 2, 3, 4]


def kill_all(supervisor: Supervisor) -> None:
    """A host's death: everything at once."""
    family = [psutil.Process(supervisor.pid), *supervisor.tree()]
    for process in family:
        process.suspend()
    for process in family:
        process.kill()
    supervisor.wait()


def test_task_that_takes_its_host_down_is_buried_and_its_neighbours_are_not(
    server: Server, tmp_path: Path
) -> None:
    push(server.client, *({"n": n} for n in range(8)))
    app = APP.replace("processes=2", "max_deliveries=3").replace(
        'note("done", foods["n"])',
        'note("done", foods["n"])\n        time.sleep(300 if foods["n"] == 5 else 0)',
    )
    options = ("--redis", server.url, "--lease-seconds", "1")
    for deaths in range(1, 20):
        with Supervisor(tmp_path, app, *options) as supervisor:
            eventually(
                lambda n=deaths: (
                    lines(tmp_path / "done").count("5") == n  # type: ignore[misc]
                    or server.client.xlen("{t:d}:dead")
                )
            )
            if server.client.xlen("{t:d}:dead"):
                eventually(lambda: set(numbers(tmp_path / "done")) == set(range(8)))
                break
            kill_all(supervisor)
    [(_, letter)] = server.client.xrange("{t:d}:dead")
    assert json.loads(letter[b"payload"]) == {"n": 5}
    assert letter[b"deliveries"] == b"3"


def test_redis_goes_away_and_comes_back(make_server: Callable[..., Server], tmp_path: Path) -> None:
    server = make_server()
    push(server.client, *({"n": n, "sleep": 0.01} for n in range(300)))
    with Supervisor(tmp_path, APP, "--redis", server.url) as supervisor:
        eventually(lambda: len(lines(tmp_path / "done")) > 50)
        family = supervisor.tree()
        server.kill()
        supervisor.logged("trying again")
        server.start()
        eventually(lambda: len(lines(tmp_path / "done")) == 300)
        supervisor.logged("works again")
        assert supervisor.tree() == family
        assert supervisor.log.count("trying again") == 1
        assert supervisor.stop() == 0
    assert numbers(tmp_path / "done") == list(range(300))


def test_housekeeper_is_replaced(server: Server, tmp_path: Path) -> None:
    with Supervisor(tmp_path, APP, "--redis", server.url).ready(2) as supervisor:
        first = supervisor.housekeeper()
        first.kill()
        eventually(lambda: not first.is_running() and supervisor.housekeeper())
        push(server.client, {"n": 0, "kill": signal.SIGKILL})
        eventually(lambda: server.client.zcard("{t:d}:delayed"))
        assert supervisor.stop() == 0


def test_more_and_fewer_workers(server: Server, tmp_path: Path) -> None:
    with Supervisor(tmp_path, APP, "--redis", server.url).ready(2) as supervisor:
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
def test_signals_and_deaths_leave_as_many_workers_as_told(
    server: Server, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    kinds = (
        signal.SIGTTIN,
        signal.SIGTTOU,
        signal.SIGTSTP,
        signal.SIGCONT,
        signal.SIGUSR1,
    )
    app = APP.replace("processes=2", "processes=2, max_tasks=3") + DAWDLE
    with Supervisor(tmp_path, app, "--redis", server.url).ready(2) as supervisor:
        for n in range(100):
            push(server.client, {"n": n})
            supervisor.signal(chance.choice(kinds))
            family = supervisor.tree()
            if family and chance.random() < 0.1:
                with suppress(psutil.NoSuchProcess):
                    chance.choice(family).kill()
            time.sleep(chance.uniform(0, 0.03))  # waits for nothing: it spreads them

        def is_done() -> bool:
            # Again and again: Python may take it before a TSTP that was sent earlier.
            supervisor.signal(signal.SIGCONT)
            return set(numbers(tmp_path / "done")) == set(range(100))

        eventually(is_done)
        told = int(re.findall(r"workers now: (\d+)", supervisor.log)[-1])
        eventually(lambda: len(supervisor.titled(" idle")) == len(supervisor.workers()) == told)
        assert supervisor.stop() == 0


def test_quiet_workers_finish_and_claim_nothing(server: Server, tmp_path: Path) -> None:
    push(server.client, {"n": 0, "sleep": 300})
    with Supervisor(tmp_path, APP, "--redis", server.url) as supervisor:
        eventually(lambda: lines(tmp_path / "begun"))
        supervisor.signal(signal.SIGTSTP)
        (tmp_path / "go-0").touch()
        eventually(lambda: len(supervisor.titled(" quiet")) == 2)
        push(server.client, {"n": 1})
        assert waiting(server.client) == [1]
        supervisor.signal(signal.SIGCONT)
        eventually(lambda: numbers(tmp_path / "done") == [0, 1])
        assert supervisor.stop() == 0


SHELL = """
import os, subprocess, sys
command = [sys.executable, "-m", "woodenwaiter.supervisor", "app", *sys.argv[1:]]
sys.exit(subprocess.Popen(command, preexec_fn=os.setpgrp).wait())
"""


def test_suspending_the_whole_group_stops_no_process(server: Server, tmp_path: Path) -> None:
    """As Ctrl-Z does it to a shell's job: the housekeeper goes on to renew leases."""
    (tmp_path / "app.py").write_text(textwrap.dedent(APP))
    with Program(tmp_path, "-c", SHELL, "--redis", server.url) as shell:
        eventually(lambda: len(shell.titled(" idle")) == 2)
        [job] = shell.titled("woodenwaiter: supervisor")
        os.killpg(job.pid, signal.SIGTSTP)
        eventually(lambda: len(shell.titled(" quiet")) == 2)
        assert psutil.STATUS_STOPPED not in [process.status() for process in shell.tree()]
        push(server.client, {"n": 0})
        os.killpg(job.pid, signal.SIGCONT)
        eventually(lambda: lines(tmp_path / "done") == ["0"])
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
        command = [sys.executable, "-m", "woodenwaiter.supervisor", "app", *sys.argv[1:]]
        os.execv(sys.executable, command)
    os.waitpid(pid, 0)
while True:
    os.write(1, os.read(terminal, 4096))
"""


def test_job_in_the_background_may_not_write_and_works(server: Server, tmp_path: Path) -> None:
    """With `stty tostop`."""
    (tmp_path / "app.py").write_text(textwrap.dedent(APP))
    push(server.client, {"n": 0})
    with Program(tmp_path, "-c", TERMINAL, "--redis", server.url):
        eventually(lambda: lines(tmp_path / "done") == ["0"])


def test_a_month_is_no_time(server: Server, tmp_path: Path) -> None:
    month = 30 * 86400
    app = APP.replace("processes=2", f"processes=2, seconds={month}, timeout={month}")
    options = ("--redis", server.url, "--drain-seconds", str(month))
    with Supervisor(tmp_path, app, *options).ready(2) as supervisor:
        push(server.client, {"n": 0, "sleep": 300})
        eventually(lambda: lines(tmp_path / "begun"))
        supervisor.signal(signal.SIGTERM)
        supervisor.logged("left with exit code 0")
        (tmp_path / "go-0").touch()
        assert supervisor.wait() == 0
        assert "ERROR" not in supervisor.log


def test_report_for_the_whole_group_kills_nobody(server: Server, tmp_path: Path) -> None:
    with Supervisor(tmp_path, APP, "--redis", server.url).ready(2) as supervisor:
        os.killpg(supervisor.pid, signal.SIGUSR1)
        eventually(lambda: supervisor.log.count("is here") >= 2)
        assert supervisor.stop() == 0
        assert "ERROR" not in supervisor.log


def test_idle_workers_have_time_to_leave_where_tasks_have_none(
    server: Server, tmp_path: Path
) -> None:
    options = ("--redis", server.url, "--drain-seconds", "0")
    with Supervisor(tmp_path, APP, *options).ready(2) as supervisor:
        assert supervisor.stop() == 0


LOGGING = """
    import logging, logging.config
    logging.config.dictConfig({"version": 1})
    logging.basicConfig(format="OWN %(message)s", level="INFO")
"""


def test_logging_of_the_application_neither_mutes_nor_doubles_ours(
    server: Server, tmp_path: Path
) -> None:
    with Supervisor(tmp_path, APP + LOGGING, "--redis", server.url).ready(2) as supervisor:
        assert supervisor.stop() == 0
        assert supervisor.log.count("drained in") == 1


def test_needs_no_folder_for_temporary_files(server: Server, tmp_path: Path) -> None:
    app = APP + "    import tempfile\n    tempfile.tempdir = '/nowhere'\n"
    with Supervisor(tmp_path, app, "--redis", server.url).ready(2) as supervisor:
        assert supervisor.stop() == 0


def test_report_tells_where_each_worker_is(server: Server, tmp_path: Path) -> None:
    push(server.client, {"n": 0, "sleep": 300})
    with Supervisor(tmp_path, APP, "--redis", server.url) as supervisor:
        eventually(lambda: lines(tmp_path / "begun"))
        supervisor.signal(signal.SIGUSR1)
        supervisor.logged("in handle")
        assert "runs claim" in supervisor.log
        supervisor.signal(signal.SIGQUIT)
        assert supervisor.wait() == 131


def test_titles_tell_what_workers_do(server: Server, tmp_path: Path) -> None:
    with Supervisor(tmp_path, APP, "--redis", server.url).ready(2) as supervisor:
        assert len(supervisor.titled("worker t:d #1 idle")) == 1
        push(server.client, {"n": 0, "sleep": 300})
        eventually(lambda: supervisor.titled("since"))
        supervisor.signal(signal.SIGQUIT)
        supervisor.wait()


def test_setup_and_teardown_run_in_each_worker(server: Server, tmp_path: Path) -> None:
    app = APP.replace(
        "processes=2",
        'processes=2, setup=lambda: note("setup", os.getpid()), '
        'teardown=lambda: note("teardown", os.getpid())',
    )
    with Supervisor(tmp_path, app, "--redis", server.url).ready(2) as supervisor:
        pids = sorted(process.pid for process in supervisor.workers())
        assert supervisor.stop() == 0
    assert numbers(tmp_path / "setup") == numbers(tmp_path / "teardown") == pids


def test_worker_that_cannot_start_is_retried_ever_more_slowly(
    server: Server, tmp_path: Path
) -> None:
    app = APP.replace("processes=2", "setup=lambda: 1 / 0")
    with Supervisor(tmp_path, app, "--redis", server.url) as supervisor:
        eventually(lambda: supervisor.log.count("left with exit code 70") == 4)
        assert "ZeroDivisionError" in supervisor.log
        assert supervisor.stop() == 0


def test_threads_of_the_application_are_named(server: Server, tmp_path: Path) -> None:
    app = (
        APP
        + """
    import threading
    threading.Thread(target=time.sleep, args=(300,), name="left behind", daemon=True).start()
    """
    )
    with Supervisor(tmp_path, app, "--redis", server.url) as supervisor:
        supervisor.logged("the thread 'left behind'")


def test_json_log(server: Server, tmp_path: Path) -> None:
    push(server.client, {"n": "no number", "sleep": "no number either"})
    options = ("--redis", server.url, "--log-format", "json")
    with Supervisor(tmp_path, APP, *options) as supervisor:
        supervisor.logged("TypeError")
        assert supervisor.stop() == 0
        records = [json.loads(line) for line in supervisor.log.splitlines()]
    assert {"time", "level", "pid", "role", "message"} <= records[0].keys()
    assert any("Traceback" in record.get("traceback", "") for record in records)
