"""When a supervisor tells of itself."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from woodenwaiter.housekeeper.editions import Editions
from woodenwaiter.pace import LOOK, NEWS, PUBLISH, REPUBLISH
from woodenwaiter.protocol.hosts import Host

HOST = Host("h", 1, "1.0.0", 0.0, started=1, alive=1)
CHANGED = replace(HOST, started=2)
JUST = 1e-6


def tells(editions: Editions, host: Host, now: float, *, is_asking: bool = False) -> bool:
    """Whether it does at a look."""
    if not editions.is_wanted(now, is_asking=is_asking):
        return False
    if not (editions.is_due(host, now) or is_asking):
        return False
    editions.written(host, now)
    return True


def told(now: float) -> Editions:
    editions = Editions()
    assert tells(editions, HOST, now)
    return editions


def test_tells_at_first() -> None:
    assert tells(Editions(), HOST, 0.0)


def test_what_changed_is_told_after_a_while() -> None:
    assert not tells(told(0), CHANGED, PUBLISH - JUST)
    assert tells(told(0), CHANGED, PUBLISH)


def test_what_has_not_is_told_in_time() -> None:
    assert not tells(told(0), HOST, REPUBLISH - JUST)
    assert tells(told(0), HOST, REPUBLISH)


def test_goes_along_with_other_things() -> None:
    assert not tells(told(0), HOST, PUBLISH - JUST, is_asking=True)
    assert tells(told(0), HOST, PUBLISH, is_asking=True)


def test_is_put_off() -> None:
    editions = told(0)
    editions.put_off(60, 10)
    assert not tells(editions, CHANGED, 70 - JUST, is_asking=True)
    assert tells(editions, CHANGED, 70)


def test_looks_no_more_often_than_it_must() -> None:
    editions = told(0)
    assert not tells(editions, HOST, PUBLISH)
    assert not tells(editions, CHANGED, PUBLISH + NEWS - JUST)
    assert tells(editions, CHANGED, PUBLISH + NEWS)


@given(st.data())
def test_is_never_forgotten_nor_told_all_the_time(data: st.DataObject) -> None:
    """Whatever changes, and whenever it looks; some time between two looks is LOOK, or less."""
    editions, now, times, host = Editions(), 0.0, [], HOST
    for _ in range(200):
        now += data.draw(st.sampled_from([LOOK / 10, LOOK / 2, LOOK]))
        if data.draw(st.booleans()):
            host = replace(host, started=host.started + 1)
        if tells(editions, host, now, is_asking=data.draw(st.integers(0, 20)) == 0):
            times.append(now)
    gaps = [after - before for before, after in pairwise(times)]
    assert all(PUBLISH - JUST <= gap <= REPUBLISH + LOOK + JUST for gap in gaps)
