"""``woodenwaiter run``: one task, in the foreground."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from woodenwaiter.errors import EXIT_APP, EXIT_SETUP, EXIT_UNKNOWN, EXIT_USAGE
from woodenwaiter.protocol.entry import Entry

from ..application import Application, Code, customer
from ..support import Programs, eventually, run

DELAYED, DEAD = "{t:d}:delayed", "{t:d}:dead"
POLICY = {"processes": 1, "setup": Code("set_up"), "teardown": Code("tear_down")}
DIGEST = "#" + hashlib.sha1(b'{"n": 1}').hexdigest()[:12]
TEXT = """
def set_up():
    note("steps", "set up")

def tear_down():
    note("steps", "torn down")
"""
HANDLER = """
this = delivery()
note("steps", f"{foods} {this.id} {this.number}")
print("printed")
if foods.get("fails"):
    raise ValueError("no such \\x1bcolour")
if foods.get("rejects"):
    raise Reject("because")
if foods.get("waits"):
    time.sleep(60)
return foods["n"] * 2
"""

Run = Callable[..., "tuple[int, str, str]"]


@pytest.fixture
def here(app: Application) -> Run:
    """Runs a task; returns the exit code, what it printed, and what it complained of."""
    app.write(text=TEXT, handler=HANDLER, **POLICY)
    app.client.sadd("woodenwaiter:queues", "t:d")

    def here(name: str, *options: str, queue: str = "t:d") -> tuple[int, str, str]:
        command = ("-m", "woodenwaiter", "--redis", app.url, "run", queue, name)
        done = run(app.folder, *command, "--app", "app", *options)
        return done.returncode, done.stdout, done.stderr

    return here


def letter(app: Application, **foods: Any) -> str:
    name = app.client.xadd(DEAD, {"payload": json.dumps(foods), "id": "h/7", "reason": "no"})
    return str(name.decode())


def delayed(app: Application, **foods: Any) -> bytes:
    entry = Entry(json.dumps(foods).encode(), "h/8", 2, 1.0, "failed").dump()
    app.client.zadd(DELAYED, {entry: 9e13})
    return entry


def contents(app: Application) -> tuple[int, int, int]:
    """How many wait, are delayed, are dead."""
    return app.client.llen("t:d"), app.client.zcard(DELAYED), app.client.xlen(DEAD)


def test_task_runs_and_nothing_is_settled(app: Application, here: Run) -> None:
    app.push({"n": 1})
    delayed(app, n=2)
    name = letter(app, n=3)
    keys = {*app.client.keys("*")}
    code, printed, complained = here(name)
    assert (code, complained) == (0, "")
    assert printed.startswith("printed\nreturned 6 after 0.")
    for each, result in ((DIGEST, 2), ("h/8", 4)):
        code, printed, complained = here(each)
        assert (code, f"\nreturned {result} after" in printed) == (0, True)
        assert complained == (
            f"woodenwaiter: {each} is still in t:d: a worker may run it at the same time\n"
        )
    assert contents(app) == (1, 1, 1)
    assert {*app.client.keys("*")} == keys
    ran = ["{'n': 3} h/7 1", f"{{'n': 1}} {DIGEST} 1", "{'n': 2} h/8 3"]
    assert app.noted("steps") == [s for each in ran for s in ("set up", each, "torn down")]


def test_handler_that_fails_is_shown_where(app: Application, here: Run) -> None:
    name = letter(app, n=1, fails=True)
    code, printed, complained = here(name, "--settle")
    assert (code, complained) == (1, "")
    assert "woodenwaiter/" not in printed, "none of our own steps"
    lines = printed.splitlines()
    assert lines[1] == "Traceback (most recent call last):"
    assert "in handle" in lines[2]
    assert lines[-2] == r"ValueError: no such \x1bcolour"
    assert lines[-1].startswith(r"the handler failed: ValueError: no such \x1bcolour (after 0.")
    assert contents(app) == (0, 0, 1)
    code, printed, _ = here(letter(app, rejects=True))
    assert (code, "rejected: because (after" in printed) == (1, True)
    assert app.noted("steps")[-1] == "torn down"


@pytest.mark.skipif(sys.version_info < (3, 11), reason="there is no tomllib")
def test_application_is_the_projects_where_none_is_named(app: Application) -> None:
    (app.folder / "pyproject.toml").write_text('[tool.woodenwaiter]\napp = "app"\n')
    app.push({"n": 1})
    command = ("-m", "woodenwaiter", "--redis", app.url, "run", "t:d", DIGEST)
    assert run(app.folder, *command).stdout.startswith("returned None")


def test_settled_letter_is_in_the_trash(app: Application, here: Run) -> None:
    name = letter(app, n=1)
    code, printed, _ = here(name, "--settle")
    assert code == 0
    [told] = [line for line in printed.splitlines() if "trash" in line]
    undo = told.partition("to undo it: woodenwaiter ")[2].split()
    assert contents(app) == (0, 0, 0)
    back = run(app.folder, "-m", "woodenwaiter", "--redis", app.url, *undo)
    assert back.stdout == "1 dead letter back in t:d\n"
    assert contents(app) == (0, 0, 1)


def test_settled_task_is_done(app: Application, here: Run) -> None:
    app.push({"n": 1}, {"n": 2})
    delayed(app, n=3)
    for name in (DIGEST, "h/8"):
        code, printed, _ = here(name, "--settle")
        assert (code, printed.splitlines()[-1]) == (0, f"{name} is done, and taken out")
    assert (app.waiting(), app.delayed()) == ([2], [])
    assert app.client.hgetall("{t:d}:tally") == {b"done": b"2"}
    audit = [fields for _, fields in app.client.xrange("woodenwaiter:audit")]
    assert [(each[b"verb"], each[b"what"]) for each in audit] == [
        (b"run", DIGEST.encode()),
        (b"run", b"h/8"),
    ]


def test_task_that_somebody_took_meanwhile_is_not_settled(app: Application, here: Run) -> None:
    app.write(
        text=TEXT,
        handler="import redis\nredis.Redis.from_url(os.environ['TAKEN']).rpop('t:d')",
        processes=1,
    )
    app.push({"n": 1})
    command = ("-m", "woodenwaiter", "--redis", app.url, "run", "t:d", DIGEST, "--app", "app")
    done = run(app.folder, *command, "--settle", TAKEN=app.url)
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == (
        f"{DIGEST} is not in t:d any more: somebody has taken it meanwhile"
    )
    assert not app.client.exists("{t:d}:tally")


def test_connection_that_is_lost_meanwhile_is_no_hindrance(app: Application, here: Run) -> None:
    app.write(
        text=TEXT,
        handler="import redis\nWoodenWaiter().redis_clt.client_kill_filter(_type='normal')",
        processes=1,
    )
    app.push({"n": 1})
    command = ("-m", "woodenwaiter", "run", "t:d", DIGEST, "--app", "app", "--settle")
    done = run(app.folder, *command, WOODENWAITER_REDIS_URL=app.url)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (
        0,
        f"{DIGEST} is done, and taken out",
    )


def test_programs_are_told(app: Application, here: Run) -> None:
    code, printed, complained = here(letter(app, n=4), "--json", "--settle")
    assert (code, complained) == (0, "printed\n")
    told = json.loads(printed)
    assert told.pop("seconds") < 1
    assert len(told.pop("trash")) == 5
    assert (told.pop("task").count("-"), told.pop("version")) == (1, 1)
    nothing = dict.fromkeys(("reason", "error", "traceback"))
    assert told == {"queue": "t:d", "place": "dead", "returned": "8", "settled": True, **nothing}
    code, printed, _ = here(letter(app, n=4, fails=True), "--json")
    told = json.loads(printed)
    assert (code, told["reason"], told["error"]) == (
        1,
        "the handler failed",
        "ValueError: no such \x1bcolour",
    )
    assert (told["returned"], told["settled"]) == (None, False)


def test_coroutines_run_on_one_loop(app: Application, here: Run) -> None:
    app.write(
        customer(setup=Code("set_up"), teardown=Code("tear_down")),
        text="""
            import asyncio
            loops = []

            async def set_up():
                loops.append(asyncio.get_running_loop())

            async def tear_down():
                note("steps", loops.count(asyncio.get_running_loop()))

            async def handler(foods):
                loops.append(asyncio.get_running_loop())
                return await asyncio.sleep(0.01, delivery().id)
        """,
        handler="return handler(foods)",
    )
    code, printed, _ = here(letter(app, n=1))
    assert (code, printed.startswith("returned 'h/7' after")) == (0, True)
    assert app.noted("steps") == ["2"]


def test_debugger_begins_where_the_handler_raised(app: Application, here: Run) -> None:
    name = letter(app, n=41, fails=True)
    command = ("-m", "woodenwaiter", "--redis", app.url, "run", "t:d", name, "--app", "app")
    done = subprocess.run(
        [sys.executable, *command, "--pdb"],
        cwd=app.folder,
        input="p foods['n'] + 1\nq\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "-> raise ValueError" in done.stdout
    assert "(Pdb) 42\n" in done.stdout
    first, second, third = map(done.stdout.index, ("Traceback", "(Pdb)", "the handler failed"))
    assert first < second < third
    assert app.noted("steps")[-1] == "torn down"


def test_interrupted_task_is_torn_down(app: Application, here: Run, programs: Programs) -> None:
    name = letter(app, n=1, waits=True)
    command = ("-m", "woodenwaiter", "--redis", app.url, "run", "t:d", name, "--app", "app")
    running = programs.start(*command, "--settle")
    eventually(lambda: len(app.noted("steps")) == 2, "it runs")
    running.signal(signal.SIGINT)
    assert running.wait() == 128 + signal.SIGINT
    assert "Traceback" not in running.log
    assert app.noted("steps")[-1] == "torn down"
    assert contents(app) == (0, 0, 1)


def test_what_cannot_be_run_is_told_in_a_line(app: Application, here: Run) -> None:
    app.client.xadd(DEAD, {"else": ""}, id="5-1")
    app.client.lpush("t:e", "{}")
    none = "nothing in t:d that waits, is delayed or is dead is called"
    for name, queue, code, told in (
        ("6-1", "t:d", EXIT_UNKNOWN, f"{none} 6-1"),
        ("h/1", "t:d", EXIT_UNKNOWN, f"{none} h/1"),
        ("5-1", "t:d", EXIT_USAGE, "dead letter 5-1 has no field payload: it is somebody else's"),
        ("5-1", "t:e", EXIT_APP, "app has no customer of t:e, but of t:d"),
    ):
        assert here(name, queue=queue) == (code, "", f"woodenwaiter: {told}\n")
    app.client.delete("woodenwaiter:queues", DEAD)
    code, _, told = here("6-1")
    assert (code, told) == (
        EXIT_UNKNOWN,
        "woodenwaiter: no such queue: nothing is known of t:d\n",
    )


def test_setup_that_fails_is_told(app: Application, here: Run) -> None:
    app.write(text="def set_up():\n    open('/no/where')", setup=Code("set_up"), processes=1)
    code, printed, told = here(letter(app, n=1))
    assert (code, printed) == (EXIT_SETUP, "")
    assert told.startswith("woodenwaiter: setup failed: FileNotFoundError: ")
    assert "app.py, line " in told
    assert len(told.splitlines()) == 1
