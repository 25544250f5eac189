"""Whatever bytes a producer pushes end in a handler or, whole, in the dead letters; and whatever
somebody puts under a key of the protocol stops that queue alone, until it is gone."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from woodenwaiter.errors import BadEntry
from woodenwaiter.protocol.entry import RECORD_SEPARATOR, Entry, foods, load
from woodenwaiter.protocol.verdict import DeadLetter, Failure, Policy, Redeliver, judge
from woodenwaiter.worker.failures import failure_of
from woodenwaiter.worker.handling import delivery_of

from ..support import Server, Supervisor, eventually, lines

DEEP = 100_000
LARGE = 100 << 20
HEADER = {"id": "host.1/1", "deliveries": 1, "first_failed": 1.5, "reason": "because"}


def framed(payload: bytes, **changes: Any) -> bytes:
    return RECORD_SEPARATOR + json.dumps({**HEADER, **changes}).encode() + b"\n" + payload


TASKS = {
    "NaN": b'{"name": "NaN", "n": [NaN, Infinity, -Infinity]}',
    "duplicate keys": b'{"name": "first", "name": "duplicate keys"}',
    "lone surrogate": rb'{"name": "lone surrogate", "n": "\ud800", "\udfff": 0}',
    "NUL": rb'{"name": "NUL", "n": "\u0000"}',
    "huge number": b'{"name": "huge number", "n": 1' + b"0" * 4000 + b", " + b'"x": 1e99999}',
    "spaces around": b' \r\n\t{"name": "spaces around"}\n ',
    "some nesting": b'{"name": "some nesting", "n": ' + b"[" * 500 + b"]" * 500 + b"}",
    "key of the class": b'{"name": "key of the class", "__class__": "os.system", "self": 1}',
    "header": framed(b'{"name": "header"}'),
    "header with lone surrogate": framed(
        b'{"name": "header with lone surrogate"}', reason="\ud800"
    ),
    "header with more": framed(b'{"name": "header with more"}', more=[]),
}
"""What is a task, by the name that its handler gets."""

BURIED = {
    "empty": b"",
    "space": b" ",
    "NUL byte": b"\x00",
    "invalid UTF-8": b'{"a": "\xff\xfe"}',
    "encoded surrogate": b'{"a": "\xed\xa0\x80"}',
    "overlong UTF-8": b'{"a": "\xc0\x80"}',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "byte order mark": b'\xef\xbb\xbf{"a": 1}',
    "array": b'[{"a": 1}]',
    "string": b'"a"',
    "number": b"1",
    "null": b"null",
    "bare NaN": b"NaN",
    "cut": b'{"a": ',
    "two objects": b"{}{}",
    "single quotes": b"{'a': 1}",
    "pickle": b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00}\x94\x8c\x01a\x94K\x01s.",
    "deep arrays": b"[" * DEEP,
    "deep objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "number too long": b'{"a": 1' + b"0" * 100_000 + b"}",
    "separator alone": RECORD_SEPARATOR,
    "two separators": RECORD_SEPARATOR * 2 + b"{}\n{}",
    "header without newline": framed(b"")[:-1],
    "header without payload": framed(b""),
    "header before garbage": framed(b"\xff\x00\n\x1e"),
    "header twice": framed(framed(b"{}")),
    "header is an array": RECORD_SEPARATOR + b"[]\n{}",
    "header is null": RECORD_SEPARATOR + b"null\n{}",
    "header is no JSON": RECORD_SEPARATOR + b"\xff\n{}",
    "header is deep": RECORD_SEPARATOR + b"[" * DEEP + b"\n{}",
    "header lacks the id": RECORD_SEPARATOR + b'{"deliveries": 1}\n{}',
    "header of 10^30 deliveries": framed(b"{}", deliveries=10**30),
    "header of negative deliveries": framed(b"{}", deliveries=-1),
    "header of no deliveries": framed(b"{}", deliveries=0),
    "header of NaN deliveries": framed(b"{}", deliveries=float("nan")),
    "header of true deliveries": framed(b"{}", deliveries=True),
    "header from the far future": framed(b"{}", first_failed=1e300),
    "header from never": framed(b"{}", first_failed=float("nan")),
    "header of an infinite id": framed(b"{}", id=["x"] * 1000),
    "header of an id in two lines": framed(b"{}", id="a\nb"),
    "header of a long id": framed(b"{}", id="x" * 100_000),
    "header of a reason that is none": framed(b"{}", reason={}),
}
"""What is none."""


def payload_of(raw: bytes) -> bytes:
    """What was pushed, as far as that can be told: all of it where the header is not ours."""
    try:
        return load(raw).payload
    except BadEntry:
        return raw


def outcome(raw: bytes) -> dict[str, Any] | DeadLetter:
    """What a worker makes of an entry."""
    try:
        task = foods(raw)
    except BadEntry as error:
        verdict = judge(raw, "host.1/7", failure_of(error), Policy(), "host.1")
        assert isinstance(verdict, DeadLetter)
        return verdict
    assert delivery_of(raw, "host.1/7", Policy()).number >= 1
    return task


def check_outcome(raw: bytes) -> None:
    result = outcome(raw)
    if isinstance(result, DeadLetter):
        assert result.fields["payload"] == payload_of(raw)
        assert result.fields["reason"] == b"unreadable entry"
        assert all(isinstance(value, bytes) for value in result.fields.values())
        assert len(result.fields["error"]) < 1000
        assert len(result.summary) < 2000
        assert result.summary.isprintable()
    else:
        assert type(result) is dict


@pytest.mark.parametrize("name", TASKS)
def test_tasks_are_handed_out(name: str) -> None:
    result = outcome(TASKS[name])
    assert isinstance(result, dict)
    assert result["name"] == name


@pytest.mark.parametrize("name", BURIED)
def test_what_is_no_task_is_buried_whole(name: str) -> None:
    assert isinstance(outcome(BURIED[name]), DeadLetter)
    check_outcome(BURIED[name])


@pytest.mark.parametrize("end", [b'"}', b'"]', b""])
def test_large_entries(end: bytes) -> None:
    check_outcome(b'{"a": "' + b"x" * LARGE + end)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
FORGED = st.dictionaries(st.sampled_from(sorted(HEADER)), JSON).map(lambda fields: HEADER | fields)
ENTRIES = st.one_of(
    st.binary(),
    JSON.map(lambda value: json.dumps(value).encode()),
    st.text().map(lambda text: text.encode(errors="surrogatepass")),
    st.binary().map(lambda rest: RECORD_SEPARATOR + rest),
    st.binary().map(framed),
    st.tuples(FORGED, st.binary()).map(
        lambda parts: RECORD_SEPARATOR + json.dumps(parts[0]).encode() + b"\n" + parts[1]
    ),
    st.tuples(st.just(framed(b"{}")), st.integers(0, 90), st.binary(max_size=3)).map(
        lambda parts: parts[0][: parts[1]] + parts[2] + parts[0][parts[1] :]
    ),
)


@given(ENTRIES)
def test_any_entry_is_a_task_or_is_buried_whole(raw: bytes) -> None:
    check_outcome(raw)


@given(ENTRIES, st.text(), st.integers(1, 4))
def test_any_entry_that_fails_stays_whole(raw: bytes, error: str, deliveries: int) -> None:
    """Also where its worker died of it, before it could be read."""
    policy = Policy(max_deliveries=deliveries)
    pushed, failure = payload_of(raw), Failure("its worker died", error, error)
    for _ in range(deliveries):
        verdict = judge(raw, "host.1/7", failure, policy, "host.1")
        if isinstance(verdict, DeadLetter):
            break
        assert isinstance(verdict, Redeliver)
        assert load(verdict.entry).payload == pushed
        raw = verdict.entry
    assert isinstance(verdict, DeadLetter)
    assert verdict.fields["payload"] == pushed


def test_header_is_only_what_a_header_says() -> None:
    assert load(framed(b"{}")) == Entry(b"{}", **HEADER)  # type: ignore[arg-type]


APP = """
    from woodenwaiter import Backoff, WoodenCustomer, WoodenManager, WoodenWaiter

    def handle(foods):
        if foods.get("fail"):
            raise ValueError("told to fail")
        with open("done", "a") as done:
            done.write(f"{foods['name']}\\n")

    manager = WoodenManager()
    for table in "tu":
        manager.add_customer(
            WoodenCustomer(table, "d", WoodenWaiter(), handle, 0.2, backoff=Backoff(0, 0))
        )
"""


def test_supervisor_takes_it_all(server: Server, tmp_path: Path) -> None:
    """A worker that any of it killed would have been replaced, and said so."""
    client = server.client
    large = b'{"a": "' + b"x" * LARGE
    corpus = [*TASKS.values(), *BURIED.values(), large]
    with Supervisor(tmp_path, APP, "--redis", server.url) as supervisor:
        supervisor.ready(2)
        workers = {worker.pid for worker in supervisor.workers()}
        for raw in corpus:
            client.lpush("t:d", raw)
        client.lpush("t:d", b'{"name": "last"}')
        eventually(lambda: "last" in lines(tmp_path / "done"), "the last task", 60)
        eventually(lambda: client.llen("t:d") == 0)
        assert {worker.pid for worker in supervisor.workers()} == workers
        assert supervisor.stop() == 0
    assert sorted(lines(tmp_path / "done")) == sorted([*TASKS, "last"])
    buried = [fields[b"payload"] for _, fields in client.xrange("{t:d}:dead")]
    assert sorted(buried) == sorted(payload_of(raw) for raw in [*BURIED.values(), large])
    assert len(supervisor.log) < 100_000
    client.delete("{t:d}:dead")


@pytest.mark.parametrize("key", ["", "arrivals", "settled", "leases", "delayed", "dead", "claims"])
def test_wrong_type_under_a_key(server: Server, tmp_path: Path, key: str) -> None:
    client = server.client
    with Supervisor(tmp_path, APP, "--redis", server.url) as supervisor:
        supervisor.ready(2)
        processes = {process.pid for process in supervisor.tree()}
        spoilt = f"{{t:d}}:{key}" if key else "t:d"
        if key == "claims":
            owner = client.hkeys("{t:d}:settled")[0].decode()
            spoilt = f"{{t:d}}:claims:{owner}"
        client.set(spoilt, "a string")
        if key:
            client.lpush("t:d", b'{"name": "meanwhile"}', b'{"fail": 1}', b"no task")
        supervisor.logged("WRONGTYPE")
        until = time.monotonic() + 1.5  # seconds in which it could say it again, and again
        for n in range(10):
            client.lpush("u:d", b'{"name": "other %d"}' % n)
        eventually(
            lambda: len([line for line in lines(tmp_path / "done") if "other" in line]) == 10
        )
        eventually(lambda: time.monotonic() > until)
        told = [line for line in supervisor.log.splitlines() if "WRONGTYPE" in line]
        assert len(told) <= 2, "one of the worker, one of the housekeeper"
        client.delete(spoilt)
        client.lpush("t:d", b'{"name": "afterwards"}')
        wanted = {"meanwhile", "afterwards"} if key else {"afterwards"}
        eventually(lambda: wanted <= set(lines(tmp_path / "done")), "what was pushed", 40)
        if key:
            eventually(lambda: client.xlen("{t:d}:dead") == 2, "two dead letters", 40)
        assert {process.pid for process in supervisor.tree()} == processes
        assert supervisor.stop() == 0
    assert supervisor.log.count("WRONGTYPE") <= 3
