"""How long handlers took, over a day: each is counted once, in the slot in which it was told,
whatever happens to requests and answers, and nobody's count stays for ever."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from redis.exceptions import ResponseError

from woodenwaiter import pace
from woodenwaiter.protocol import scripts
from woodenwaiter.protocol.calls import run_all
from woodenwaiter.protocol.keys import Keys
from woodenwaiter.protocol.link import Link
from woodenwaiter.protocol.times import MOST_RANGES, SLOTS, Addition, Times, adding, times_of

from ..clock import Clock, can_be_set
from ..support import Server, eventually

KEYS = Keys("t:d")
A, B = "web-1.1.abc/0", "web-2.1.abc/0"


def add(link: Link, host: str, counts: list[int], known: list[int] | None = None) -> Any:
    [outcome] = run_all(link, [adding(KEYS, Addition(host, counts, known or []))])
    return outcome


def columns(link: Link) -> list[list[int] | None]:
    """Of slots in which something was told."""
    return [column for column in times_of(link, "t:d").columns if column is not None]


def sums(link: Link) -> list[int]:
    """Of the day."""
    found = [0] * MOST_RANGES
    for column in columns(link):
        for number, count in enumerate(column or ()):
            found[number] += count
    return _stripped(found)


def _stripped(counts: list[int]) -> list[int]:
    while counts and not counts[-1]:
        counts = counts[:-1]
    return counts


def test_nothing_was_told(link: Link, client: Any) -> None:
    told = times_of(link, "t:d")
    assert told.columns == [None] * SLOTS
    assert (told.step, told.start % 600) == (600, 0)
    assert 0 <= client.time()[0] - told.start - (SLOTS - 1) * 600 < 700
    assert add(link, A, []) is None
    assert not client.exists(KEYS.times)


def test_present_column_is_the_last(link: Link) -> None:
    add(link, A, [0, 3, 0, 1, 0])
    told = times_of(link, "t:d").columns
    assert [0, 3, 0, 1] in told[-2:]
    assert told[:-2] == [None] * (SLOTS - 2)


def test_is_added_once(link: Link) -> None:
    for _ in range(3):
        assert add(link, A, [1, 2]) is None
    assert sums(link) == [1, 2]
    add(link, A, [1, 5, 1])
    add(link, A, [1, 2])  # late
    add(link, A, [1, 5, 1])
    assert sums(link) == [1, 5, 1]


def test_two_hosts(link: Link) -> None:
    add(link, A, [1, 2])
    add(link, B, [0, 0, 7])
    add(link, A, [4, 2])
    assert sums(link) == [4, 2, 7]


def test_who_is_not_known_adds_what_it_has_not_told(link: Link) -> None:
    add(link, A, [100, 9, 3], known=[90, 9])
    assert sums(link) == [10, 0, 3]
    add(link, A, [100, 10, 3], known=[90, 9])
    assert sums(link) == [10, 1, 3], "what the server knows counts"


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.tuples(
            st.sampled_from([A, B]),
            st.lists(st.integers(0, 3), min_size=3, max_size=3),
            st.sampled_from(["well", "lost", "late", "new housekeeper"]),
        ),
        max_size=12,
    )
)
@example([(A, [1, 0, 0], "lost"), (A, [1, 0, 0], "late"), (A, [0, 0, 1], "well")])
def test_each_is_counted_once_whatever_is_lost(
    shared_server: Server, happens: list[tuple[str, list[int], str]]
) -> None:
    shared_server.client.delete(KEYS.times)
    live(shared_server, happens)


def live(server: Server, happens: list[tuple[str, list[int], str]]) -> None:
    counts = {host: [0] * 3 for host in (A, B)}
    known = {host: [0] * 3 for host in (A, B)}
    before = {host: [0] * 3 for host in (A, B)}
    with closing(Link(server.client, 10)) as link:
        for host, more, fate in happens:
            counts[host] = [a + b for a, b in zip(counts[host], more, strict=True)]
            add(link, host, counts[host], known[host])
            if fate == "late":
                add(link, host, before[host], known[host])
            if fate == "new housekeeper":
                known[host] = before[host]
            if fate in ("well", "late"):
                known[host] = counts[host]
            before[host] = counts[host]
        for host, last in counts.items():
            add(link, host, last, known[host])
        total = [a + b for a, b in zip(counts[A], counts[B], strict=True)]
        assert sums(link) == _stripped(total)


LATE = [(A, [2, 0, 0], "well"), (A, [3, 0, 0], "late"), (A, [0, 1, 0], "well")]


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ("counts_in(noted or ARGV[3])", "counts_in(ARGV[3])"),
        ("told(sums), HOST, field .. ' ' .. told(added))", "told(sums))"),
        ("math.max(0, (given[range] or 0) - (added[range] or 0))", "given[range] or 0"),
    ],
)
def test_wrong_script_is_seen(
    server: Server, monkeypatch: pytest.MonkeyPatch, text: str, instead: str
) -> None:
    mutant = copy.copy(scripts.TIMES)
    assert mutant.source.count(text) == 1
    mutant.source = mutant.source.replace(text, instead)
    mutant.sha = hashlib.sha1(mutant.source.encode()).hexdigest()
    monkeypatch.setattr(scripts, "TIMES", mutant)
    with pytest.raises(AssertionError):
        live(server, [*LATE, (A, [1, 0, 0], "lost")])


# Whatever stands there.


def test_key_of_a_wrong_type_is_told_and_left_alone(link: Link, client: Any) -> None:
    client.set(KEYS.times, "somebody's")
    assert isinstance(add(link, A, [1]), ResponseError)
    assert client.get(KEYS.times) == b"somebody's"
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        times_of(link, "t:d")


@pytest.mark.parametrize(
    "text", ["", "text", "-1", "1.5", "9" * 400, "nan inf", b"\xff", "1 " * 1000, "1e9 2"]
)
def test_what_is_no_count_does_no_harm(link: Link, client: Any, text: Any) -> None:
    slot = client.time()[0] // 600
    for number in (slot - 1, slot, slot + 1):
        client.hset(KEYS.times, number, text)
    client.hset(KEYS.times, B, text)
    client.hset(KEYS.times, "", text)
    told = times_of(link, "t:d")
    assert all(column is None or len(column) <= MOST_RANGES for column in told.columns)
    assert add(link, A, [1]) is None
    assert add(link, B, [1]) is None
    times_of(link, "t:d")
    assert all(len(value) < 30_000 for value in client.hvals(KEYS.times))


def test_full_server_takes_it(make_server: Callable[..., Server]) -> None:
    with closing(make_server()) as server, closing(Link(server.client, 10)) as link:
        server.client.set("filler", "x" * 100_000)
        server.client.config_set("maxmemory", 1)
        assert add(link, A, [1]) is None
        assert sums(link) == [1]


# As time goes by.


@pytest.fixture(scope="module")
def timed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Clock]]:
    """A server, and its clock."""
    if not can_be_set():
        pytest.skip("needs a C compiler")
    folder: Path = tmp_path_factory.mktemp("timed")
    clock = Clock(folder)
    with closing(Server(folder / "server", **clock.environment)) as server:
        yield server, clock


class Day:
    def __init__(self, server: Server, clock: Clock) -> None:
        self.client, self.clock = server.client, clock
        self.client.flushall()
        self.link = Link(self.client, 10)
        self.step(600 - int(self.client.time()[0]) % 600 + 1)  # a slot has just begun

    def step(self, seconds: int) -> None:
        before = self.client.time()[0]
        self.clock.set_ahead(self.clock.ahead + seconds)
        eventually(lambda: seconds <= self.client.time()[0] - before < seconds + 60)

    @property
    def told(self) -> Times:
        return times_of(self.link, "t:d")

    @property
    def fields(self) -> set[bytes]:
        return set(self.client.hkeys(KEYS.times))


@pytest.fixture
def day(timed: tuple[Server, Clock]) -> Iterator[Day]:
    day = Day(*timed)
    yield day
    day.link.close()


def test_each_slot_has_what_was_told_in_it(day: Day) -> None:
    add(day.link, A, [1])
    day.step(600)
    add(day.link, A, [3])
    day.step(1200)
    add(day.link, A, [3, 1])
    assert day.told.columns[-4:] == [[1], [2], None, [0, 1]]


def test_day_is_kept_and_no_more(day: Day) -> None:
    add(day.link, A, [1])
    day.step(143 * 600)
    add(day.link, A, [3])
    assert (day.told.columns[0], day.told.columns[-1]) == ([1], [2])
    day.step(600)
    add(day.link, A, [6])
    assert (day.told.columns[0], day.told.columns[-2:]) == (None, [[2], [3]])
    assert len(day.fields) == 3, "two slots and a host"
    assert 0 < day.client.ttl(KEYS.times) <= pace.HISTORY_KEPT


def test_hosts_that_may_be_gone_are_forgotten(day: Day) -> None:
    for number in range(50):
        add(day.link, f"gone-{number}/0", [1])
    add(day.link, A, [1], known=[])
    day.step(int(pace.TIMES_KNOWN) - 600)
    add(day.link, B, [1])
    assert A.encode() in day.fields, "it may be asked again"
    day.step(600)
    add(day.link, B, [2])
    assert A.encode() not in day.fields
    assert len(day.fields) == 4, "three slots and a host"
    add(day.link, A, [5], known=[1])
    assert sums(day.link) == [50 + 1 + 2 + 4]


def test_clock_that_goes_back(day: Day) -> None:
    add(day.link, A, [1])
    day.step(3 * 3600)
    add(day.link, A, [3])
    day.step(-2 * 3600)
    add(day.link, A, [7])
    told = day.told.columns
    assert (told[-7], told[-1]) == ([1], [4])
    assert sums(day.link) == [5]
    day.step(2 * 3600)
    assert day.told.columns[-1] is None, "it is another time"


def test_clock_that_goes_back_a_little_costs_nothing(day: Day) -> None:
    add(day.link, A, [1])
    day.step(-2)
    add(day.link, A, [3])
    day.step(2)
    add(day.link, A, [4])
    assert sums(day.link) == [4]
