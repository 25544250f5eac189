"""What a handler may ask, and tell, of its delivery."""

from __future__ import annotations

import math
from typing import Any

import pytest

from woodenwaiter import Delivery, WrongType, WrongValue


def delivery(told: list[Any]) -> Delivery:
    return Delivery("h.1/1", 1, False, _report=lambda *what: told.append(what))


@pytest.mark.parametrize("fraction", [math.nan, math.inf, -math.inf, -0.001, 1.001, 10**400, -1])
def test_fraction_out_of_bounds_is_refused(fraction: float) -> None:
    told: list[Any] = []
    with pytest.raises(WrongValue, match="fraction must be from 0 to 1"):
        delivery(told).progress(fraction)
    with pytest.raises(WrongValue):
        Delivery("h.1/1", 1, False).progress(fraction)  # though nobody listens
    assert not told


@pytest.mark.parametrize("what", [("0.5",), (None,), (1j,), (0.5, b"x"), (0.5, None), ([],)])
def test_what_is_no_fraction_or_no_text_is_refused(what: Any) -> None:
    with pytest.raises(WrongType):
        Delivery("h.1/1", 1, False).progress(*what)


def test_fractions_are_passed_on() -> None:
    told: list[Any] = []
    this = delivery(told)
    this.progress(0)
    this.progress(1, "done")
    this.progress(0.5, text="\ud800")
    assert told == [(0.0, ""), (1.0, "done"), (0.5, "\ud800")]


def test_delivery_is_told_by_its_name_number_and_whether_it_is_the_last() -> None:
    assert delivery([]) == Delivery("h.1/1", 1, False)
    assert repr(delivery([])) == "Delivery(id='h.1/1', number=1, last=False)"
    assert delivery([]).cost().seconds >= 0
