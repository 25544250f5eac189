"""``--max-dead``: as many dead letters are kept as somebody said."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
import redis

from woodenwaiter.errors import EXIT_USAGE, StartupError
from woodenwaiter.housekeeper.trimming import Trimming
from woodenwaiter.protocol import trimming as protocol_trimming
from woodenwaiter.protocol.beats import Seen
from woodenwaiter.protocol.keys import Keys
from woodenwaiter.protocol.link import Link
from woodenwaiter.protocol.tending import Tended, Visit, tend_together
from woodenwaiter.settings import Settings

from ..application import Application
from ..counting import CountingLink
from ..support import eventually, run

DEAD = "{t:d}:dead"
HASTE = "from woodenwaiter import pace; pace.BEAT = 0.2"


def bury(client: Any, number: int) -> list[bytes]:
    pipeline = client.pipeline(transaction=False)
    for n in range(number):
        pipeline.xadd(DEAD, {"payload": json.dumps({"n": n})})
    return list(pipeline.execute())


@pytest.fixture
def link(client: Any) -> Iterator[CountingLink]:
    with closing(CountingLink(client, timeout=10)) as link:
        yield link


def visited(link: Link, kept: int) -> int | Exception:
    """How many letters a visit that notes a beat throws away."""
    visit = Visit(Keys("t:d"), 30, ["a"], 10, seen=Seen(), max_dead=kept)
    [tended] = tend_together(link, [visit])
    assert isinstance(tended, Tended)
    return tended.trimmed


def test_oldest_of_too_many_go(link: CountingLink, client: Any) -> None:
    names = bury(client, 10)
    assert visited(link, 0) == visited(link, 10) == visited(link, 11) == 0
    assert client.xlen(DEAD) == 10
    assert visited(link, 4) == 6
    assert [name for name, _ in client.xrange(DEAD)] == names[6:]
    assert visited(link, 4) == 0


def test_many_go_in_portions_and_no_more(
    link: CountingLink, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol_trimming, "PORTION", 7)
    bury(client, 30)
    assert [visited(link, 10) for _ in range(4)] == [7, 7, 6, 0]
    assert client.xlen(DEAD) == 10


def test_it_takes_no_request_of_its_own(link: CountingLink, client: Any) -> None:
    bury(client, 10)
    trips = []
    for kept in (0, 5):
        visited(link, kept)  # the server knows all scripts by now
        before = link.trips
        visited(link, kept)
        trips.append(link.trips - before)
    assert trips[0] == trips[1]


def test_dead_letters_of_another_type_hold_up_nothing(link: CountingLink, client: Any) -> None:
    client.set(DEAD, "text")
    assert isinstance(visited(link, 5), redis.ResponseError)
    assert client.get(DEAD) == b"text"


def test_what_is_wrong_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    trimming = Trimming("t:d", 5)
    trouble = redis.ResponseError("WRONGTYPE of a key")
    outcomes: list[int | Exception] = [trouble, trouble, 0, trouble, 3, protocol_trimming.PORTION]
    assert [trimming.heard(each) for each in outcomes] == [False] * 5 + [True]
    told = [record.message for record in caplog.records]
    assert [message.count("WRONGTYPE") for message in told] == [1, 1, 0, 0]


def test_supervisor_keeps_the_latest(app: Application) -> None:
    app.write(text=HASTE, handler="raise Reject('no')", processes=2)
    bury(app.client, 100)
    supervisor = app.serve("--max-dead", "20", "--log-format", "json")
    eventually(lambda: app.client.xlen(DEAD) == 20)
    app.push(*({"n": n} for n in range(1000, 1050)))
    eventually(lambda: app.client.hget("{t:d}:tally", "buried") == b"50")
    eventually(lambda: app.client.xlen(DEAD) == 20)
    kept = {json.loads(letter[b"payload"])["n"] for letter in app.letters()}
    assert min(kept) >= 1000
    assert supervisor.stop() == 0
    events = [json.loads(line) for line in supervisor.log.splitlines() if line.startswith("{")]
    told = [event for event in events if event.get("event") == "letters.trimmed"]
    assert sum(event["count"] for event in told) == 130
    assert {(event["level"], event["queue"]) for event in told} == {("warning", "t:d")}


def test_many_are_trimmed_though_nothing_happens(app: Application) -> None:
    portion = "from woodenwaiter.protocol import trimming; trimming.PORTION = 10"
    more = "from woodenwaiter.housekeeper import trimming as t; t.PORTION = 10"
    app.write(text="\n".join((HASTE, portion, more)), processes=1)
    bury(app.client, 100)
    supervisor = app.serve("--max-dead", "20")
    eventually(lambda: app.client.xlen(DEAD) == 20)
    line = supervisor.logged("thrown away")
    assert "dead letters of t:d beyond 20: the oldest are thrown away: 10" in line


def test_environment_names_it(app: Application) -> None:
    app.write(processes=1)
    bury(app.client, 10)
    app.serve(WOODENWAITER_MAX_DEAD="3")
    eventually(lambda: app.client.xlen(DEAD) == 3)


def test_all_are_kept_unless_told_otherwise(app: Application) -> None:
    app.write(text=HASTE, handler="raise Reject('no')", processes=1)
    bury(app.client, 50)
    supervisor = app.serve()
    app.push(*({"n": n} for n in range(20)))
    eventually(lambda: app.client.xlen(DEAD) == 70)
    eventually(lambda: app.client.llen("{t:d}:beats") > 1)
    assert supervisor.stop() == 0
    assert app.client.xlen(DEAD) == 70


@pytest.mark.parametrize("value", [-1, 1.5, "many", True, None])
def test_numbers_that_make_no_sense(value: Any) -> None:
    with pytest.raises(StartupError, match="max_dead must be a number of dead letters"):
        Settings(max_dead=value)


def test_variable_that_makes_no_sense_is_one_line(app: Application) -> None:
    app.write()
    result = run(app.folder, "-m", "woodenwaiter.supervisor", "app", WOODENWAITER_MAX_DEAD="many")
    assert result.returncode == EXIT_USAGE
    [line] = result.stderr.splitlines()
    assert re.search("WOODENWAITER_MAX_DEAD must be a whole number, not 'many'", line)
