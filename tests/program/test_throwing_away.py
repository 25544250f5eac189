"""``woodenwaiter purge``, ``trash``, ``restore``, and what workers do meanwhile."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from woodenwaiter.errors import EXIT_UNKNOWN, EXIT_USAGE
from woodenwaiter.protocol import trash
from woodenwaiter.protocol.link import Link
from woodenwaiter.protocol.trash import discard

from ..application import Application
from ..support import Programs, Server, eventually

DELAYED, DEAD, TRASHES = "{t:d}:delayed", "{t:d}:dead", "{t:d}:trash"


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the next trashes: x1, x2, …"""
    numbers = count(1)
    monkeypatch.setattr(trash, "new_name", lambda: f"x{next(numbers)}")


def test_purge_and_back(do: Callable[..., str], client: Any) -> None:
    client.lpush("t:d", "1", "2", "3")
    client.zadd(DELAYED, {"4": 9e12})
    assert do("purge", "t:d", "--yes").splitlines() == [
        "3 tasks in the trash; to undo it: woodenwaiter restore t:d x1",
        "woodenwaiter: 1 delayed task left: --delayed takes what is, too",
    ]
    assert do("purge", "t:d", "--yes", "--delayed").splitlines() == [
        "1 delayed task in the trash; to undo it: woodenwaiter restore t:d x2"
    ]
    [title, *rows] = [line.split() for line in do("trash", "t:d").splitlines()]
    assert title == ["queue", "trash", "number", "what", "since", "who", "for", "another"]
    assert [row[:4] for row in rows] == [
        ["t:d", "x1", "3", "tasks"],
        ["t:d", "x2", "1", "delayed"],
    ]
    assert {tuple(row[-2:]) for row in rows} == {("24", "h")}
    assert do("restore", "t:d") == "1 delayed task back in t:d\n"
    assert do("restore", "t:d", "x1") == "3 tasks back in t:d\n"
    assert do("trash", "t:d") == "no trash\n"
    assert client.lrange("t:d", 0, -1) == [b"3", b"2", b"1"]
    assert client.zrange(DELAYED, 0, -1) == [b"4"]
    audit = json.loads(do("audit", "--json"))["audit"]
    told = [(line["verb"], line["count"], line["what"]) for line in audit]
    assert told == [
        ("purge", 3, "tasks, to trash x1"),
        ("purge", 1, "delayed, to trash x2"),
        ("restore", 1, "trash x2"),
        ("restore", 3, "trash x1"),
    ]


README = Path(__file__).parents[2] / "README.rst"


def session(title: str) -> list[str]:
    """The lines of the first session below this title in README.rst."""
    _, _, below = README.read_text().partition(f"\n{title}\n~~~")
    _, _, block = below.partition("::\n\n")
    return [line.strip() for line in block.split("\n\n")[0].splitlines()]


def without_times(line: str) -> list[str]:
    return re.sub(r"20\d\d-.* at \w+", "since who", line).split()


def test_readme_throws_away_and_gets_back(
    do: Callable[..., str], client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trash, "new_name", lambda: "k7m2x")
    client.sadd("woodenwaiter:queues", "images:resize")
    client.lpush("images:resize", *[b"{}"] * 1204)
    printed: list[str] = []
    lines = session("Throwing away, and getting back")
    for line in lines:
        if line.startswith("$ woodenwaiter "):
            command = line.split()[2:]
            printed += [line, *do(*command, *["--yes"] * (command[0] == "purge")).splitlines()]
    asked = [line for line in lines if "[y/N]" not in line]
    assert [*map(without_times, printed)] == [*map(without_times, asked)]


def test_dropped_letters_come_back(do: Callable[..., str], client: Any) -> None:
    letter = client.xadd(DEAD, {"payload": "{}"}).decode()
    link = Link(client, 10)
    assert discard(link, "t:d", "y", [letter], "me") == 1
    link.close()
    assert do("restore", "t:d", "y") == "1 dead letter back in t:d\n"
    assert client.xlen(DEAD) == 1


def test_trash_is_emptied_once_that_is_meant(do: Callable[..., str], client: Any) -> None:
    client.sadd("woodenwaiter:queues", "t:d", "t:e")
    for queue in ("t:d", "t:e"):
        client.lpush(queue, "1", "2")
        do("purge", queue, "--yes")
    told = do("trash", "--empty", code=EXIT_USAGE)
    assert told.startswith("woodenwaiter: this would throw 4 tasks away for good: say --yes")
    assert do("trash", "t:d", "--empty", "--yes") == "2 entries are gone\n"
    assert not client.keys("{t:d}:trash*")
    assert do("restore", "t:e") == "2 tasks back in t:e\n"
    assert do("trash", "t:e", "--empty", "--yes") == "no trash\n"
    [line] = [line for line in do("audit").splitlines() if "empty trash" in line]
    assert "t:d" in line


def test_programs_are_told(do: Callable[..., str], client: Any) -> None:
    def told(*arguments: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(do(*arguments, "--json"))
        assert document.pop("version") == 1
        return document

    client.sadd("woodenwaiter:queues", "t:d", "t:e")
    assert told("purge", "t:d") == {"queue": "t:d", "purged": []}
    client.lpush("t:d", "1", "2")
    assert told("purge", "t:d", "--yes") == {
        "queue": "t:d",
        "purged": [{"trash": "x1", "kind": "tasks", "number": 2}],
    }
    [there] = told("trash")["trash"]
    assert (there["queue"], there["name"], there["kind"], there["number"]) == (
        "t:d",
        "x1",
        "tasks",
        2,
    )
    assert 86000 < there["left"] <= 86400
    assert there["since"] == pytest.approx(client.time()[0], abs=60)
    assert told("restore", "t:d") == {
        "queue": "t:d",
        "trash": "x1",
        "kind": "tasks",
        "restored": 2,
    }
    assert told("trash", "t:d") == {"trash": []}


def test_purge_asks_first(do: Callable[..., str], client: Any) -> None:
    client.lpush("t:d", *"abc")
    client.zadd(DELAYED, {"d": 1, "e": 2})
    for arguments, what in (
        ((), "3 tasks"),
        (("--delayed",), "3 tasks and 2 delayed tasks"),
    ):
        told = do("purge", "t:d", *arguments, code=EXIT_USAGE)
        assert f"this would move {what} of t:d to its trash, for a day: say --yes" in told
    assert client.llen("t:d") == 3


@pytest.mark.parametrize("command", ["purge", "restore"])
def test_queue_that_has_nothing(do: Callable[..., str], client: Any, command: str) -> None:
    told = do(command, "t:x", code=EXIT_UNKNOWN)
    assert told == "woodenwaiter: no such queue: nothing is known of t:x\n"
    client.sadd("woodenwaiter:queues", "t:d")
    if command == "purge":
        assert do("purge", "t:d") == "nothing waits\n"
        client.zadd(DELAYED, {"d": 1})
        assert do("purge", "t:d").startswith("nothing waits\nwoodenwaiter: 1 delayed task")
    else:
        assert do("restore", "t:d", code=EXIT_UNKNOWN) == (
            "woodenwaiter: there is no trash of t:d\n"
        )
        assert do("restore", "t:d", "x\x1b", code=EXIT_UNKNOWN) == (
            "woodenwaiter: there is no trash x\\x1b of t:d: woodenwaiter trash lists them\n"
        )


def test_list_of_all_queues_tells_what_is_wrong_with_one(
    do: Callable[..., str], client: Any
) -> None:
    client.sadd("woodenwaiter:queues", "t:d", "t:e")
    client.lpush("t:d", "1")
    do("purge", "t:d", "--yes")
    client.set("{t:e}:trash", "text")
    told = do("trash", code=4)
    assert "x1" in told
    assert "woodenwaiter: t:e: WRONGTYPE" in told
    told = do("trash", "t:e", code=4)
    assert "WRONGTYPE" in told


def test_restore_that_is_interrupted_says_how_to_go_on(
    programs: Programs, server: Server, do: Callable[..., str]
) -> None:
    for _ in range(50):
        server.client.lpush("t:d", *[b"{}"] * 10_000)
    do("purge", "t:d", "--yes")
    command = programs.start("-m", "woodenwaiter", "--redis", server.url, "restore", "t:d")
    eventually(lambda: server.client.llen("t:d"), "some are back")
    command.signal(signal.SIGINT)
    assert command.wait() == 128 + signal.SIGINT
    left = server.client.llen(TRASHES + ":x1")
    assert 0 < left < 500_000
    assert "the same again goes on: woodenwaiter restore t:d x1" in command.log
    assert do("restore", "t:d") == f"{left:,} tasks back in t:d\n"
    assert server.client.llen("t:d") == 500_000
    [*_, first, second] = json.loads(do("audit", "--json"))["audit"]
    assert first["count"] + second["count"] == pytest.approx(500_000, abs=200)


def are_done(app: Application, number: int) -> bool:
    return len(app.done) >= number


def test_every_task_is_accounted_for_while_workers_and_producers_go_on(
    app: Application, do: Callable[..., str]
) -> None:
    """Each was run, or is in the trash: none is in both; and when all is back, all were run."""
    app.write(processes=2, handler="note('done', foods['n'])\ntime.sleep(0.0005)")
    supervisor = app.serve().ready(2)
    is_over, pushed = Event(), []

    def produce() -> None:
        for n in count(0, 20):
            app.push(*({"n": each} for each in range(n, n + 20)))
            pushed.append(n + 20)
            if is_over.wait(0.005):
                return

    producer = Thread(target=produce)
    producer.start()
    for number in range(1, 9):
        eventually(partial(are_done, app, 50 * number), "some are done")
        told = do("purge", "t:d", "--yes")
        if number % 2:
            assert "in the trash" in told or told == "nothing waits\n"
            continue
        if json.loads(do("trash", "t:d", "--json"))["trash"]:
            do("restore", "t:d")
    is_over.set()
    producer.join()

    def is_empty() -> bool:
        [status] = json.loads(do("status", "t:d", "--json"))["queues"]
        return not status["waiting"] + status["claimed"]

    eventually(is_empty, "all that is not thrown away is done")
    [status] = json.loads(do("status", "t:d", "--json"))["queues"]
    thrown = json.loads(do("trash", "t:d", "--json"))["trash"]
    assert thrown
    assert status["purged"] == sum(each["number"] for each in thrown)
    assert status["pushed"] == pushed[-1] == status["done"] + status["purged"]
    assert len(app.done) == status["done"]
    for _ in thrown:
        do("restore", "t:d")
    eventually(lambda: len(app.done) == pushed[-1], "all are done")
    assert app.done == [*range(pushed[-1])]
    assert supervisor.stop() == 0
    [status] = json.loads(do("status", "t:d", "--json"))["queues"]
    assert (status["pushed"], status["purged"]) == (pushed[-1], 0)
