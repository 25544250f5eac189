"""How long handlers took: how many times are in each of some ranges, whose ends are powers of two
of a microsecond."""

from __future__ import annotations

from collections.abc import Sequence

RANGES = 34
"""The first ends at 1 µs, the last but one at 72 minutes; the last has no end."""

ENDS: tuple[float, ...] = tuple(2.0**n / 1e6 for n in range(RANGES - 1))
"""Of the ranges, in seconds; what takes as long is in the next."""


def range_of(seconds: float) -> int:
    """The number of the range that has it."""
    return min(int(seconds * 1e6).bit_length(), RANGES - 1)


def quantile(counts: Sequence[int], share: float) -> float | None:
    """The seconds within which this share of them took, as if they were spread evenly over their
    range: it may be half of what is true, or twice. None if there are none. Of ``counts``, the
    last ones may be missing."""
    wanted, starts = sum(counts[:RANGES]) * share, (0.0, *ENDS)
    for count, start, end in zip(counts, starts, (*ENDS, ENDS[-1]), strict=False):
        if count and wanted <= count:
            return start + (end - start) * wanted / count
        wanted -= count
    return None


def in_words(seconds: float) -> str:
    """With two digits that mean something: the ranges tell no more."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{_rounded(seconds / size)} {unit}"
    return f"{_rounded(seconds / 1e-6)} µs"


def _rounded(number: float) -> str:
    return f"{number:.1f}" if number < 9.95 else f"{number:.0f}"
