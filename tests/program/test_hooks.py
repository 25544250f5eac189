"""Hooks hear of what fails, is buried and dies, and harm nobody."""

from __future__ import annotations

import json
import os
import signal
import time
from typing import Any

import pytest

from woodenwaiter import pace
from woodenwaiter.protocol.entry import LONGEST_HEADER

from ..application import Application, Code, Supervisor
from ..support import eventually
from .test_deployment import BLOCKS

HEAR = """
import json, subprocess

def heard(name):
    def hear(mishap):
        told = {
            name: getattr(mishap, name)
            for name in (
                "queue", "cause", "worker_pid", "task", "delivery", "dead", "foods", "error",
                "error_type", "traceback",
            )
        }
        told |= {"name": name, "pid": os.getpid(), "exception": repr(mishap.exception)}
        note("heard", json.dumps(told))
        DOES
    return hear

def swallow():
    while True:
        try:
            time.sleep(300)
        except BaseException:
            pass
"""

ALL = "on_failure=heard('failure'), on_dead=heard('dead'), on_worker_death=heard('death')"

AT_ONCE = "Backoff(0.01, 0.01)"

FAILING = """
note("begun", foods["n"])
if foods.get("kill"):
    os.kill(os.getpid(), foods["kill"])
if foods.get("left"):
    os._exit(0)
if foods.get("fails"):
    raise ValueError("no such colour")
if foods.get("rejected"):
    raise Reject("no")
note("done", foods["n"])
"""


def write(app: Application, does: str = "pass", hooks: str = ALL, **policy: Any) -> None:
    policy = {"processes": 1, "max_deliveries": 1, **policy}
    app.write(text=HEAR.replace("DOES", does), handler=FAILING, hooks=hooks, **policy)


def heard(app: Application, name: str = "") -> list[dict[str, Any]]:
    told = [json.loads(line) for line in app.noted("heard")]
    return [each for each in told if name in ("", each["name"])]


def test_what_a_handler_raises_is_heard_in_its_worker(app: Application) -> None:
    write(app, max_deliveries=2)
    app.push({"n": 1, "fails": True})
    supervisor = app.serve().ready()
    [worker] = supervisor.workers()
    eventually(lambda: heard(app, "dead"))
    assert [(each["name"], each["delivery"], each["dead"]) for each in heard(app)] == [
        ("failure", 1, False),
        ("failure", 2, True),
        ("dead", 2, True),
    ]
    [dead] = heard(app, "dead")
    assert dead["pid"] == dead["worker_pid"] == worker.pid
    assert (dead["queue"], dead["cause"]) == ("t:d", "the handler failed")
    assert dead["foods"] == {"n": 1, "fails": True}
    assert (dead["error"], dead["error_type"]) == ("ValueError: no such colour", "ValueError")
    assert dead["traceback"].startswith("Traceback (most recent call last):\n")
    assert dead["exception"] == "ValueError('no such colour')"
    [letter] = app.letters()
    assert letter[b"id"].decode() == dead["task"] == heard(app)[0]["task"]
    assert supervisor.stop() == 0


def test_what_is_rejected_is_heard_of(app: Application) -> None:
    write(app, max_deliveries=5)
    app.push({"n": 1, "rejected": True})
    app.serve()
    eventually(lambda: heard(app, "dead"))
    assert [each["cause"] for each in heard(app)] == ["rejected", "rejected"]


@pytest.mark.parametrize("importer", ["supervisor", "worker"])
@pytest.mark.parametrize(
    ("how", "why"),
    [({"kill": 9}, "died of signal 9 (SIGKILL)"), ({"left": True}, "left with exit code 0")],
    ids=["killed", "left"],
)
def test_task_that_kills_its_worker_is_heard_of_elsewhere(
    app: Application, importer: str, how: dict[str, Any], why: str
) -> None:
    write(app)
    supervisor = app.serve("--import-in", importer).ready()
    [worker] = supervisor.workers()
    app.push({"n": 1, **how})
    eventually(lambda: len(heard(app)) == 3)
    assert [each["name"] for each in heard(app)] == ["failure", "dead", "death"]
    failure, _, death = heard(app)
    assert failure["cause"] == f"its worker (pid {worker.pid}) {why}"
    assert failure["foods"] == {"n": 1, **how}
    assert (death["cause"], death["task"]) == (f"it {why}", "")
    assert {each["worker_pid"] for each in heard(app)} == {worker.pid}
    others = {supervisor.pid, worker.pid, supervisor.housekeeper().pid}
    assert not others & {each["pid"] for each in heard(app)}
    assert supervisor.stop() == 0
    assert not supervisor.left_behind()


def test_task_that_is_killed_for_its_time_is_heard_of(app: Application) -> None:
    app.write(
        text=HEAR.replace("DOES", "pass"),
        handler="swallow()",
        hooks=ALL,
        processes=1,
        max_deliveries=1,
        timeout=0.1,
    )
    app.push({"n": 1})
    app.serve()
    eventually(lambda: len(heard(app)) == 3, seconds=pace.TIMEOUT_GRACE + 20)
    assert {each["cause"].partition("was killed")[2] for each in heard(app)} == {
        ", as the task went on after its time was up"
    }


@pytest.mark.parametrize("how", [{"fails": True}, {"kill": 9}], ids=["raised", "killed"])
def test_large_payload(app: Application, how: dict[str, Any]) -> None:
    """All of it where it was, and its beginning elsewhere."""
    write(app, "note('sizes', len(mishap.payload))", hooks="on_dead=heard('dead')")
    large = {"n": 1, "text": "x" * 100_000, **how}
    app.push(large)
    app.serve()
    eventually(lambda: heard(app))
    [letter] = app.letters()
    assert json.loads(letter[b"payload"]) == large
    [size] = eventually(lambda: app.numbers("sizes"))
    assert size == (len(letter[b"payload"]) if "fails" in how else LONGEST_HEADER)
    assert heard(app)[0]["foods"] == (large if "fails" in how else None)


def test_drain_and_relief_are_no_deaths(app: Application) -> None:
    write(app, max_tasks=1)
    app.push({"n": 1}, {"n": 2})
    supervisor = app.serve().ready()
    eventually(lambda: app.done == [1, 2])
    assert supervisor.stop() == 0
    assert heard(app) == []


def test_server_has_the_letter_when_hooks_hear_of_it(app: Application) -> None:
    write(app, "note('letters', WoodenWaiter().redis_clt.xlen('{t:d}:dead'))", max_deliveries=1)
    app.push({"n": 1, "fails": True})
    app.serve()
    eventually(lambda: len(app.noted("letters")) == 2)
    assert app.noted("letters") == ["1", "1"]


def test_no_task_waits_for_a_hook(app: Application) -> None:
    """Not even those that its worker had claimed with the one that failed."""
    slow = "while not os.path.exists('go-hook'): time.sleep(0.01)"
    write(app, slow, hooks="on_failure=heard('failure')", processes=2)
    tasks = [{"n": n, **({"fails": True} if n == 50 else {})} for n in range(100)]
    app.push(*tasks)
    supervisor = app.serve()
    eventually(lambda: len(app.done) == 99, seconds=pace.HOOK - 1)
    eventually(lambda: len(heard(app)) == 1)
    (app.folder / "go-hook").touch()
    assert supervisor.stop() == 0


@pytest.mark.parametrize("end", ["recycled", "drained"])
def test_last_failure_of_a_worker_is_heard_of(app: Application, end: str) -> None:
    write(app, "time.sleep(0.3)", max_tasks=1 if end == "recycled" else None)
    app.push({"n": 1, "fails": True})
    supervisor = app.serve()
    eventually(lambda: heard(app))
    assert supervisor.stop() == 0
    assert [each["name"] for each in heard(app)] == ["failure", "dead"]


def test_hooks_hear_of_each_failure_once(app: Application) -> None:
    """Whatever comes together."""
    write(app, processes=2, max_deliveries=2, backoff=Code(AT_ONCE))
    kinds: list[dict[str, Any]] = [{}, {"fails": True}, {"kill": 9}, {"left": True}]
    app.push(*({"n": n, **kinds[n % len(kinds)]} for n in range(40)))
    supervisor = app.serve()
    eventually(lambda: len(app.done) == 10 and len(app.letters()) == 30, seconds=60)
    eventually(lambda: len(heard(app)) == 60 + 30 + 40, "hooks that were called", 60)
    assert supervisor.stop() == 0
    letters = sorted(letter[b"id"].decode() for letter in app.letters())
    assert sorted(each["task"] for each in heard(app, "dead")) == letters
    failures = sorted((each["task"], each["delivery"]) for each in heard(app, "failure"))
    assert failures == [(task, n) for task in letters for n in (1, 2)]
    deaths = [each["worker_pid"] for each in heard(app, "death")]
    assert len(deaths) == len(set(deaths)) == 40


# Hostile ones.

HOSTILE = {
    "raises": "raise KeyError('no')",
    "leaves": "raise SystemExit(9)",
    "exits": "os._exit(9)",
    "crashes": "os.kill(os.getpid(), signal.SIGSEGV)",
    "forks, and comes back": "os.fork()",
    "takes signals": "[signal.signal(n, signal.SIG_IGN) for n in (15, signal.SIGWINCH)]",
    "starts a process": "subprocess.Popen(['sleep', '300'])",
    "closes the log": "os.close(2)",
}


ENDS_ITS_PROCESS = ("exits", "crashes")


def serve_failing(app: Application, **how: Any) -> Supervisor:
    tasks = [{"n": n, **(how if n % 2 else {})} for n in range(6)]
    app.push(*tasks)
    supervisor = app.serve()
    eventually(lambda: app.done == [0, 2, 4] and len(app.letters()) == 3)
    return supervisor


@pytest.mark.parametrize("does", HOSTILE)
@pytest.mark.parametrize("how", [{"fails": True}, {"kill": 9}], ids=["worker", "housekeeper"])
def test_hook_harms_nobody(app: Application, does: str, how: dict[str, Any]) -> None:
    write(app, HOSTILE[does])
    supervisor = serve_failing(app, **how)
    eventually(lambda: len(heard(app, "failure")) == 3)
    housekeeper = supervisor.housekeeper().pid
    eventually(lambda: len(supervisor.ready().workers()) == 1)
    assert supervisor.stop() == 0
    assert app.begun == list(range(6))
    assert supervisor.log.count("housekeeper (pid") == 2, "it has started, and left"
    assert f"housekeeper (pid {housekeeper}) left with exit code 0" in supervisor.log
    if "fails" in how and does not in ENDS_ITS_PROCESS:
        assert supervisor.log.count("worker t:d #0 (pid") == 2
    assert not supervisor.left_behind()


def test_signals_that_a_hook_takes_are_put_right_before_its_worker_waits(app: Application) -> None:
    write(app, HOSTILE["takes signals"])
    app.push({"n": 1, "fails": True})
    app.serve().logged("put right")


@pytest.mark.parametrize("how", [{"fails": True}, {"kill": 9}], ids=["worker", "housekeeper"])
def test_failure_of_a_hook_is_told_once_for_each_kind(
    app: Application, how: dict[str, Any]
) -> None:
    write(app, "raise KeyError('no')", hooks="on_failure=heard('failure')")
    supervisor = serve_failing(app, **how)
    eventually(lambda: len(heard(app)) == 3)
    assert supervisor.stop() == 0
    assert supervisor.log.count("on_failure fails: KeyError") == 1
    assert supervisor.log.count("    KeyError: 'no'") == 1
    assert "calling.py" not in supervisor.log


@pytest.mark.parametrize("how", [{"fails": True}, {"kill": 9}], ids=["worker", "housekeeper"])
@pytest.mark.parametrize("does", ["time.sleep(300)", "swallow()"])
def test_hook_that_hangs_is_ended(app: Application, how: dict[str, Any], does: str) -> None:
    once = f"if mishap.foods['n'] == 1: {does}"
    write(app, once, hooks="on_failure=heard('failure')")
    app.push({"n": 1, **how}, {"n": 2, **how})
    supervisor = app.serve()
    seconds = pace.HOOK + 2 * pace.TIMEOUT_GRACE + 20
    eventually(lambda: len(heard(app)) == 2, seconds=seconds)
    if does != "swallow()":
        assert "on_failure fails: TaskTimeout" in supervisor.log
    assert len(app.letters()) == 2
    assert supervisor.stop() == 0
    assert app.begun == [1, 2]


def test_housekeeper_waits_for_no_hook(app: Application) -> None:
    """Leases are renewed, and the next dead one is recovered meanwhile."""
    write(app, "swallow()", hooks="on_worker_death=heard('death')")
    app.push({"n": 1, "kill": 9})
    supervisor = app.serve("--lease-seconds", "1")
    eventually(lambda: heard(app))
    began = time.monotonic()
    for n in range(2, 6):
        app.push({"n": n, "kill": 9})
        eventually(lambda n=n: len(app.letters()) == n)  # type: ignore[misc]
    assert time.monotonic() - began < pace.HOOK + pace.TIMEOUT_GRACE
    assert len(heard(app)) == 1
    assert supervisor.stop(20) == 0
    assert "dropped or cut off: 5" in supervisor.log


def test_drain_waits_for_a_hook(app: Application) -> None:
    write(app, "time.sleep(1); note('heard', '{\"name\": \"end\"}')", hooks="on_dead=heard('dead')")
    app.push({"n": 1, "kill": 9})
    supervisor = app.serve()
    eventually(lambda: heard(app))
    assert supervisor.stop() == 0
    assert heard(app)[-1] == {"name": "end"}


def test_launched_program_has_its_hooks(app: Application) -> None:
    write(app)
    app.push({"n": 1, "kill": 9}, {"n": 2, "fails": True})
    program = app.run("manager.launch()\nprint('launched', flush=True)")
    eventually(lambda: len(heard(app)) == 5)
    assert program.pid not in [each["pid"] for each in heard(app)]
    os.kill(program.pid, signal.SIGTERM)
    program.wait()


def test_example_of_readme_is_served(app: Application) -> None:
    (app.folder / "hooks.py").write_text(BLOCKS["hooks.py"])
    mail = app.folder / "mail"
    mail.write_text('#!/bin/sh\necho "$@" > mailed\ncat >> mailed\n')
    mail.chmod(0o755)
    path = f"{app.folder}:{os.environ['PATH']}"
    app.client.lpush("video:encode", "[]")
    supervisor = app.serve(app="hooks", PATH=path)
    mailed = eventually(lambda: app.noted("mailed"))
    assert mailed[0] == "-s video:encode: unreadable entry ops@example.org"
    assert supervisor.stop() == 0
