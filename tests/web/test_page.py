"""The page without its face: what viewers are told, and what they may do."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest

from woodenwaiter import pace
from woodenwaiter.errors import StartupError
from woodenwaiter.protocol import letters
from woodenwaiter.protocol.hosts import Crew, Event, Host, Hour, Running
from woodenwaiter.protocol.keys import host_key
from woodenwaiter.protocol.link import Link
from woodenwaiter.protocol.published import publication, withdrawal
from woodenwaiter.verbs.audit import audit
from woodenwaiter.web import application

from ..application import Application
from ..support import Server, eventually
from .site import Site, lines_of

DEAD = "{t:d}:dead"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in {"WATCH": 0.1, "PUBLISH": 0.1, "PROGRESS": 0.05, "CHECKED": 0.1}.items():
        monkeypatch.setattr(pace, name, seconds)


def push(client: Any, queue: str = "t:d", **foods: Any) -> None:
    client.sadd("woodenwaiter:queues", queue)
    client.lpush(queue, json.dumps(foods))


def bury(client: Any, **fields: Any) -> str:
    client.sadd("woodenwaiter:queues", "t:d")
    usual = {"id": "a/1", "reason": "the handler failed", "error": "E: 1", "payload": "{}"}
    return str(client.xadd(DEAD, usual | fields).decode())


def publish(link: Link, name: str, *queues: str) -> None:
    crews = tuple(Crew(queue, 1, 1, running=1, times=(0, 0, 3)) for queue in queues)
    workers = tuple(Running(queue, 0, 7, f"h.1/x-1/{n}", 9.0, 1) for n, queue in enumerate(queues))
    host = Host("h", 1, "1.0.0", 60.0, 1, 1, queues=crews, workers=workers, state="serving")
    events = (Event(30.0, "error", "it died"),)
    host = replace(host, hour=Hour((None, 50), (3, None)), events=events)
    [outcome] = link.exchange([publication(name, host)])
    assert not isinstance(outcome, Exception), outcome
    link.call("PERSIST", host_key(name))  # however long a test takes


def trash_of(client: Any) -> str:
    [name] = client.hkeys("{t:d}:trash")
    return str(name.decode())


# Looking.


def test_overview_follows_what_is_there(site: Site, client: Any) -> None:
    viewer = site.view("overview")
    assert "queue/t%3Ad" not in viewer.parts
    push(client)
    viewer.until(lambda v: v.parts.get("queue/t%3Ad", {}).get("waiting") == 1)
    viewer.until(lambda v: v.parts.get("totals", {}).get("waiting") == 1)
    assert "nobody takes tasks of" in [each["text"] for each in viewer.parts["findings"]]
    assert abs(viewer.now - client.time()[0]) < 5
    client.srem("woodenwaiter:queues", "t:d")
    viewer.until(lambda v: "queue/t%3Ad" not in v.parts)


def test_queue_whose_keys_are_somebody_elses_says_so(site: Site, client: Any) -> None:
    push(client, "good:one")
    client.sadd("woodenwaiter:queues", "t:d")
    client.set("t:d", "a string")
    parts = site.view("overview").parts
    assert "WRONGTYPE" in parts["queue/t%3Ad"]["trouble"]
    assert parts["queue/good%3Aone"]["waiting"] == 1
    assert "WRONGTYPE" in site.view("queue", queue="t%3Ad").parts["queue/t%3Ad"]["trouble"]


@pytest.mark.parametrize(
    "name", ["<script>:x", "a:\u202eb", "a:\x1b[31m", "ä:ö", "a/b:c?d#e&f", " "]
)
def test_hostile_names_of_queues(site: Site, client: Any, name: str) -> None:
    push(client, name, n=1)
    [key] = [n for n in site.view("overview").parts if n.startswith("queue/")]
    row = site.view("queue", queue=key.removeprefix("queue/")).parts[key]
    assert row["waiting"] == 1
    assert row["name"].isprintable()


def test_names_that_are_no_text(site: Site, client: Any) -> None:
    client.sadd("woodenwaiter:queues", b"\xff\x00:\xe2")
    client.lpush(b"\xff\x00:\xe2", "{}")
    [key] = [n for n in site.view("overview").parts if n.startswith("queue/")]
    assert site.view("queue", queue=key.removeprefix("queue/")).parts[key]["waiting"] == 1
    job = site.done("pause", queue=key.removeprefix("queue/"))
    assert job["state"] == "done"
    assert client.exists(b"{\xff\x00:\xe2}:paused")


def test_queue_shows_what_comes_next_and_what_runs(site: Site, client: Any, link: Link) -> None:
    push(client, n=1)
    push(client, n=2)
    publish(link, "h.1/0", "t:d", "other:one")
    parts = site.view("queue", queue="t%3Ad").parts
    assert [json.loads(each["payload"])["n"] for each in parts["next"]] == [1, 2]
    [task] = parts["running"]
    assert (task["host"], task["claim"], task["queue"]) == ("h", "h.1/x-1/0", "t:d")
    assert parts["queue/t%3Ad"]["running"] == 1
    assert parts["queue/t%3Ad"]["p50"] == pytest.approx(3e-6)


def test_day_of_a_queue(site: Site, client: Any) -> None:
    push(client)
    now, step = int(client.time()[0]), 300
    first = now // step * step - 600
    notes = [(first - 60, 0, 0, 0, 0), (first + 10, 9, 7, 1, 0), (first + 310, 29, 20, 1, 1)]
    for at, *sums in notes:
        client.lpush("{t:d}:minutes", " ".join(map(str, (at * 1000, *sums, 0, sums[0] - sums[1]))))
    client.hset("{t:d}:tally", mapping={"done": 20, "failed": 1, "buried": 8})
    client.hset("{t:d}:times", str(first // 600), "0 0 3")
    parts = site.view("queue", queue="t%3Ad").parts
    day, heat = parts["day"], parts["heat"]
    assert (len(day["came"]), day["step"], day["start"] % step) == (288, step, 0)
    assert day["start"] + 288 * step == first + 600, "the present step is not over"
    assert (day["came"][-2:], day["done"][-2:], day["failed"][-2:]) == ([9, 20], [7, 13], [1, 0])
    assert day["waiting"][-2:] == [2, 9]
    assert day["came"][:-3] == [None] * 285
    assert [0, 0, 3] in heat["columns"]


def test_day_that_somebody_else_has_written(site: Site, client: Any) -> None:
    push(client)
    client.lpush("{t:d}:minutes", "no note")
    client.set("{t:d}:times", "no hash")
    parts = site.view("queue", queue="t%3Ad").parts
    assert (parts["queue/t%3Ad"]["waiting"], parts["heat"]) == (1, None)
    assert {*parts["day"]["came"]} == {None}


def test_hosts_and_one_of_them(site: Site, client: Any, link: Link) -> None:
    publish(link, "h.1/0", "t:d")
    [host] = [each for n, each in site.view("hosts").parts.items() if n.startswith("host/")]
    assert (host["host"], host["state"], host["running"]) == ("h", "serving", 1)
    parts = site.view("host", host=host["document"]).parts
    assert [crew["queue"] for crew in parts["crews"]] == ["t:d"]
    assert parts["hour"]["cpu"] == [None] * 59 + [50]
    assert parts["hour"]["memory"] == [None] * 58 + [3 << 20, None]
    [event] = parts["events"]
    assert (event["level"], event["text"]) == ("error", "it died")
    assert abs(event["at"] - (client.time()[0] - 30)) < 5
    assert len(parts["workers"]) == 1


def test_host_that_is_gone_is_told_of(
    site: Site, client: Any, link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(client)
    publish(link, "h.1/0", "t:d")
    viewer = site.view("overview")
    viewer.until(lambda v: v.parts.get("totals", {}).get("hosts") == 1)
    monkeypatch.setattr(pace, "REPUBLISH", 0)  # it may be gone: so much time has passed
    client.zadd("{t:d}:leases", {"h.1/7": 4e12})
    client.delete("{woodenwaiter:hosts}:h.1/0")
    viewer.until(lambda v: "nothing is heard any more of h, pid 1" in str(v.parts))


def test_host_that_has_left_by_itself_is_not_told_of(
    site: Site, client: Any, link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(client)
    publish(link, "h.1/0", "t:d")
    viewer = site.view("overview")
    viewer.until(lambda v: v.parts.get("totals", {}).get("hosts") == 1)
    client.zadd("{t:d}:leases", {"other.1/7": 4e12})
    link.exchange(withdrawal("h.1/0"))
    viewer.until(lambda v: v.parts["totals"]["hosts"] == 0)
    assert "nothing is heard" not in str(viewer.parts["findings"])


def test_dead_letters_are_counted_and_counted_again(site: Site, client: Any) -> None:
    bury(client, error="E: 1")
    bury(client, error="E: 2")
    viewer = site.view("dead", queue="t%3Ad")
    viewer.until(lambda v: v.parts.get("groups", {}).get("letters") == 2)
    [group] = viewer.parts["groups"]["groups"]
    assert (group["count"], group["error"], group["example"]) == (2, "E: #", "E: 2")
    bury(client, error="F")
    viewer.until(lambda v: v.parts["groups"]["letters"] == 3)


def test_all_viewers_of_a_view_cost_what_one_does(site: Site, client: Any) -> None:
    for n in range(20):
        push(client, f"q:{n}")

    def calls_in(messages: int) -> float:
        first = viewers[0]
        before, start = int(client.info("stats")["total_commands_processed"]), first.messages
        first.until(lambda v: v.messages >= start + messages)
        return (int(client.info("stats")["total_commands_processed"]) - before) / messages

    viewers = [site.view("overview")]
    alone = calls_in(10)
    viewers += [site.view("overview") for _ in range(9)]
    assert calls_in(10) < 2 * alone


def test_nothing_is_read_while_nobody_looks(
    site: Site, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "UNWATCHED", 0.2)
    push(client)
    site.view("overview").close()

    def is_quiet() -> bool:
        before = client.info("commandstats")
        site.get("me")
        pace_of_looks = 3 * pace.WATCH
        eventually(lambda: True, seconds=pace_of_looks)
        after = client.info("commandstats")
        return bool(before.get("cmdstat_smembers") == after.get("cmdstat_smembers"))

    eventually(is_quiet, "an end of looks")
    assert site.view("overview").parts["queue/t%3Ad"]["waiting"] == 1


def test_redis_goes_away_and_comes_back(
    make_site: Callable[..., Site], make_server: Callable[..., Server]
) -> None:
    server = make_server()
    push(server.client)
    site = make_site(server)
    viewer = site.view("overview")
    server.stop()
    viewer.until(lambda v: v.trouble)
    assert "no usable Redis at" in viewer.trouble
    assert viewer.parts["queue/t%3Ad"]["waiting"] == 1
    assert "Redis" in site.get("letters", 503, queue="t%3Ad")["trouble"]
    server.start()
    viewer.until(lambda v: not v.trouble)
    job = site.done("pause", queue="t%3Ad")
    assert job["state"] == "done"


# Dead letters.


def test_letters_in_pages(site: Site, client: Any) -> None:
    names = [bury(client, error=f"E: {n}") for n in range(5)]
    first = site.get("letters", queue="t%3Ad", most="3")
    assert [each["letter"] for each in first["letters"]] == names[:1:-1]
    rest = site.get("letters", queue="t%3Ad", most="3", after=first["next"])
    assert [each["letter"] for each in rest["letters"]] == names[1::-1]
    some = site.get("letters", queue="t%3Ad", error="E: 3")
    assert [each["letter"] for each in some["letters"]] == [names[3]]
    group = first["letters"][0]["group"]
    assert len(site.get("letters", queue="t%3Ad", group=group)["letters"]) == 5


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({}, "queue is missing"),
        ({"queue": "t%3Ad", "after": "x"}, "no dead letter's name"),
        ({"queue": "t%3Ad", "older": "-1"}, "older is no number of seconds"),
        ({"queue": "t%3Ad", "most": "many"}, "most is no number"),
        ({"queue": "t%3Ad", "text": "x" * 2000}, "up to 1000 characters"),
    ],
)
def test_what_cannot_be_meant_is_refused(site: Site, asked: dict[str, str], why: str) -> None:
    assert why in site.get("letters", 400, **asked)["trouble"]


def test_one_letter_and_its_payload_in_parts(site: Site, client: Any) -> None:
    payload = json.dumps({"text": "x" * 200_000})
    name = bury(client, payload=payload, traceback="Traceback\n  File <script>")
    letter = site.get("letter", queue="t%3Ad", letter=name)
    assert (letter["size"], letter["whole"]) == (len(payload), False)
    text, start = letter["payload"], letter["to"]
    while start < letter["size"]:
        part = site.get("payload", queue="t%3Ad", letter=name, start=str(start))
        text, start = text + part["text"], part["to"]
    assert text == payload
    assert ["traceback", "Traceback\n  File <script>"] in letter["fields"]


def test_letter_that_is_gone(site: Site, client: Any) -> None:
    bury(client)
    assert "no such dead letter" in site.get("letter", 404, queue="t%3Ad", letter="1-1")["trouble"]


def test_values_are_hidden_everywhere(make_site: Callable[..., Site], server: Server) -> None:
    site, client = make_site(server, redact=("password",)), server.client
    secret = {"user": "anna", "password": "hunter2secret"}
    push(client, **secret)
    name = bury(client, payload=json.dumps(secret), error="LoginError: hunter2secret is wrong")
    told = [
        site.view("queue", queue="t%3Ad").parts,
        site.get("letters", queue="t%3Ad"),
        site.get("letter", queue="t%3Ad", letter=name),
        site.get("payload", queue="t%3Ad", letter=name),
        site.ask("GET", "/api/export?queue=t%3Ad")[1].decode(),
    ]
    for each in told:
        assert "hunter" not in str(each)
        assert "anna" in str(each)
    large = json.dumps({**secret, "text": "x" * 20_000})
    bury(client, payload=large, error="LoginError: hunter2secret is wrong")
    bury(client, payload="password=hunter2secret", reason="not JSON: hunter2secret")
    viewer = site.view("dead", queue="t%3Ad")
    viewer.until(lambda v: v.parts.get("groups", {}).get("letters") == 3)
    told = [viewer.parts, site.get("letters", queue="t%3Ad")]
    assert "hunter" not in str(told)
    assert "LoginError: •••" in str(told)
    edit = {"letters": [name], "payload": '{"password": "•••"}'}
    job = site.done("requeue", queue="t%3Ad", **edit)
    assert (job["state"], client.llen("t:d")) == ("failed", 1)
    assert "hidden" in str(job["troubles"])


def test_export_is_what_the_command_exports(
    site: Site, client: Any, do: Callable[..., str], tmp_path: Any
) -> None:
    for n in range(3):
        bury(client, payload=json.dumps({"n": n}), error=f"E{n}")
    status, content = site.ask("GET", "/api/export?queue=t%253Ad")
    file = tmp_path / "letters.jsonl"
    file.write_text(do("export", "t:d"))
    assert (status, [*lines_of(content)]) == (200, [*lines_of(file.read_bytes())])
    assert len([*lines_of(site.ask("GET", "/api/export?queue=t%253Ad&error=E1")[1])]) == 1


def test_letters_that_are_named_are_exported(site: Site, client: Any) -> None:
    names = [bury(client, error=f"E{n}") for n in range(4)]
    _, content = site.ask("GET", f"/api/export?queue=t%253Ad&letters={names[2]},{names[0]},9-9")
    assert [each["letter"] for each in lines_of(content)] == [names[2], names[0]]
    assert site.ask("GET", "/api/export?queue=t%253Ad&letters=x")[0] == 400


def test_last_page_says_so(site: Site, client: Any) -> None:
    bury(client, error="E")
    assert site.get("letters", queue="t%3Ad")["next"] is None
    assert site.get("letters", queue="t%3Ad", error="none is so") == {
        "letters": [],
        "next": None,
        "looked": 1,
        "of": 1,
    }


def test_what_is_hidden_cannot_be_guessed(make_site: Callable[..., Site], server: Server) -> None:
    site = make_site(server, redact=("password",))
    bury(server.client, payload='{"password": "hunter2secret"}')
    for name in ("text", "error", "reason"):
        asked = {"queue": "t%3Ad", name: "hunter2"}
        assert (
            "hidden"
            in json.loads(site.ask("GET", f"/api/letters?{urlencode(asked)}")[1])["trouble"]
        )
        assert "hidden" in str(site.do("drop", 400, queue="t%3Ad", filter={name: "hunter2"}))
        assert site.ask("GET", f"/api/export?{urlencode(asked)}")[0] == 400
    assert server.client.xlen(DEAD) == 1


@pytest.mark.parametrize("queue", ["\ud800", "%01" * 5000])
def test_names_that_cannot_be(site: Site, queue: str) -> None:
    assert "no name of a queue" in site.do("resume", 400, queue=queue)["trouble"]


def test_traces_of_a_name_that_is_no_text(site: Site) -> None:
    assert site.get("traces", queue="%ff") == {"traces": []}


def test_server_that_hangs_is_told_of_in_all_views(
    make_site: Callable[..., Site],
    make_server: Callable[..., Server],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pace, "PAGE_WAIT", 1.0)
    server = make_server()
    site = make_site(server)
    viewers = [site.view("queue", queue=f"q%3A{n}") for n in range(8)]
    os.kill(server.pid, signal.SIGSTOP)
    began = time.monotonic()
    for viewer in viewers:
        viewer.until(lambda v: v.trouble)
    assert time.monotonic() - began < 5 * pace.PAGE_WAIT, "not one after the other"
    os.kill(server.pid, signal.SIGCONT)
    began = time.monotonic()
    for viewer in viewers:
        viewer.until(lambda v: not v.trouble)
    assert time.monotonic() - began < 10, "not ten times as long as it took to fail"


# Doing.


def test_pause_and_resume_by_name(site: Site, client: Any, link: Link) -> None:
    push(client)
    job = site.done("pause", queue="t%3Ad", seconds=600, why="a <b>reason</b>")
    assert job["undo"] == {"verb": "resume", "queue": "t%3Ad"}
    row = site.view("queue", queue="t%3Ad").parts["queue/t%3Ad"]
    assert row["paused"]["why"] == "a <b>reason</b>"
    assert 590 < row["paused"]["left"] <= 600
    site.done(**job["undo"])
    assert not client.exists("{t:d}:paused")
    assert [(line.verb, line.who) for line in audit(link, 9)] == [("resume", "me"), ("pause", "me")]
    assert "page, from 127.0.0.1" in audit(link, 1)[0].where


def test_requeue_a_letter_an_edited_one_and_a_group(site: Site, client: Any) -> None:
    names = [bury(client, payload=json.dumps({"n": n}), error=f"E: {n}") for n in range(4)]
    bury(client, error="F")
    assert "1 dead letter back" in site.done("requeue", queue="t%3Ad", letters=names[:1])["said"]
    site.done("requeue", queue="t%3Ad", letters=[names[1]], payload='{"n": "edited"}')
    [group] = {e["group"] for e in site.get("letters", queue="t%3Ad", error="E")["letters"]}
    job = site.done("requeue", queue="t%3Ad", filter={"group": group})
    assert (job["looked"], job["total"]) == (3, 3)
    assert client.lrange("t:d", 0, -1)[::-1] == [
        b'{"n": 0}',
        b'{"n": "edited"}',
        b'{"n": 2}',
        b'{"n": 3}',
    ]
    assert client.xlen(DEAD) == 1


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({}, "filter is missing"),
        ({"letters": ["x"]}, "no dead letter's name"),
        ({"letters": "1-1"}, "no list of texts"),
        ({"letters": ["1-1"], "payload": "[]"}, "that is no task"),
        ({"letters": ["1-1", "1-2"], "payload": "{}"}, "for one dead letter"),
        ({"filter": {"older": "x"}}, "no number of seconds"),
    ],
)
def test_nothing_is_requeued_by_mistake(site: Site, client: Any, asked: Any, why: str) -> None:
    bury(client)
    assert why in site.do("requeue", 400, queue="t%3Ad", **asked)["trouble"]
    assert client.xlen(DEAD) == 1


def test_drop_undo_and_empty(site: Site, client: Any) -> None:
    names = [bury(client) for _ in range(3)]
    job = site.done("drop", queue="t%3Ad", filter={})
    assert (client.xlen(DEAD), job["undo"]["trash"]) == (0, trash_of(client))
    [trash] = site.get("trashes")["trashes"]
    assert (trash["number"], trash["kind"], trash["queue"]) == (3, "letters", "t:d")
    assert "3 dead letters back in t:d" in site.done(**job["undo"])["said"]
    assert client.xlen(DEAD) == 3
    site.done("drop", queue="t%3Ad", letters=[client.xrange(DEAD)[0][0].decode()])
    site.done("empty", queue="t%3Ad", trash=trash_of(client))
    assert site.get("trashes")["trashes"] == []
    again = site.done("drop", queue="t%3Ad", letters=names[:1])
    assert "gone already" in str(again["troubles"])


def test_purge_and_undo(site: Site, client: Any) -> None:
    push(client, n=1)
    job = site.done("purge", queue="t%3Ad", kind="tasks")
    assert client.llen("t:d") == 0
    site.done(**job["undo"])
    assert client.lrange("t:d", 0, -1) == [b'{"n": 1}']
    assert site.done(**job["undo"])["state"] == "failed"


def test_cancel_what_waits(site: Site, client: Any) -> None:
    push(client, n=1)
    [task] = site.view("queue", queue="t%3Ad").parts["next"]
    job = site.done("cancel", queue="t%3Ad", task=task["name"])
    assert "cancelled while waiting" in job["said"]
    assert site.done("cancel", queue="t%3Ad", task=task["name"])["troubles"]


@pytest.mark.parametrize("verb", ["pause", "drop", "stop", "purge"])
def test_read_only_changes_nothing(
    make_site: Callable[..., Site], server: Server, verb: str
) -> None:
    site = make_site(server, read_only=True)
    bury(server.client)
    told = site.do(verb, 403, queue="t%3Ad", filter={}, job="x")
    assert "read-only" in told["trouble"]
    assert server.client.xlen(DEAD) == 1
    assert site.do("look", queue="t%3Ad") == {}


@pytest.mark.parametrize("body", ["", [], "{", "[" * 10_000, None])
def test_what_is_no_object_is_refused(site: Site, body: Any) -> None:
    status, _ = site.post(body)
    assert status == 400


def test_long_job_is_seen_by_all_and_can_be_stopped(
    site: Site, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with client.pipeline() as pipe:
        for n in range(3000):
            pipe.xadd(DEAD, {"payload": json.dumps({"n": n}), "error": "E"})
        pipe.execute()
    other = site.view("audit")
    gate = monkeypatch.setattr("woodenwaiter.verbs.letters.AT_ONCE", 1)
    assert gate is None
    job = site.do("requeue", queue="t%3Ad", filter={})
    site.do("stop", job=job["id"])
    name = f"job/{job['id']}"
    other.until(lambda v: v.parts.get(name, {}).get("ended"))
    assert other.parts[name]["state"] in ("stopped", "done")
    assert client.xlen(DEAD) + client.llen("t:d") == 3000


def test_job_that_is_cut_off_stands_in_the_audit(
    server: Server, link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(letters.batches, "__defaults__", (1,))
    with server.client.pipeline() as pipe:
        for n in range(3000):
            pipe.xadd(DEAD, {"payload": json.dumps({"n": n}), "error": "E"})
        pipe.execute()
    with Site(server) as site:
        site.do("drop", queue="t%3Ad", filter={})
        eventually(lambda: server.client.hkeys("{t:d}:trash"), "a trash")
    [line] = audit(link, 9)
    assert line.count == 3000 - server.client.xlen(DEAD) > 0


def test_job_that_ends_at_once_has_ended(
    site: Site, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where whoever has begun it is slower than it."""
    push(client)
    start = threading.Thread.start

    def started(thread: threading.Thread) -> None:
        start(thread)
        if thread.name.startswith("job"):
            thread.join(0.2)

    monkeypatch.setattr(threading.Thread, "start", started)
    for _ in range(3):
        assert site.done("resume", queue="t%3Ad")["state"] == "done"


def test_no_thread_can_be_had(site: Site, client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    push(client)
    site.get("me")

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        for _ in range(10):
            assert "no thread left" in site.do("pause", 503, queue="t%3Ad")["trouble"]
    assert site.done("pause", queue="t%3Ad")["state"] == "done"


def test_who_runs_what_where_and_verbs_of_hosts(site: Site, app: Application) -> None:
    app.push({"n": 1, "sleep": 600})
    supervisor = app.serve()
    supervisor.logged("started")
    viewer = site.view("queue", queue="t%3Ad")
    viewer.until(lambda v: v.parts.get("running"))
    [task] = viewer.parts["running"]
    [trace] = site.get("traces", queue="t%3Ad")["traces"]
    assert (trace["claim"], "in handle" in trace["text"]) == (task["claim"], True)
    job = site.done("host", documents=[task["document"]], do="quiet")
    assert "takes no new tasks" in job["said"]
    hosts = site.view("hosts")
    hosts.until(lambda v: v.parts[f"host/{task['document']}"]["state"] == "quiet")
    job = site.done("cancel", queue="t%3Ad", task=task["claim"])
    assert "ended in" in job["said"]
    assert "none of them" in str(site.done("host", documents=["x"], do="quiet")["troubles"])
    assert "hosts know no verb" in site.do("host", 400, documents=["x"], do="x")["trouble"]


def test_connections_are_given_back(site: Site, client: Any, server: Server) -> None:
    push(client)
    with closing(Link(client, timeout=10)):
        for _ in range(20):
            site.get("letters", queue="t%3Ad")
    names = [each["name"] for each in client.client_list()]
    assert len([name for name in names if name.endswith(":page")]) <= 5, "one is the reader's"


def test_successor_of_a_host_that_started_anew(site: Site, link: Link) -> None:
    one, other = (f"h.1.{digit * 32}/0" for digit in "ab")
    publish(link, other, "t:d")
    assert site.view("host", host=one).parts["successor"] == other.replace("/", "%2F")
    assert site.view("host", host="another.2/0").parts == {}


def test_what_fails_by_a_defect_is_told_and_outlived(
    site: Site, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(client)
    with monkeypatch.context() as patch:
        patch.setattr("woodenwaiter.web.plane.overviews", lambda *_: 1 / 0)
        patch.setattr("woodenwaiter.web.counting.groups", lambda *_: 1 / 0)
        patch.setattr("woodenwaiter.verbs.pausing.pause", lambda *_: 1 / 0)
        bury(client)
        viewer = site.view("dead", queue="t%3Ad")
        viewer.until(lambda v: v.trouble and v.parts.get("groups", {}).get("trouble"))
        assert "ZeroDivisionError" in viewer.trouble
        assert "ZeroDivisionError" in viewer.parts["groups"]["trouble"]
        assert "ZeroDivisionError" in str(site.done("pause", queue="t%3Ad")["troubles"])
    viewer.until(lambda v: not v.trouble and v.parts["groups"].get("letters") == 1)


def test_too_many_queues_are_not_counted_at_once(
    site: Site, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("woodenwaiter.web.counting.AT_ONCE", 2)
    for name in ("a", "b"):
        site.view("dead", queue=name)
    assert site.ask("GET", "/api/events?view=dead&queue=c")[0] == 503


def test_application_is_made_of_a_url(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    assert callable(application(server.url, user=lambda _: "anna", redact=["password"]))
    with pytest.raises(StartupError, match="late must be"):
        application(server.url, late=-1)
    monkeypatch.setattr("woodenwaiter.web.packages.find_spec", lambda _: None)
    with pytest.raises(StartupError, match=r"pip install 'woodenwaiter\[web\]'"):
        application(server.url)
