"""Dead letters, many at once: which are meant, and what becomes of them, whoever comes between."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from itertools import count, product
from threading import Barrier
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from woodenwaiter.errors import BadEntry
from woodenwaiter.protocol import letters
from woodenwaiter.protocol.entry import Suspicion, load
from woodenwaiter.protocol.letters import Filter, Pick, batches, extent_of, header_of
from woodenwaiter.protocol.link import Link
from woodenwaiter.protocol.looks import ENOUGH_BYTES, delayed
from woodenwaiter.verbs import exports
from woodenwaiter.verbs.audit import audit
from woodenwaiter.verbs.desk import Desk
from woodenwaiter.verbs.exports import checked, exported, letter_in, line_of
from woodenwaiter.verbs.letters import (
    Choice,
    drop,
    groups,
    listed,
    named,
    requeue,
    sought,
    streamed,
)

from ..counting import accounts
from ..interrupted import InterruptedLink

DEAD, DELAYED, TALLY, IMPORTS = "{t:d}:dead", "{t:d}:delayed", "{t:d}:tally", "{t:d}:imports"
NUMBER = 10
PAYLOADS = [json.dumps({"n": n}).encode() for n in range(NUMBER)]
A_DAY = 86400


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(letters.batches, "__defaults__", (3,))
    monkeypatch.setattr(requeue, "__kwdefaults__", {"delay": 0.0, "payload": b"", "at_once": 3})


def desk(link: Link) -> Desk:
    return Desk(link, "me", "here")


def last_of(steps: Iterator[Any]) -> Any:
    *_, last = steps
    return last


def bury(client: Any, **fields: Any) -> str:
    usual = {"id": "a/1", "reason": "the handler failed", "error": "E: 1", "payload": "{}"}
    return str(client.xadd(DEAD, usual | fields).decode())


def bury_all(client: Any) -> list[str]:
    return [bury(client, id=f"a/{n}", payload=payload) for n, payload in enumerate(PAYLOADS)]


ANY = Filter()


def everything(link: Link, what: Filter = ANY) -> Choice:
    return sought(link, "t:d", what)


def payloads(client: Any, key: str = DEAD) -> list[bytes]:
    return [fields.get(b"payload", b"") for _, fields in client.xrange(key)]


# Which are meant.


def test_letters_are_grouped_by_what_they_have_in_common(link: Link, client: Any) -> None:
    for n in range(5):
        bury(client, error=f"E: no '{n}'")
    last = bury(client, error="E: no 'x'")
    bury(client, error="F: no 'x'")
    bury(client, reason="it died", error="")
    found = groups(link, "t:d", Filter())
    told = [(group.reason, group.error, group.count) for group in found.groups]
    assert told[0] == ("the handler failed", "E: no '…'", 6)
    assert {*told[1:]} == {("the handler failed", "F: no '…'", 1), ("it died", "", 1)}
    first = found.groups[0]
    assert (first.letter, first.example, found.letters) == (last, "E: no 'x'", 8)
    assert first.first <= first.last <= found.now
    picks = everything(link, Filter(group=first.group)).picks
    assert len(picks) == 6
    assert picks[-1].name == last


def test_no_letters(link: Link) -> None:
    assert extent_of(link, "t:d") is None
    assert groups(link, "t:d", Filter()) == ([], 0, 0)
    assert everything(link) == ([], "all", ())
    assert list(listed(link, "t:d", Filter(), 5)) == []


FILTERS: list[tuple[Filter, list[int]]] = [
    (Filter(), [0, 1, 2]),
    (Filter(error="octarine"), [0]),
    (Filter(reason="octarine"), []),
    (Filter(reason="handler"), [0, 2]),
    (Filter(text="é"), [1]),
    (Filter(text="octarine"), [2]),
    (Filter(text="traceback"), []),
    (Filter(reason="handler", text="octarine"), [2]),
    (Filter(error="far away"), [2]),
]


@pytest.mark.parametrize(("what", "meant"), FILTERS, ids=str)
def test_filters(link: Link, client: Any, what: Filter, meant: list[int]) -> None:
    far = "x" * 5000 + "far away"
    names = [
        bury(client, error="no octarine", traceback="a traceback"),
        bury(client, reason="it died", payload=json.dumps({"a": "é"})),
        bury(client, payload="x" * 5000 + "octarine", error=far),
    ]
    assert [pick.name for pick in everything(link, what).picks] == [names[n] for n in meant]


def test_ages(link: Link, client: Any) -> None:
    now = int(client.time()[0])
    names = []
    for ago in (7200, 3600, 60):
        name = f"{(now - ago) * 1000}-0"
        client.xadd(DEAD, {"payload": "{}"}, id=name)
        names.append(name)

    def meant(older: float | None = None, newer: float | None = None) -> list[str]:
        return [pick.name for pick in everything(link, Filter(older, newer)).picks]

    assert meant(older=3000) == names[:2]
    assert meant(newer=4000) == names[1:]
    assert meant(older=3000, newer=4000) == names[1:2]
    assert meant(newer=1) == meant(older=9000) == []
    assert meant(newer=1e9) == names


def test_old_ones_are_found_without_a_look_at_the_others(link: Link, client: Any) -> None:
    client.xadd(DEAD, {"payload": "{}"}, id="1-1")
    for _ in range(5000):
        client.xadd(DEAD, {"payload": "{}"})
    client.config_resetstat()
    assert len(everything(link, Filter(older=60)).picks) == 1
    assert client.info("commandstats")["cmdstat_evalsha"]["calls"] <= 4


def test_all_are_those_that_were_there(link: Link, client: Any) -> None:
    names = bury_all(client)
    extent = extent_of(link, "t:d")
    assert extent
    bury(client)
    found = [o.name for p in letters.walk_through(link, "t:d", extent, Filter()) for o in p.found]
    assert found == names


def test_named_letters(link: Link, client: Any) -> None:
    names = bury_all(client)
    far = "99999999999999999999-0"  # of which a server says that it is none
    choice = named(link, "t:d", [names[3], "1-1", names[0], far])
    assert [pick.name for pick in choice.picks] == [names[3], names[0]]
    assert choice.missing == ["1-1", far]
    assert [pick.task for pick in choice.picks] == ["a/3", "a/0"]


def test_portions_do_not_grow_with_the_letters(link: Link, client: Any) -> None:
    for _ in range(5):
        bury(client, payload="x" * (1 << 20))
    extent = extent_of(link, "t:d")
    assert extent
    looks = [portion.looked for portion in letters.walk_through(link, "t:d", extent, Filter())]
    assert looks == [1] * 5


@given(st.lists(st.integers(0, ENOUGH_BYTES * 2), max_size=30), st.integers(1, 10))
def test_batches_are_small_and_have_all(sizes: list[int], most: int) -> None:
    picks = [Pick(str(n), size) for n, size in enumerate(sizes)]
    found = [*batches(picks, most)]
    assert [pick for batch in found for pick in batch] == picks
    for batch in found:
        assert 1 <= len(batch) <= most
        assert len(batch) == 1 or sum(pick.size for pick in batch) <= ENOUGH_BYTES


# From the latest on.


def back(link: Link, what: Filter = ANY, most: int = 3) -> list[list[str]]:
    """The names on each page, each of which goes on after the one before."""
    extent, after = extent_of(link, "t:d"), ""
    pages: list[list[str]] = []
    assert extent
    while True:
        page = next(letters.walk_back(link, "t:d", extent, what, after, most), None)
        if page is None:
            return pages
        pages.append([each.name for each in page.found])
        if not (after := page.after):
            return pages


def test_letters_are_paged_from_the_latest_on(link: Link, client: Any) -> None:
    names = bury_all(client)
    assert back(link) == [names[:-4:-1], names[-4:-7:-1], names[-7:-10:-1], names[:1]]
    assert back(link, most=NUMBER) in ([names[::-1]], [names[::-1], []])


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_pages_have_what_is_sought_and_nothing_else(data: Any, link: Link, client: Any) -> None:
    client.delete(DEAD)
    times = sorted(data.draw(st.lists(st.integers(1, 40), min_size=1, max_size=12)))
    now = client.time()[0]
    for number, ago in enumerate(reversed(times)):
        client.xadd(
            DEAD, {"error": f"E: {ago % 3}", "payload": "{}"}, f"{(now - ago) * 1000}-{number}"
        )
    what = Filter(
        older=data.draw(st.none() | st.integers(0, 40)),
        newer=data.draw(st.none() | st.integers(0, 40)),
        error=data.draw(st.sampled_from(["", "E: 1", "E: 9"])),
    )
    pages = back(link, what, data.draw(st.integers(1, 5)))
    forth = [outline.name for outline in listed(link, "t:d", what, NUMBER * 10)]
    assert [name for page in pages for name in page] == forth[::-1]


def test_letters_that_are_streamed_are_those_that_are_sought(link: Link, client: Any) -> None:
    bury_all(client)
    bury(client, error="F")
    heard: list[tuple[int, int]] = []
    stream = streamed(link, "t:d", Filter(error="E"), lambda *far: heard.append(far))
    assert stream.total == NUMBER + 1
    assert [*stream.picks] == [*everything(link, Filter(error="E")).picks]
    assert heard[-1] == (NUMBER + 1, NUMBER + 1)


def test_what_becomes_a_letter_while_they_are_streamed_is_not_among_them(
    link: Link, client: Any, small_batches: None
) -> None:
    bury_all(client)
    stream = streamed(link, "t:d", ANY)
    for _ in drop(desk(link), "t:d", stream):
        bury(client, id="later", payload="{}")
    assert {*payloads(client)} == {b"{}"}


def test_none_are_streamed_where_there_are_none(link: Link) -> None:
    assert (streamed(link, "t:d", ANY).total, [*streamed(link, "t:d", ANY).picks]) == (0, [])


# Putting back.


def test_requeued_ones_come_in_their_order(link: Link, client: Any, small_batches: None) -> None:
    bury_all(client)
    foreign = client.xadd(DEAD, {"data": "1"}).decode()
    steps = [*requeue(desk(link), "t:d", everything(link))]
    assert [(step.looked, step.number) for step in steps[:3]] == [(3, 3), (6, 6), (9, 9)]
    assert (steps[-1].number, steps[-1].left, steps[-1].total) == (NUMBER, (foreign,), NUMBER + 1)
    assert client.lrange("t:d", 0, -1) == PAYLOADS[::-1]
    assert client.xlen(DEAD) == 1
    [line] = audit(link, 10)
    assert (line.verb, line.queue, line.what, line.count) == ("requeue", "t:d", "all", NUMBER)


def test_delayed_ones_keep_their_ids_and_are_told_apart(link: Link, client: Any) -> None:
    for task in ("a/1", "a/1", "", "\x1b", "x" * 5000):
        bury(client, id=task)
    client.xadd(DEAD, {"payload": "{}"})
    names = [name.decode() for name, _ in client.xrange(DEAD)]
    assert last_of(requeue(desk(link), "t:d", everything(link), delay=600)).number == 6
    entries = [load(entry) for entry in client.zrange(DELAYED, 0, -1)]
    assert len(entries) == 6
    assert Counter(entry.id for entry in entries) == Counter(
        ["a/1", "a/1", names[2], names[3], "x" * 1000, names[5]]
    )
    for entry in entries:
        assert (entry.payload, entry.deliveries, entry.suspicion) == (b"{}", 0, Suspicion.HELD)
    for told in delayed(link, "t:d", 10):
        assert told.due == pytest.approx(600, abs=30)
        assert (told.deliveries, told.reason[:24]) == (0, "requeued from dead lette")


@given(st.text())
def test_header_can_be_read_whatever_the_task_was_called(task: str) -> None:
    entry = load(header_of(Pick("1-1", 2, task)) + b"{}")
    assert (entry.payload, entry.deliveries) == (b"{}", 0)


def test_payload_may_be_another(link: Link, client: Any) -> None:
    name = client.execute_command("XADD", DEAD, "*", "payload", "1", "payload", "2").decode()
    choice = named(link, "t:d", [name])
    done = last_of(requeue(desk(link), "t:d", choice, payload=b'{"n": 1}'))
    assert (done.number, client.lrange("t:d", 0, -1)) == (1, [b'{"n": 1}'])
    assert last_of(requeue(desk(link), "t:d", choice, payload=b"{}")).number == 0
    assert client.llen("t:d") == 1


@pytest.mark.parametrize("delay", [0, 600])
def test_accounts_are_true(link: Link, client: Any, delay: float) -> None:
    client.hset(TALLY, mapping={"buried": NUMBER})
    bury_all(client)
    last_of(requeue(desk(link), "t:d", everything(link), delay=delay))
    [now] = accounts(link, ["t:d"])
    assert not isinstance(now, Exception)
    assert (now.pushed, now.requeued, now.waiting + now.delayed) == (NUMBER, NUMBER, NUMBER)


# Interrupted anywhere, and two at once.


Act = Callable[[Link], None]


def requeue_all(link: Link) -> None:
    last_of(requeue(desk(link), "t:d", everything(link)))


def delay_all(link: Link) -> None:
    last_of(requeue(desk(link), "t:d", everything(link), delay=600))


def drop_all(link: Link) -> None:
    last_of(drop(desk(link), "t:d", everything(link)))


LINES = [
    line_of("t:d", f"1-{n}", [b"payload", payload, b"\xff", b"\xfe"]).encode()
    for n, payload in enumerate(PAYLOADS)
]


def import_all(link: Link) -> None:
    last_of(exports.add(desk(link), "t:d", LINES, len(LINES)))


def state(client: Any) -> dict[str, Any]:
    """All that there is, but for times, and the names of letters and trashes."""
    trashes = sorted(client.keys("{t:d}:trash:*"))
    return {
        "waiting": client.lrange("t:d", 0, -1),
        "delayed": sorted((load(e).id, load(e).payload) for e in client.zrange(DELAYED, 0, -1)),
        "dead": payloads(client),
        "thrown": Counter(payload for key in trashes for payload in payloads(client, key)),
        "tally": client.hgetall(TALLY),
    }


@pytest.mark.parametrize("error", [redis.ConnectionError("lost"), KeyboardInterrupt()], ids=repr)
@pytest.mark.parametrize("is_sent", [False, True])
@pytest.mark.parametrize("act", [requeue_all, delay_all, drop_all, import_all])
def test_interrupted_anywhere_and_repeated_is_once(
    link: Link, client: Any, small_batches: None, act: Act, is_sent: bool, error: BaseException
) -> None:
    bury_all(client)
    act(link)
    expected = state(client)
    assert any(expected.values())
    for at in count(1):
        client.flushdb()
        bury_all(client)
        with closing(InterruptedLink(client, at, error, is_sent=is_sent)) as broken:
            with suppress(type(error)):
                act(broken)
            act(link)
        assert state(client) == expected, at
        if broken.asked < at:
            assert at > 5
            return


def test_interrupted_one_leaves_a_line(link: Link, client: Any, small_batches: None) -> None:
    bury_all(client)
    steps = requeue(desk(link), "t:d", everything(link))
    next(steps)
    steps.close()
    [line] = audit(link, 10)
    assert (line.verb, line.count) == ("requeue", 3)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_verbs_in_any_order_lose_nothing(link: Link, client: Any, data: st.DataObject) -> None:
    """Of which each is interrupted somewhere: every payload is somewhere, and in one place."""
    client.flushdb()
    bury_all(client)
    for _ in range(4):
        act = data.draw(st.sampled_from([requeue_all, delay_all, drop_all]))
        at, is_sent = data.draw(st.integers(1, 8)), data.draw(st.booleans())
        error = redis.ConnectionError("lost")
        broken = InterruptedLink(client, at, error, is_sent=is_sent)
        with closing(broken), suppress(redis.ConnectionError):
            act(broken)
    now = state(client)
    there = Counter(now["waiting"]) + Counter(now["dead"]) + now["thrown"]
    there += Counter(payload for _, payload in now["delayed"])
    assert there == Counter(PAYLOADS)


@pytest.mark.parametrize(
    ("one", "another"), [*product((requeue_all, drop_all), repeat=2), (import_all, import_all)]
)
def test_two_at_once_do_each_letter_once(client: Any, one: Act, another: Act) -> None:
    number = 2000
    if one is not import_all:
        for n in range(number):
            bury(client, payload=str(n))
    barrier = Barrier(2)

    def work(act: Act) -> None:
        with closing(Link(client, timeout=10)) as own:
            barrier.wait()
            act(own)

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(work, act) for act in (one, another)]:
            done.result(30)
    now = state(client)
    if one is import_all:
        assert Counter(now["dead"]) == Counter(PAYLOADS)
        return
    there = Counter(now["waiting"]) + Counter(now["dead"]) + now["thrown"]
    assert there == Counter(str(n).encode() for n in range(number))
    assert now["dead"] == []
    with closing(Link(client, timeout=10)) as own:
        assert sum(line.count for line in audit(own, 10)) == number


# Keys of wrong types.


@pytest.mark.parametrize("key", ["t:d", DELAYED, DEAD, TALLY, IMPORTS, "{t:d}:trash"])
@pytest.mark.parametrize("act", [requeue_all, delay_all, drop_all, import_all])
def test_keys_of_wrong_types_lose_nothing(link: Link, client: Any, act: Act, key: str) -> None:
    bury_all(client)
    before = Counter(PAYLOADS)
    client.delete(key)
    client.set(key, "text")
    with suppress(redis.ResponseError):
        act(link)
    assert client.get(key) == b"text"
    client.delete(key)
    if key == DEAD:
        return
    now = state(client)
    there = Counter(now["waiting"]) + Counter(now["dead"]) + now["thrown"]
    there += Counter(payload for _, payload in now["delayed"])
    assert there - before == (Counter(PAYLOADS) if len(now["dead"]) > NUMBER else Counter())
    assert not before - there
    act(link)
    again = state(client)
    assert len(again["dead"]) == (2 * NUMBER if act is import_all else 0)


# Elsewhere, and back.


def test_exported_letters_come_back_byte_for_byte(link: Link, client: Any) -> None:
    odd = ["payload", b"\xff\x00\x1b", b"\xff", b"\xfe", "payload", "two", "é", "\u202e\n"]
    client.execute_command("XADD", DEAD, "*", *odd)
    bury_all(client)
    raw = client.execute_command("XRANGE", DEAD, "-", "+")
    before = [flat for _, flat in link.call("XRANGE", DEAD, "-", "+")]
    lines = [*exported(link, "t:d", everything(link))]
    assert len(lines) == len(raw)
    assert all(line.isascii() and "\n" not in line for line in lines)
    client.delete(DEAD)
    encoded = [line.encode() + b"\n" for line in lines]
    assert checked(encoded) == len(lines)
    assert last_of(exports.add(desk(link), "t:d", encoded, len(lines))).number == len(lines)
    after = [flat for _, flat in link.call("XRANGE", DEAD, "-", "+")]
    assert [sorted(pairs(flat)) for flat in after] == [sorted(pairs(flat)) for flat in before]
    assert A_DAY - 60 < client.ttl(IMPORTS) <= A_DAY


def pairs(flat: list[bytes]) -> list[tuple[bytes, bytes]]:
    return [*zip(flat[::2], flat[1::2], strict=True)]


@given(st.lists(st.tuples(st.binary(), st.binary()), min_size=1, max_size=5))
def test_line_of_any_letter_tells_all_of_it(fields: list[tuple[bytes, bytes]]) -> None:
    flat = [part for pair in fields for part in pair]
    line = line_of("t:d", "1-1", flat)
    assert line.isascii()
    assert Counter(pairs([*letter_in(line.encode()).flat])) == Counter(fields)


GOOD = line_of("t:d", "1-1", [b"payload", b"{}"]).encode()

BAD = [
    b"nonsense",
    b"[]",
    b'"text"',
    b"\xff",
    b"[" * 100_000,
    b'{"version": 1, "fields": {}}',
    b'{"version": 1, "fields": {"payload": 1}}',
    b'{"version": 1, "fields": {"payload": [1]}}',
    b'{"version": 1, "fields": ["payload"]}',
    b'{"version": 2, "fields": {"payload": "{}"}}',
    b'{"version": 1, "fields": {"payload": "\\ud800"}}',
    b'{"fields": {"payload": "{}"}}',
    json.dumps({"version": 1, "fields": {str(n): "" for n in range(1001)}}).encode(),
]


@pytest.mark.parametrize("line", BAD, ids=lambda line: line[:50])
def test_line_that_is_none_is_told(line: bytes) -> None:
    with pytest.raises(BadEntry, match=r"^line 3: "):
        checked([GOOD, b"\n", line])


def test_as_many_fields_as_there_may_be_are_added(link: Link, client: Any) -> None:
    fields = {str(n): "" for n in range(1000)}
    line = json.dumps({"version": 1, "fields": fields}).encode()
    assert last_of(exports.add(desk(link), "t:d", [line], 1)).number == 1
    assert len(client.xrange(DEAD)[0][1]) == 1000


# Hostile ones.


def test_hostile_letters_are_seen_to(link: Link, client: Any) -> None:
    dice = random.Random(1)
    client.xadd(DEAD, {"payload": "x" * (3 << 20)})
    client.xadd(DEAD, {b"\xff": b"\xfe", "reason": "\u202e\x1b[2J", "error": b"\xff'"})
    client.xadd(DEAD, {"payload": b"\x1e{}\n", "error": dice.randbytes(5000)})
    client.xadd(DEAD, {"": ""})
    assert groups(link, "t:d", Filter()).letters == 4
    outlines = [*listed(link, "t:d", Filter(), 10)]
    assert [outline.size for outline in outlines] == [3 << 20, 0, 4, 0]
    done = last_of(requeue(desk(link), "t:d", everything(link)))
    assert (done.number, len(done.left)) == (2, 2)
    assert client.llen("t:d") == client.xlen(DEAD) == 2
