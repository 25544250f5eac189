"""README.rst's runbook: each recipe, as it stands there, on a pool that is in that trouble."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis

from ..application import Application, Supervisor
from ..support import Operate, eventually
from .test_readme import TEXT

QUEUE = "images:resize"

TASKS = """
import os, signal, time
from woodenwaiter import WoodenCustomer, WoodenManager, WoodenWaiter

def note(file, text):
    with open(file, "a") as out:
        out.write(f"{text}\\n")

def resize(foods):
    if foods.get("hang"):
        note("hangs", foods["n"])
        time.sleep(600)
    if foods.get("kill") and not os.path.exists("alone"):
        os.kill(os.getpid(), signal.SIGKILL)
    if foods.get("bad") and not os.path.exists("mended"):
        raise ValueError(f"no such colour: {foods['n']}")
    note("done", foods["n"])

manager = WoodenManager()
manager.add_customer(
    WoodenCustomer("images", "resize", WoodenWaiter(), resize, processes=1, max_deliveries=1)
)
"""


def commands_of(title: str) -> list[str]:
    """The commands of a recipe, without what is a shell's comment."""
    section = TEXT.split(f"\n{title}\n~~~", 1)[1]
    block = re.split(r"\n(?=\S)", section.split("::\n", 1)[1])[0]
    return re.findall(r"^ +\$ woodenwaiter (.*?)(?: +#.*)?$", block, re.MULTILINE)


class Pool:
    """A supervisor of `tasks`, and whoever operates it."""

    def __init__(self, app: Application, operate: Operate) -> None:
        self.app = app
        self._operate = operate
        (app.folder / "tasks.py").write_text(TASKS)

    def serve(self, *options: str) -> Supervisor:
        supervisor = self.app.serve(*options, app="tasks").ready(1)
        eventually(lambda: self.tells("status", "--hosts", "--json")["hosts"], "its document")
        return supervisor

    def push(self, *tasks: dict[str, Any]) -> None:
        self.app.client.lpush(QUEUE, *map(json.dumps, tasks))

    def tells(self, *arguments: str) -> Any:
        return json.loads(self._operate(*arguments)[1])

    def letters(self) -> list[str]:
        return [name.decode() for name, _ in self.app.client.xrange("{images:resize}:dead")]

    def follow(self, title: str, **names: str) -> Callable[[str], str]:
        """Returns what does the recipe's next command, which begins so, and returns what that
        printed; ``names``: for what stands there in capitals."""
        left = commands_of(title)
        assert left

        def follow(beginning: str) -> str:
            command = left.pop(0)
            assert command.startswith(beginning), command
            for name, value in names.items():
                command = command.replace(name, value)
            words = shlex.split(command)
            consent = ["--yes"] if words[0] in ("drop", "purge") or "--empty" in words else []
            code, printed, complaint = self._operate(*words, *consent)
            assert (code, complaint) == (0, ""), (words, printed, complaint)
            return printed

        self.left = left
        return follow


@pytest.fixture
def pool(app: Application, operate: Operate, monkeypatch: pytest.MonkeyPatch) -> Pool:
    monkeypatch.setenv("WOODENWAITER_REDIS_URL", app.url)
    monkeypatch.chdir(app.folder)
    monkeypatch.syspath_prepend(str(app.folder))
    return Pool(app, operate)


def test_queue_grows(pool: Pool) -> None:
    supervisor = pool.serve()
    pool.push({"n": 0, "hang": 1}, *({"n": n} for n in range(1, 9)))
    eventually(lambda: pool.app.noted("hangs") == ["0"])
    eventually(lambda: pool.tells("running", QUEUE, "--json")["running"])
    follow = pool.follow("A queue grows")
    assert re.search(rf"{QUEUE} +8 ", follow(f"status {QUEUE}"))
    assert QUEUE in follow(f"running {QUEUE}")
    assert "one worker more" in follow("host all grow")
    eventually(lambda: pool.app.done == [*range(1, 9)])
    assert re.search(rf"{QUEUE} +0 ", follow(f"status {QUEUE}"))
    assert not pool.left
    assert len(supervisor.workers()) == 2


def test_task_hangs(pool: Pool) -> None:
    pool.serve()
    pool.push({"n": 0, "hang": 1}, {"n": 1})
    [task] = eventually(lambda: pool.tells("running", QUEUE, "--json")["running"])
    follow = pool.follow("A task hangs", TASK=task["claim"])
    assert "in resize" in follow("running")
    assert "ended in" in follow("cancel")
    assert "cancelled" in follow("dead")
    eventually(lambda: pool.app.done == [1])
    assert not pool.left


def test_worker_is_killed(pool: Pool) -> None:
    pool.serve()
    pool.push({"n": 0, "kill": 1}, {"n": 1})
    eventually(lambda: pool.app.done == [1])
    [letter] = eventually(pool.letters)
    (pool.app.folder / "alone").touch()
    follow = pool.follow("A worker is killed again and again", LETTER=letter)
    assert "restarts" in follow("status --hosts")
    assert "SIGKILL" in follow("dead")
    assert "SIGKILL" in follow("show")
    assert "returned None" in follow("run")
    assert not pool.left


def takes_tasks(client: Any) -> bool:
    try:
        return bool(client.lpush(QUEUE, "{}"))
    except redis.exceptions.OutOfMemoryError:
        return False


def test_redis_is_full(pool: Pool, operate: Operate) -> None:
    client = pool.app.client
    client.sadd("woodenwaiter:queues", QUEUE)
    for _ in range(300):
        client.xadd("{images:resize}:dead", {"payload": "x" * 10_000, "reason": "old"})
    used = client.info("memory")["used_memory"]
    client.config_set("maxmemory", used - 1_000_000)
    try:
        follow = pool.follow("Redis is full")
        left = pool.left
        assert left[0] == "check"
        _, printed, _ = operate(*shlex.split(left.pop(0)))
        assert "full" in printed or "maxmemory" in printed, printed
        follow("status")
        follow("export")
        follow("drop")
        follow("trash --empty")
        assert not pool.left
        eventually(lambda: takes_tasks(client), "a server that refuses none")  # it frees later
    finally:
        client.config_set("maxmemory", 0)
    assert Path(pool.app.folder, "letters.jsonl").read_text().count("\n") == 300
    assert client.keys("*trash*") == []


def test_bad_deploy(pool: Pool, operate: Operate) -> None:
    supervisor = pool.serve()
    pool.push(*({"n": n, "bad": 1} for n in range(20)))
    eventually(lambda: len(pool.letters()) == 20)
    pool.app.client.xadd("{images:resize}:dead", {"payload": '{"n": 99}', "reason": "another"})
    groups = pool.tells("dead", QUEUE, "--json")["groups"]
    assert [group["count"] for group in groups] == [20, 1]
    follow = pool.follow("A bad deploy filled the dead letters", GROUP=groups[0]["group"])
    follow("pause")
    assert "20" in follow("dead")
    (pool.app.folder / "mended").touch()
    follow("host all restart")
    supervisor.logged("starting anew")
    assert "20 back" in follow("requeue")
    assert pool.app.done == []
    follow("resume")
    eventually(lambda: pool.app.done == [*range(20)])
    assert not pool.left
    assert len(pool.letters()) == 1


def test_every_recipe_is_run() -> None:
    chapter = TEXT.split("Operating it, III: a runbook\n---")[1].split("\nPast one machine\n---")[0]
    titles = re.findall(r"^(.+)\n~~~", chapter, re.MULTILINE)
    tested = re.findall(r'follow\("([A-Z][^"]+)"', Path(__file__).read_text())
    assert titles == tested
