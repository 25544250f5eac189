"""Workers that follow the load: from none to as many as there may be, and back."""

from __future__ import annotations

import itertools
import os
import signal
import statistics
import time
from collections.abc import Callable
from typing import Any

import pytest

from woodenwaiter.errors import EXIT_SETUP, EXIT_USAGE
from woodenwaiter.processes.tree import is_alive

from ..application import Application, Code, Supervisor, customer, kill_all
from ..support import Server, eventually

HASTE = "from woodenwaiter import pace; pace.LINGER, pace.LINGER_LOOK = 0.5, 0.1"
"""Idle workers leave soon."""

NOTE_TIMES = """
    note("begun", foods["n"])
    note("at", time.time())
"""


def bell(client: Any, queue: str = "t:d") -> list[dict[str, Any]]:
    """The connections on which somebody waits in the housekeeper's name."""
    return [
        each
        for each in client.client_list()
        if ":housekeeper" in each["name"] and each["cmd"] == "blmove"
    ]


def is_at_nothing(app: Application, supervisor: Supervisor) -> None:
    """Wait until no worker is there, and a push will be heard."""
    eventually(lambda: bell(app.client), "a doorbell")
    eventually(lambda: not supervisor.workers(), "no worker")


def test_dish_at_nothing_is_served_at_once(app: Application) -> None:
    app.write(text=HASTE, handler=NOTE_TIMES, processes=(0, 2))
    supervisor = app.serve()
    waited = []
    for n in range(5):
        is_at_nothing(app, supervisor)
        pushed = time.time()
        app.push({"n": n})
        eventually(lambda n=n: len(app.noted("at")) > n, "the task")  # type: ignore[misc]
        waited.append(float(app.noted("at")[-1]) - pushed)
    assert min(waited) < 0.1, waited
    assert statistics.median(waited) < 0.3, waited  # of a machine that is busy
    assert supervisor.stop() == 0


def test_what_was_pushed_before_the_start_is_served(app: Application) -> None:
    app.write(processes=(0, 2))
    app.push({"n": 0}, {"n": 1})
    app.client.lmove("t:d", "{t:d}:arrivals", "RIGHT", "LEFT")  # as a doorbell does
    app.serve()
    eventually(lambda: app.done == [0, 1])


def test_arrival_that_a_dead_supervisor_left_is_served(app: Application) -> None:
    app.write(processes=(0, 2))
    app.push({"n": 0})
    app.client.lmove("t:d", "{t:d}:arrivals", "RIGHT", "LEFT")
    app.serve()
    eventually(lambda: app.done == [0])


def test_queue_gets_more_as_long_as_its_tasks_wait_and_no_more_than_it_may(
    app: Application,
) -> None:
    app.write(text=HASTE, processes=(1, 3))
    supervisor = app.serve().ready(1)
    app.push(*({"n": n, "sleep": 60} for n in range(5)))
    eventually(lambda: len(app.begun) == 3, "three workers")
    time.sleep(1)
    assert len(supervisor.workers()) == 3
    app.let_go(*range(5))
    eventually(lambda: len(app.done) == 5)
    eventually(lambda: len(supervisor.workers()) == 1, "the least")
    assert supervisor.stop() == 0


def test_housekeeper_that_dies_hangs_the_doorbell_again(app: Application) -> None:
    app.write(processes=(0, 1))
    supervisor = app.serve()
    is_at_nothing(app, supervisor)
    old = supervisor.housekeeper()
    old.kill()
    app.push({"n": 0})
    eventually(lambda: app.done == [0])
    assert supervisor.housekeeper() != old


def test_redis_that_goes_and_comes_finds_the_doorbell_hung_again(
    app: Application, make_server: Callable[..., Server]
) -> None:
    server = make_server()
    app = app.at(server)
    app.write(processes=(0, 1))
    supervisor = app.serve()
    is_at_nothing(app, supervisor)
    server.stop()
    supervisor.logged("trying again until it works")
    server.start()
    app.push({"n": 0})
    eventually(lambda: app.done == [0])
    assert supervisor.stop() == 0


def test_doorbell_whose_connection_is_cut_is_hung_again(app: Application) -> None:
    app.write(processes=(0, 1))
    supervisor = app.serve()
    for n in range(2):
        is_at_nothing(app, supervisor)
        [connection] = bell(app.client)
        app.client.client_kill_filter(_id=connection["id"])
        eventually(lambda c=connection: bell(app.client) and bell(app.client)[0]["id"] != c["id"])  # type: ignore[misc]
        assert n == 0 or not supervisor.workers()
    app.push({"n": 0})
    eventually(lambda: app.done == [0])
    assert "trying again" not in supervisor.log


def test_where_nobody_may_wait_a_dish_at_nothing_is_looked_at(
    app: Application, make_server: Callable[..., Server]
) -> None:
    server = make_server()
    server.client.acl_setuser(
        "default", enabled=True, nopass=True, keys=["*"], commands=["+@all", "-blmove"]
    )
    app = app.at(server)
    app.write(processes=(0, 1))
    supervisor = app.serve()
    supervisor.logged("may not wait for tasks")
    app.push({"n": 0})
    eventually(lambda: app.done == [0])


@pytest.mark.parametrize("cpus", [1, 2])
def test_budget_is_kept_and_all_are_served(app: Application, cpus: int) -> None:
    handler = """
        note("log", f"{time.monotonic()} +1")
        time.sleep(0.05)
        note("log", f"{time.monotonic()} -1")
        note("done", foods["n"])
    """
    names = [f"t:{c}" for c in "abcd"]
    text = "from woodenwaiter import pace; pace.SLICE = 0.5"
    app.write(*[customer(name, processes=(0, 4)) for name in names], text=text, handler=handler)
    for number, name in enumerate(names):
        app.client.lpush(name, *[f'{{"n": {100 * number + n}}}' for n in range(20)])
    supervisor = app.serve("--cpus", str(cpus))
    eventually(lambda: len(app.done) == 80, "all tasks", 60)
    steps = sorted(line.split() for line in app.noted("log"))
    assert max(itertools.accumulate(int(step) for _, step in steps)) <= cpus
    assert supervisor.stop() == 0


def test_budget_interrupts_no_task_and_waits_for_its_end(app: Application) -> None:
    app.write(customer(processes=(0, 2)), customer("t:e", processes=(0, 2)))
    app.push({"n": 0, "sleep": 60}, {"n": 1, "sleep": 60}, {"n": 2})
    supervisor = app.serve("--cpus", "2")
    eventually(lambda: app.begun == [0, 1])
    app.client.lpush("t:e", '{"n": 10, "sleep": 60}')
    time.sleep(1)
    assert app.begun == [0, 1]
    assert len(supervisor.workers()) == 2
    app.let_go(0, 1)
    eventually(lambda: {2, 10} < {*app.begun}, "both go on")
    assert app.done[:2] == [0, 1]
    app.let_go(10)
    assert supervisor.stop() == 0


def test_idle_workers_leave_for_another_queues_sake(app: Application) -> None:
    app.write(customer(processes=(0, 2)), customer("t:e", processes=(0, 2)))
    supervisor = app.serve("--cpus", "2")
    app.push({"n": 0, "sleep": 60}, {"n": 1, "sleep": 60})
    eventually(lambda: app.begun == [0, 1])
    app.let_go(0, 1)
    supervisor.ready(2)
    app.client.lpush("t:e", '{"n": 2, "sleep": 60}', '{"n": 3, "sleep": 60}')
    eventually(lambda: app.begun == [0, 1, 2, 3], "the others", 5)
    app.let_go(2, 3)
    assert supervisor.stop() == 0


def test_quiet_supervisor_starts_nobody(app: Application) -> None:
    app.write(processes=(0, 1))
    supervisor = app.serve()
    is_at_nothing(app, supervisor)
    supervisor.signal(signal.SIGTSTP)
    eventually(lambda: not bell(app.client), "the doorbell is taken down")
    app.push({"n": 0})
    time.sleep(0.5)
    assert supervisor.workers() == []
    supervisor.signal(signal.SIGCONT)
    eventually(lambda: app.done == [0])


def test_signals_change_what_a_queue_may_have(app: Application) -> None:
    app.write(processes=(0, 1))
    supervisor = app.serve()
    app.push(*({"n": n, "sleep": 60} for n in range(4)))
    eventually(lambda: len(app.begun) == 1)
    supervisor.signal(signal.SIGTTIN)
    eventually(lambda: len(app.begun) == 2)
    supervisor.signal(signal.SIGUSR1)
    supervisor.logged("t:d has 2 workers, of 0 to 2")
    supervisor.signal(signal.SIGTTOU)
    supervisor.logged("workers now: 1")
    app.let_go(*range(4))
    eventually(lambda: len(app.done) == 4)
    assert supervisor.stop() == 0


def test_drain_at_nothing_ends_at_once_and_leaves_what_comes(app: Application) -> None:
    app.write(processes=(0, 1))
    supervisor = app.serve()
    is_at_nothing(app, supervisor)
    supervisor.signal(signal.SIGTERM)
    app.push({"n": 0})
    assert supervisor.wait(5) == 0
    assert app.waiting() == [0] or app.done == [0] or app.client.llen("{t:d}:arrivals") == 1


def test_what_the_doorbell_moved_for_a_supervisor_that_died_is_served(app: Application) -> None:
    app.write(processes=(0, 1))
    supervisor = app.serve()
    is_at_nothing(app, supervisor)
    os.kill(supervisor.pid, signal.SIGSTOP)
    app.push({"n": 0})
    eventually(lambda: not bell(app.client), "the doorbell has rung")
    kill_all(supervisor)
    assert not any(map(is_alive, supervisor.tree()))
    app.serve()
    eventually(lambda: app.done == [0])


def test_other_hosts_worker_gets_what_the_doorbell_of_a_stuck_supervisor_moved(
    app: Application,
) -> None:
    app.write(processes=(0, 1))
    stuck = app.serve()
    is_at_nothing(app, stuck)
    os.kill(stuck.pid, signal.SIGSTOP)
    app.write(processes=1)
    app.serve().ready(1)
    app.push({"n": 0})
    eventually(lambda: app.done == [0], "the task", 10)
    os.kill(stuck.pid, signal.SIGCONT)


def test_worker_that_keeps_dying_is_replaced_ever_later(app: Application) -> None:
    then = "os.kill(os.getpid(), signal.SIGKILL)"
    app.write(
        text=HASTE, then=then, processes=(0, 1), max_deliveries=50, backoff=Code("Backoff(0, 0)")
    )
    app.push({"n": 0})
    app.serve("--cpus", "2")
    eventually(lambda: len(app.begun) >= 4)
    time.sleep(3)
    assert len(app.begun) <= 9


def test_worker_that_keeps_dying_takes_no_place_of_others(app: Application) -> None:
    handler = """
        note("begun", foods["n"])
        if foods["n"] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        note("done", foods["n"])
    """
    app.write(
        customer(processes=(0, 1), max_deliveries=50, backoff=Code("Backoff(0, 0)")),
        customer("t:e", processes=(0, 1)),
        handler=handler,
    )
    app.push({"n": 0})
    app.serve("--cpus", "1")
    eventually(lambda: len(app.begun) >= 6)
    app.client.lpush("t:e", '{"n": 1}')
    eventually(lambda: app.done == [1], "the other queue's task", 5)


def test_fixed_numbers_ask_for_nothing_more(
    app: Application, make_server: Callable[..., Server]
) -> None:
    server = make_server()
    app = app.at(server)
    app.write(processes=1)
    app.push({"n": 0, "sleep": 60}, {"n": 1})
    app.serve()
    eventually(lambda: app.begun == [0])

    def counts() -> int:
        """Beyond those of the housekeeper's visits, which have an EXISTS as well."""
        stats = server.client.info("commandstats")
        llen, exists = (stats.get(f"cmdstat_{name}", {"calls": 0}) for name in ("llen", "exists"))
        return int(llen["calls"] - exists["calls"])

    def stands_still() -> bool:
        """Scripts count as well, at the beginning."""
        before = counts()
        time.sleep(1)
        return counts() == before

    eventually(stands_still, "a second without a count")
    app.let_go(0)


def test_new_code_starts_from_the_least(app: Application) -> None:
    app.write(processes=(0, 1))
    supervisor = app.serve()
    app.push({"n": 0})
    eventually(lambda: app.done == [0])
    supervisor.signal(signal.SIGHUP)
    supervisor.logged("starting anew")
    app.push({"n": 1})
    eventually(lambda: app.done == [0, 1])
    assert supervisor.stop() == 0


def test_retry_that_is_due_finds_a_worker(app: Application) -> None:
    then = "if delivery().number == 1: raise Retry(after=5)"
    app.write(text=HASTE, then=then, processes=(0, 1))
    app.push({"n": 0})
    supervisor = app.serve()
    eventually(lambda: app.begun == [0])
    is_at_nothing(app, supervisor)
    assert app.done == []
    eventually(lambda: app.done == [0])


def test_budget_that_is_too_small_is_refused(app: Application) -> None:
    app.write(processes=3)
    supervisor = app.serve("--cpus", "2")
    assert supervisor.wait() == EXIT_USAGE
    assert "processes=(0, 2)" in supervisor.log


def test_two_customers_of_one_queue_share_its_load(app: Application) -> None:
    app.write(customer(processes=1), customer(processes=(0, 2)))
    supervisor = app.serve().ready(1)
    assert len(supervisor.workers()) == 1
    app.push(*({"n": n, "sleep": 60} for n in range(3)))
    eventually(lambda: len(app.begun) == 3)
    app.let_go(*range(3))
    assert supervisor.stop() == 0


def test_relief_goes_on(app: Application) -> None:
    app.write(processes=(0, 1), max_tasks=2)
    app.push(*({"n": n} for n in range(10)))
    supervisor = app.serve("--cpus", "1")
    eventually(lambda: len(app.done) == 10)
    assert len(supervisor.workers()) <= 2
    assert supervisor.stop() == 0


def test_setup_that_fails_in_a_queue_at_nothing_ends_it_in_time(app: Application) -> None:
    app.write(text="def setup(): raise ValueError", processes=(0, 1), setup=Code("setup"))
    supervisor = app.serve("--setup-wait", "2")
    is_at_nothing(app, supervisor)
    app.push({"n": 0})
    assert supervisor.wait() == EXIT_SETUP
    assert app.client.llen("t:d") + app.client.llen("{t:d}:arrivals") == 1


def test_application_that_only_workers_import_follows_the_load(app: Application) -> None:
    app.write(customer(processes=(0, 2)), customer("t:e", processes=(0, 1), share=2.0))
    supervisor = app.serve("--import-in", "worker", "--cpus", "2")
    is_at_nothing(app, supervisor)
    app.push({"n": 0})
    app.client.lpush("t:e", '{"n": 1}')
    eventually(lambda: app.done == [0, 1])
    assert supervisor.stop() == 0
