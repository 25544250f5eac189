"""A server in trouble is told of once."""

from __future__ import annotations

import pytest
import redis

from woodenwaiter import pace
from woodenwaiter.protocol.outage import Outage

AWAY = redis.ConnectionError("refused")
WRONG = redis.ResponseError("WRONGTYPE of key")


def spokesman() -> Outage:
    return Outage("redis://h:1/0", 30, spokesman=True)


def test_told_once_and_once_more_when_over(caplog: pytest.LogCaptureFixture) -> None:
    outage = spokesman()
    for _ in range(100):
        outage.note(AWAY)
    assert caplog.messages == ["Redis at redis://h:1/0: refused; trying again until it works"]
    outage.over()
    outage.over()
    assert len(caplog.messages) == 2
    assert "redis://h:1/0 works again, after 0.0 s" in caplog.text


def test_next_trouble_is_told_again(caplog: pytest.LogCaptureFixture) -> None:
    outage = spokesman()
    for _ in range(2):
        outage.note(AWAY)
        outage.over()
    assert len(caplog.messages) == 4


def test_trouble_that_lasts_is_told_again(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "REMIND", 0.0)
    trouble = spokesman()
    for _ in range(3):
        trouble.note(AWAY)
    assert len(caplog.messages) == 3


def test_others_tell_only_of_their_own_requests(caplog: pytest.LogCaptureFixture) -> None:
    outage = Outage("redis://h:1/0", 30, spokesman=False)
    outage.note(AWAY)
    outage.over()
    assert caplog.messages == []
    outage.note(AWAY)
    outage.note(WRONG)
    outage.note(WRONG)
    outage.over()
    assert len(caplog.messages) == 2


def test_no_trouble_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    spokesman().over()
    assert caplog.messages == []


def test_waits_longer_each_time_but_not_too_long() -> None:
    outage = spokesman()
    waits = [outage.note(AWAY) for _ in range(200)]
    assert waits[0] <= pace.RECONNECT.first
    assert pace.RECONNECT.first < max(waits) <= pace.RECONNECT.longest
    outage.over()
    assert outage.note(AWAY) <= pace.RECONNECT.first
