"""How long handlers took."""

from __future__ import annotations

import pytest

from woodenwaiter.processes.times import ENDS, RANGES, in_words, quantile, range_of


def counted(*seconds: float) -> list[int]:
    counts = [0] * RANGES
    for each in seconds:
        counts[range_of(each)] += 1
    return counts


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.0, 0),
        (0.9e-6, 0),
        (1e-6, 1),
        (2.1e-6, 2),
        (3600.0, 32),
        (4300.0, 33),
        (1e9, 33),
    ],
)
def test_ranges_are_powers_of_two(seconds: float, expected: int) -> None:
    assert range_of(seconds) == expected


def test_each_range_ends_where_the_next_begins() -> None:
    for number, end in enumerate(ENDS):
        assert range_of(end * 0.999) == number
        assert range_of(end * 1.001) == number + 1


def test_quantile_is_in_the_range_of_the_true_one() -> None:
    times = [n / 1000 for n in range(1, 1001)]
    for share in (0.01, 0.5, 0.9, 0.99):
        found = quantile(counted(*times), share)
        assert found
        assert 0.5 <= found / share <= 2


def test_quantile_of_few() -> None:
    assert quantile(counted(), 0.5) is None
    assert quantile(counted(3e-6, 3e-6), 0.5) == pytest.approx(3e-6)
    assert quantile(counted(1e-6, 1.0), 0.99) > 0.5  # type: ignore[operator]
    assert quantile(counted(1e9), 0.99) == ENDS[-1]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4e-6, "0.4 µs"),
        (12.34e-6, "12 µs"),
        (0.00996, "10 ms"),
        (0.0015, "1.5 ms"),
        (2.0, "2.0 s"),
        (4321.0, "4321 s"),
    ],
)
def test_times_in_words(seconds: float, text: str) -> None:
    assert in_words(seconds) == text
