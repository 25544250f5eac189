"""What is told of what happened to a supervisor, and of what it used in the last hour."""

from __future__ import annotations

import os
from dataclasses import replace
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from woodenwaiter.housekeeper.happenings import Happenings
from woodenwaiter.housekeeper.hour import LastHour
from woodenwaiter.processes.ends import End
from woodenwaiter.processes.row import Cause, Row
from woodenwaiter.processes.scoreboard import Scoreboard
from woodenwaiter.protocol.hosts import (
    HOUR,
    MOST_EVENTS,
    MOST_TEXT,
    Crew,
    Event,
    Host,
    Hour,
    decoded,
    encoded,
)

HOST = Host("h", 1, "1.0.0", 10.0, started=1, alive=1)


@pytest.fixture
def happenings() -> Happenings:
    """One a second."""
    seconds = count(100)
    return Happenings(lambda: float(next(seconds)))


def texts(happenings: Happenings) -> list[str]:
    return [event.text for event in happenings.told(1000)]


def test_nothing_has_happened(happenings: Happenings) -> None:
    assert happenings.told(1000) == ()


def test_latest_comes_first(happenings: Happenings) -> None:
    happenings.note("info", "one")
    happenings.note("error", "two")
    assert happenings.told(110) == (Event(9.0, "error", "two"), Event(10.0, "info", "one"))


def test_what_happens_again_is_counted(happenings: Happenings) -> None:
    for text in ("one", "two", "one"):
        happenings.note("error", text)
    happenings.note("error", "two", 1999)
    happenings.note("info", "two")
    assert texts(happenings) == ["two", "two (2,000 times)", "one (2 times)"]


def test_there_are_not_too_many(happenings: Happenings) -> None:
    for number in range(MOST_EVENTS + 5):
        happenings.note("info", f"{number}")
    assert texts(happenings) == [f"{number}" for number in range(MOST_EVENTS + 4, 4, -1)]


def test_whatever_happens_is_news(happenings: Happenings) -> None:
    """And the time that passes is none."""
    essence = HOST.essence
    for number in range(2 * MOST_EVENTS):
        happenings.note("error", f"{number % 3}")
        told = replace(HOST, events=happenings.told(200)).essence
        assert told != essence
        essence = replace(HOST, events=happenings.told(300)).essence
        assert told == essence


@given(st.lists(st.tuples(st.text(max_size=400), st.integers(1, 10**9)), max_size=30))
def test_any_text_is_shown_in_a_line(noted: list[tuple[str, int]]) -> None:
    happenings = Happenings()
    for text, times in noted:
        happenings.note("info", text, times)
    events = happenings.told(0)
    assert all(len(event.text) <= MOST_TEXT for event in events)
    assert all(event.text.isprintable() for event in events)
    host = replace(HOST, events=events)
    assert decoded(encoded(host)) == host


def test_long_text_is_cut_where_it_does_not_hide_how_often(happenings: Happenings) -> None:
    for _ in range(2):
        happenings.note("info", "\x1b" * 500)
    [text] = texts(happenings)
    assert text.startswith(r"\x1b\x1b")
    assert text.endswith("… (2 times)")
    assert len(text) == MOST_TEXT


# How workers end.


def worker() -> Row:
    row = Scoreboard(1).allocate()
    assert row
    row.open(0, 0, 1)
    return row


@pytest.mark.parametrize(
    ("end", "status", "told"),
    [
        (End.LEFT, 0, []),
        (End.MAX_TASKS, 0, []),
        (End.SIGNALLED, 9, ["error: a worker of t:d died of signal 9 (SIGKILL)"]),
        (End.EXITED, 3 << 8, ["error: a worker of t:d left with exit code 3"]),
        (End.OUT_OF_MEMORY, 9, ["error: a worker of t:d was killed by the kernel: out of memory"]),
        (
            End.MAX_MEMORY,
            0,
            ["warning: a worker of t:d left with exit code 0, as it was above max_memory"],
        ),
        (
            End.TIMED_OUT,
            9,
            ["error: a worker of t:d was killed, as the task went on after its time was up"],
        ),
        (End.STOPPED, 9, ["warning: a worker of t:d was killed, as the pool ended"]),
    ],
)
def test_ends_of_workers(happenings: Happenings, end: End, status: int, told: list[str]) -> None:
    row = worker()
    row.close(status, Cause.CHARGED, end)
    happenings.note_end("t:d", row)
    assert [f"{event.level}: {event.text}" for event in happenings.told(0)] == told


def test_end_in_a_task(happenings: Happenings) -> None:
    row = worker()
    row.begin(1, 1.0)
    row.close(os.EX_OK, Cause.CHARGED, End.UNSEEN)
    happenings.note_end("t:\x1bd", row)
    [text] = texts(happenings)
    assert text.startswith(r"a worker of t:\x1bd ")
    assert text.endswith(" while it ran a task")


def test_dead_letters(happenings: Happenings) -> None:
    """Of a housekeeper that is not the first."""

    def note(**buried: int) -> None:
        happenings.note_buried(Crew(f"t:{n}", 1, 1, tally={"buried": b}) for n, b in buried.items())

    note(a=7, b=0)
    assert texts(happenings) == []
    note(a=8, b=0)
    note(a=8, b=2)
    note(a=10)
    assert texts(happenings) == [
        "a task of t:a became a dead letter (3 times)",
        "a task of t:b became a dead letter (2 times)",
    ]


# The last hour.

MIB = 1 << 20


def test_hour_has_a_number_for_each_minute() -> None:
    hour = LastHour()
    for now, cpu, memory in ((5, None, 3 * MIB), (55, 10.0, MIB), (61, 1.2, MIB), (185, 9.0, None)):
        hour.note(cpu, memory, now)
    assert hour.told(59) == Hour()
    assert hour.told(60) == Hour((10,), (3,))
    assert hour.told(239) == Hour((10, 1, None), (3, 1, None))
    assert hour.told(240) == Hour((10, 1, None, 9), (3, 1, None, None))


def test_hour_is_no_longer() -> None:
    hour = LastHour()
    for minute in range(200):
        hour.note(minute, MIB, minute * 60.0)
        hour.note(minute + 1, MIB, minute * 60.0 + 30)
        told = hour.told(minute * 60.0 + 59)
        assert len(told.cpu) == len(told.memory) == min(minute, HOUR)
    assert told.cpu[-1] == 198
    later = hour.told((199 + HOUR) * 60.0)
    assert [number for number in later.cpu if number is not None] == [200]
    assert hour.told((201 + HOUR) * 60.0) == Hour()
