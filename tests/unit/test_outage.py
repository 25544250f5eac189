"""A server in trouble is told of once a minute, however often it recovers meanwhile."""

from __future__ import annotations

import pytest
import redis

from woodenwaiter import pace
from woodenwaiter.protocol.outage import Outage, Tells

AWAY = redis.ConnectionError("refused")
WRONG = redis.ResponseError("WRONGTYPE of key")


class Trouble(Outage):
    """On a clock that the test moves."""

    def __init__(self, tells: Tells = Tells.EVERYTHING) -> None:
        self.now = 1000.0
        super().__init__("Redis at redis://h:1/0", 30, tells=tells, clock=lambda: self.now)

    def ends(self) -> None:
        """It stays well for long enough."""
        self.over()
        self.now += pace.WELL
        self.over()


@pytest.fixture
def trouble() -> Trouble:
    return Trouble()


def test_told_once_and_once_more_when_over(
    trouble: Trouble, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(100):
        trouble.note(AWAY)
    assert caplog.messages == ["Redis at redis://h:1/0: refused; trying again until it works"]
    trouble.now += 3
    trouble.ends()
    trouble.ends()
    assert caplog.messages[1:] == ["Redis at redis://h:1/0 works again, after 3.0 s"]


def test_trouble_that_comes_and_goes_is_told_once_a_minute_with_a_count(
    trouble: Trouble, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(301):
        trouble.note(AWAY)
        trouble.over()
        trouble.now += pace.REMIND / 300
    assert len(caplog.messages) == 2
    assert "refused (299 times more since this was last said); trying" in caplog.messages[1]


def test_short_recovery_is_not_told(trouble: Trouble, caplog: pytest.LogCaptureFixture) -> None:
    trouble.note(AWAY)
    trouble.over()
    trouble.now += pace.WELL / 2
    trouble.over()
    trouble.note(AWAY)
    trouble.now += pace.WELL
    trouble.over()
    assert len(caplog.messages) == 1
    trouble.ends()
    assert len(caplog.messages) == 2


def test_end_of_what_was_not_told_is_not_told(
    trouble: Trouble, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(5):
        trouble.note(AWAY)
        trouble.ends()
    assert len(caplog.messages) == 2
    trouble.now += pace.REMIND
    trouble.note(AWAY)
    trouble.ends()
    assert len(caplog.messages) == 4


def test_trouble_that_lasts_is_told_again(
    trouble: Trouble, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        trouble.note(AWAY)
        trouble.now += pace.REMIND
    assert len(caplog.messages) == 3


def test_another_kind_is_told_at_once(trouble: Trouble, caplog: pytest.LogCaptureFixture) -> None:
    for n in range(100):
        trouble.note(AWAY)
        trouble.note(WRONG)
        trouble.note(redis.ResponseError(f"NOPERM User u has no right to {n}"))
        trouble.over()
    assert [line.split(" ")[3] for line in caplog.messages] == ["refused;", "WRONGTYPE", "NOPERM"]


def last_told(caplog: pytest.LogCaptureFixture) -> str:
    return caplog.messages[-1].removeprefix("Redis at redis://h:1/0: ").partition(";")[0]


def test_log_ends_with_what_is_the_matter_now(
    trouble: Trouble, caplog: pytest.LogCaptureFixture
) -> None:
    trouble.note(AWAY)
    trouble.note(WRONG)
    for _ in range(100):
        trouble.now += pace.LASTS / 50
        trouble.note(AWAY)
    assert last_told(caplog).startswith("refused (")
    assert len(caplog.messages) == 3


def test_what_lasts_again_after_it_was_over_is_told(
    trouble: Trouble, caplog: pytest.LogCaptureFixture
) -> None:
    trouble.note(AWAY)
    trouble.ends()
    assert "works again" in last_told(caplog)
    for _ in range(3):
        trouble.note(AWAY)
        trouble.now += pace.LASTS / 2
    assert last_told(caplog).startswith("refused (")
    assert len(caplog.messages) == 3


def test_kinds_that_take_turns_do_not_fill_the_log(
    trouble: Trouble, caplog: pytest.LogCaptureFixture
) -> None:
    for n in range(60):
        trouble.note((AWAY, WRONG)[n % 2])
        trouble.now += (pace.REMIND - 1) / 60
    assert len(caplog.messages) == 2


def test_kinds_without_end_are_forgotten(trouble: Trouble) -> None:
    for n in range(10_000):
        trouble.note(redis.ResponseError(f"{n}"))
    assert len(trouble._kinds) < 1000


def test_code_is_told_whoever_took_it_off(
    trouble: Trouble, caplog: pytest.LogCaptureFixture
) -> None:
    trouble.note(redis.exceptions.ReadOnlyError("You can't write against a read only replica."))
    [line] = caplog.messages
    assert ": READONLY You can't write against a read only replica; trying again" in line


@pytest.mark.parametrize("tells", [Tells.REFUSALS, Tells.NOTHING])
def test_others_tell_at_most_of_their_own_requests(
    tells: Tells, caplog: pytest.LogCaptureFixture
) -> None:
    trouble = Trouble(tells)
    trouble.note(AWAY)
    trouble.ends()
    assert caplog.messages == []
    trouble.note(AWAY)
    trouble.note(WRONG)
    trouble.note(WRONG)
    trouble.ends()
    assert len(caplog.messages) == (2 if tells is Tells.REFUSALS else 0)


def test_no_trouble_is_not_told(trouble: Trouble, caplog: pytest.LogCaptureFixture) -> None:
    trouble.ends()
    assert caplog.messages == []


def test_waits_longer_each_time_but_not_too_long(trouble: Trouble) -> None:
    waits = [trouble.note(AWAY) for _ in range(200)]
    assert waits[0] <= pace.RECONNECT.first
    assert pace.RECONNECT.first < max(waits) <= pace.RECONNECT.longest
    trouble.over()
    assert trouble.note(AWAY) <= pace.RECONNECT.first
    assert trouble.retry_at > trouble.now
