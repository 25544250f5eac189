"""What supervisors tell of themselves, as JSON: whole, within its bounds, whatever comes back."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from woodenwaiter.protocol.hosts import (
    HOUR,
    MOST_BYTES,
    MOST_EVENTS,
    MOST_TEXT,
    VERSION,
    Crew,
    Event,
    Host,
    Hour,
    Running,
    Unreadable,
    decoded,
    encoded,
)

names = st.text(max_size=50)
numbers = st.integers(0, 1 << 53)
seconds = st.floats(0, 1e9)
counts = st.dictionaries(names, numbers, max_size=3)
crews = st.builds(
    Crew,
    queue=names,
    least=numbers,
    most=numbers,
    starting=numbers,
    idle=numbers,
    running=numbers,
    quiet=numbers,
    leaving=numbers,
    restarts=counts,
    tally=counts,
    busy=seconds,
    cpu=seconds,
    times=st.lists(numbers, max_size=34).map(tuple),
)
tasks = st.builds(
    Running,
    queue=names,
    slot=numbers,
    pid=numbers,
    claim=names,
    seconds=seconds,
    done=numbers,
    is_leaving=st.booleans(),
    fraction=st.none() | st.floats(0, 1),
    text=names,
    told=st.none() | seconds,
    memory=st.none() | numbers,
    cpu=st.none() | seconds,
)
minutes = st.lists(st.none() | numbers, max_size=HOUR).map(tuple)
hours = st.builds(Hour, cpu=minutes, memory=minutes)
happened = st.builds(Event, seconds=seconds, level=names, text=st.text(max_size=MOST_TEXT))
hosts = st.builds(
    Host,
    host=names,
    pid=numbers,
    release=names,
    up=seconds,
    started=numbers,
    alive=numbers,
    settings=st.dictionaries(names, names | st.none() | numbers | seconds, max_size=5),
    cpu=st.none() | seconds,
    memory=st.none() | numbers,
    queues=st.lists(crews, max_size=5).map(tuple),
    workers=st.lists(tasks, max_size=5).map(tuple),
    hour=hours,
    events=st.lists(happened, max_size=MOST_EVENTS).map(tuple),
)

BARE = Host("h", 1, "1.0.0", 2.5, started=3, alive=2)
CREW = Crew("t:d", 1, 1)
WHOLE_HOUR = Hour((97,) * HOUR, (512,) * HOUR)
EVENTS = (Event(1.5, "error", "x" * MOST_TEXT),) * MOST_EVENTS


def task(number: int = 0, text: str = "") -> Running:
    return Running("t:d", number, 100 + number, f"owner/{number}", 1.0, 0, text=text)


@given(hosts)
def test_comes_back_as_it_was(host: Host) -> None:
    assert decoded(encoded(host)) == host


def test_what_has_no_room_is_counted() -> None:
    queues = tuple(Crew(f"q:{number}", 1, 1) for number in range(3000))
    workers = tuple(task(number, "x" * 150) for number in range(3000))
    text = encoded(replace(BARE, queues=queues, workers=workers))
    assert 0.9 * MOST_BYTES < len(text) <= MOST_BYTES
    found = decoded(text)
    assert found.queues == queues[: len(found.queues)]
    assert found.workers == workers[: len(found.workers)]
    assert len(found.queues) + found.more_queues == len(found.workers) + found.more_workers == 3000
    assert min(len(found.queues), len(found.workers)) > 100


def test_what_is_zero_takes_no_room() -> None:
    told = json.loads(encoded(replace(BARE, queues=(Crew("t:d", 0, 9),), workers=(task(),))))
    assert told["queues"] == [{"queue": "t:d", "least": 0, "most": 9}]
    assert "text" not in told["workers"][0]


def test_what_the_last_queues_did_makes_room_first() -> None:
    tally, times = {"started": 100_000, "done": 100_000}, tuple(range(1000, 1034))
    queues = tuple(Crew(f"q:{n}", 1, 1, tally=tally, times=times) for n in range(400))
    workers = tuple(task(number) for number in range(300))
    text = encoded(replace(BARE, queues=queues, workers=workers))
    assert 0.9 * MOST_BYTES < len(text) <= MOST_BYTES
    found = decoded(text)
    assert (found.more_queues, found.more_workers) == (0, 0)
    whole = [crew.times != () for crew in found.queues]
    assert 30 < sum(whole) < 350
    assert found.queues == (*queues[: sum(whole)], *(crew.bare for crew in queues[sum(whole) :]))


def test_many_queues_take_the_room_that_tasks_leave() -> None:
    queues = tuple(Crew(f"q:{number}", 1, 1) for number in range(1200))
    assert decoded(encoded(replace(BARE, queues=queues))).more_queues == 0
    found = decoded(encoded(replace(BARE, queues=queues * 2, workers=(task(),))))
    assert len(found.queues) > 1200
    assert found.workers == (task(),)


def test_last_hour_makes_room_first_and_then_what_happened() -> None:
    whole = replace(BARE, queues=(CREW,), workers=(task(),), hour=WHOLE_HOUR, events=EVENTS)
    assert len(encoded(whole)) < 8000
    assert decoded(encoded(whole)) == whole
    room = MOST_BYTES - len(encoded(whole))
    settings = {"x": "x" * (room + 1 - len('"x":""'))}
    assert decoded(encoded(replace(whole, settings=settings))).hour == Hour()
    assert decoded(encoded(replace(whole, settings=settings))).events == EVENTS
    settings = {"x": "x" * (room + 1000)}
    found = decoded(encoded(replace(whole, settings=settings)))
    assert (found.hour, found.events, found.queues) == (Hour(), (), (CREW,))
    assert (found.more_queues, found.more_workers) == (0, 0)


def test_earlier_releases_tell_of_no_hour() -> None:
    document = json.loads(encoded(BARE))
    del document["hour"], document["events"]
    assert decoded(as_json(document)) == BARE


def test_name_that_is_longer_than_all_the_room() -> None:
    queues = (Crew("a:b", 1, 1), Crew("q:" + "x" * MOST_BYTES, 1, 1), Crew("c:d", 1, 1))
    found = decoded(encoded(replace(BARE, queues=queues, workers=(task(),))))
    assert (found.queues, found.more_queues) == (queues[:1], 2)
    assert found.workers == (task(),)


def changed(**fields: Any) -> bytes:
    """A document, but for these fields."""
    document = {**json.loads(encoded(replace(BARE, workers=(task(),)))), **fields}
    return json.dumps(document).encode()


def as_json(value: object) -> bytes:
    return json.dumps(value).encode()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"{}",
        b'"text"',
        b"[" * 60_000,
        b'{"version": 1}',
        b'{"version": 1, "host": "h"}',
        b'{"version": NaN}',
        b'{"version": "1"}',
        b'{"version": ' + b"9" * 5000 + b"}",
        b" " * (MOST_BYTES + 1),
        changed(version=0),
        changed(version=VERSION + 1),
        changed(host=1),
        changed(pid="1"),
        changed(pid=1.5),
        changed(pid=1 << 60),
        changed(up=None),
        changed(up=float("inf")),
        changed(up=float("nan")),
        changed(settings=[]),
        changed(queues={}),
        changed(queues=[1]),
        changed(queues=[{**vars(CREW), "times": [1, -1]}]),
        changed(queues=[{**vars(CREW), "times": [1.5]}]),
        changed(queues=[{**vars(CREW), "times": [True]}]),
        changed(queues=[{**vars(CREW), "times": [[]]}]),
        changed(queues=[{**vars(CREW), "times": {}}]),
        changed(queues=[{**vars(CREW), "tally": {"done": 1 << 60}}]),
        changed(queues=[{**vars(CREW), "tally": {"done": None}}]),
        changed(queues=[{**vars(CREW), "tally": []}]),
        changed(queues=[{**vars(CREW), "restarts": {"exited": "1"}}]),
        changed(workers=[{}]),
        changed(workers=[{**vars(task()), "text": 1}]),
        changed(workers="x"),
        changed(hour=[]),
        changed(hour=None),
        changed(hour={"cpu": 1}),
        changed(hour={"cpu": [1.5]}),
        changed(hour={"cpu": [-1]}),
        changed(hour={"cpu": [True]}),
        changed(hour={"memory": [1 << 60]}),
        changed(hour={"memory": ["1"]}),
        changed(hour={"memory": [None] * (HOUR + 1)}),
        changed(events={}),
        changed(events=[1]),
        changed(events=[{}]),
        changed(events=[{**vars(EVENTS[0]), "seconds": "1"}]),
        changed(events=[{**vars(EVENTS[0]), "level": 1}]),
        changed(events=[{**vars(EVENTS[0]), "text": None}]),
        changed(events=[{**vars(EVENTS[0]), "text": "x" * (MOST_TEXT + 1)}]),
        changed(events=[vars(EVENTS[0])] * (MOST_EVENTS + 1)),
        changed(up=0).replace(b'"up": 0', b'"up": 1e999'),
        changed(up=0).replace(b'"up": 0', b'"up": ' + b"9" * 4000),
    ],
    ids=lambda raw: raw[:40].decode(errors="replace"),
)
def test_anything_else_is_refused(raw: bytes) -> None:
    with pytest.raises(Unreadable):
        decoded(raw)


@given(st.binary(max_size=200) | st.recursive(st.none() | st.text(), st.lists).map(as_json))
def test_no_bytes_do_harm(raw: bytes) -> None:
    with pytest.raises(Unreadable):
        decoded(raw)


def test_what_a_later_release_adds_is_left_out() -> None:
    as_it_was = replace(BARE, workers=(task(),))
    assert decoded(changed(colour="red")) == as_it_was
    assert decoded(changed(hour={"disk": [1]})) == as_it_was
    event = {**vars(EVENTS[0]), "colour": "red", "level": "fatal"}
    assert decoded(changed(events=[event])).events == (replace(EVENTS[0], level="fatal"),)


def test_a_later_version_says_so() -> None:
    with pytest.raises(Unreadable, match="later release"):
        decoded(changed(version=VERSION + 1, host=None))


def test_essence_is_what_does_not_change_all_the_time() -> None:
    host = replace(BARE, workers=(task(),))
    later = replace(task(), seconds=9.0, done=7, told=8.0, memory=5, cpu=6.0)
    assert replace(host, up=99.0, workers=(later,), memory=5, cpu=6.0).essence == host.essence
    assert replace(host, hour=WHOLE_HOUR).essence == host.essence
    later_events = tuple(replace(event, seconds=99.0) for event in EVENTS)
    assert replace(host, events=EVENTS).essence == replace(host, events=later_events).essence
    worked = replace(CREW, tally={"done": 1}, busy=1.0, cpu=1.0, times=(0, 1))
    assert replace(host, queues=(worked,)).essence == replace(host, queues=(CREW,)).essence
    for other in (
        replace(host, queues=(replace(CREW, restarts={"exited": 1}),)),
        replace(host, started=4),
        replace(host, queues=(Crew("t:d", 1, 1),)),
        replace(host, workers=(replace(task(), claim="owner/1"),)),
        replace(host, workers=(replace(task(), fraction=0.5),)),
        replace(host, workers=(replace(task(), is_leaving=True),)),
        replace(host, events=EVENTS[:1]),
    ):
        assert other.essence != host.essence
