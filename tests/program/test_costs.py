"""What tasks cost, and who is told of it."""

from __future__ import annotations

import os
import re
import signal

import pytest

from ..application import Application, Supervisor
from ..support import eventually

BURN = """
    def burn(seconds):
        until = time.process_time() + seconds
        while time.process_time() < until:
            pass
"""


def spent(supervisor: Supervisor, queue: str = "t:d") -> tuple[float, float]:
    """What a queue has cost so far, by the report: seconds in tasks, and of CPU."""
    pattern = rf"queue {queue}: ([\d.]+) s in tasks, ([\d.]+) s of CPU"
    before = len(re.findall(pattern, supervisor.log))
    supervisor.signal(signal.SIGUSR1)
    found = eventually(lambda: re.findall(pattern, supervisor.log)[before:], "a report")
    return float(found[-1][0]), float(found[-1][1])


def test_slow_task_is_told_of_with_what_it_cost(app: Application) -> None:
    app.write(text=BURN, then='burn(0.3); time.sleep(0.4); b"x" * 200_000_000', processes=1)
    app.push({"n": 0})
    supervisor = app.serve("--slow", "0.5")
    line = supervisor.logged(" of t:d took ")
    assert "WARNING" in line
    found = re.search(r"task \S+/1 of t:d took ([\d.]+) s, ([\d.]+) s of CPU, \+(\d+) MiB$", line)
    assert found
    assert float(found[1]) >= 0.7
    assert float(found[2]) >= 0.3
    assert 180 <= int(found[3]) <= 220
    assert supervisor.stop() == 0


def test_slow_task_that_fails_is_told_of_as_well(app: Application) -> None:
    app.write(then='raise Reject("no")', processes=1)
    app.push({"n": 0, "sleep": 0.5})
    supervisor = app.serve(WOODENWAITER_SLOW="0.5")
    supervisor.logged(" of t:d took 0.")
    assert supervisor.stop() == 0


@pytest.mark.parametrize("options", [(), ("--slow", "60")])
def test_others_are_not_told_of(app: Application, options: tuple[str, ...]) -> None:
    app.push({"n": 0, "sleep": 0.2}, {"n": 1})
    supervisor = app.serve(*options)
    eventually(lambda: len(app.done) == 2)
    assert supervisor.stop() == 0
    assert " took " not in supervisor.log


def test_handler_asks_what_its_task_has_cost(app: Application) -> None:
    handler = """
        if foods["n"] == 0:
            burn(0.5)
            note("begun", 0)
            return
        before = delivery().cost()
        burn(0.2)
        import subprocess
        subprocess.run([sys.executable, "-c", "for _ in range(10**7): pass"])
        cost = delivery().cost()
        note("cost", before.cpu_seconds < 0.2)
        note("cost", 0.2 < cost.cpu_seconds)
        note("cost", before.seconds < cost.seconds and cost.cpu_seconds < cost.seconds + 0.1)
        note("cost", cost.memory >= 0)
        import resource
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        note("cost", cost.cpu_seconds >= 0.2 + children.ru_utime > 0.2)
    """
    app.write(text=BURN, handler=handler, processes=1)
    app.push({"n": 0}, {"n": 1})
    supervisor = app.serve()
    eventually(lambda: len(app.noted("cost")) == 5)
    assert supervisor.stop() == 0
    assert app.noted("cost") == ["True"] * 5


def test_report_tells_what_each_queue_has_cost(app: Application) -> None:
    app.write(
        'WoodenCustomer("t", "d", WoodenWaiter(), lambda foods: (burn(0.4), note("done", 0)))',
        'WoodenCustomer("t", "idle", WoodenWaiter(), handle)',
        text=BURN,
    )
    app.push({"n": 0}, {"n": 1})
    supervisor = app.serve()
    eventually(lambda: len(app.done) == 2)
    busy, cpu = eventually(lambda: s if (s := spent(supervisor))[1] >= 0.8 else None)
    assert 0.8 <= busy < 20
    assert cpu >= 0.8
    assert spent(supervisor, "t:idle") == (0.0, 0.0)
    assert supervisor.stop() == 0


def test_cost_survives_the_kill_of_a_worker(app: Application) -> None:
    """What it had counted, and what it had not: the task that it ran."""
    app.push({"n": 0, "burn": 0.5, "hang": 0}, {"n": 1, "burn": 0.5, "hang": 300})
    app.write(
        text=BURN,
        then='burn(foods["burn"]); note("burnt", os.getpid()); time.sleep(foods["hang"])',
        processes=1,
        max_deliveries=1,
    )
    supervisor = app.serve()
    pids = eventually(lambda: p if len(p := app.noted("burnt")) == 2 else None)
    busy, cpu = spent(supervisor)
    assert busy >= 0.5
    assert cpu >= 0.5
    os.kill(int(pids[1]), signal.SIGKILL)
    eventually(app.letters)  # its row is free, or about to be
    busy, cpu = spent(supervisor)
    assert 1.0 <= busy < 60
    assert cpu >= 1.0
    app.push({"n": 2, "burn": 0.5, "hang": 0})
    eventually(lambda: 2 in app.done)
    busy, cpu = eventually(lambda: s if (s := spent(supervisor))[0] >= 1.5 else None)
    assert cpu >= 1.5
    assert supervisor.stop() == 0
