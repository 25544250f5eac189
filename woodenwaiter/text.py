"""Text that came from outside, made fit to be shown: it can neither drive a terminal nor pose as
what it is not."""

from __future__ import annotations

import codecs
import json
import math
import re
from collections.abc import Callable, Collection

_DOUBTFUL = re.compile(r"[\x00-\x1f\x7f-\x9f]|[^\x00-\x9f]+")
"""Controls one by one, and whatever is not ASCII in stretches: few of them are to be escaped."""


MOST_LISTED = 8


def listed(names: Collection[str]) -> str:
    """Some of them, where they are many."""
    some = ", ".join(sorted(names)[:MOST_LISTED])
    return f"{some}, … ({len(names)} in all)" if len(names) > MOST_LISTED else some


def escaped(text: str) -> str:
    """In one line, with a backslash sequence for each character that is not printable: controls,
    line ends of all kinds, turns of direction, lone surrogates, what is not seen."""
    return _DOUBTFUL.sub(lambda found: _printable(found[0], ascii), text)


def escaped_json(text: str) -> str:
    """JSON text that means the same, and is as safe to show."""
    return _DOUBTFUL.sub(lambda found: _printable(found[0], json.dumps), text)


def _printable(text: str, quote: Callable[[str], str]) -> str:
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else quote(c)[1:-1] for c in text)


def escaped_lines(text: str, margin: str = "    ") -> str:
    """Like `escaped`, but in the lines that it has, all but the first behind a margin."""
    return ("\n" + margin).join(map(escaped, text.split("\n")))


def decoded(payload: bytes, *, is_whole: bool) -> str:
    """As text, not made fit to be shown; without the beginning of a character that is cut off where
    it is not whole."""
    decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
    return decoder.decode(payload, final=is_whole)


def shortened(text: str, most: int) -> str:
    """Of more than ``most`` bytes of UTF-8 the beginning and the end, with a mark between them."""
    ends = text if len(text) <= 2 * most else text[:most] + text[-most:]
    encoded = ends.encode(errors="backslashreplace")
    if len(encoded) <= most:
        return text
    head, tail = encoded[: most // 2], encoded[-(most // 2) :]
    mark = f" [… {len(text):,} characters in all …] "
    return head.decode(errors="ignore") + mark + tail.decode(errors="ignore")


def span(seconds: float) -> str:
    """How long that is, as people say it, with two digits."""
    unit, length = _unit_for(seconds)
    number = seconds / length
    return f"{number:.0f} {unit}" if number >= 9.95 else f"{number:.1f} {unit}"


def span_between(least: float, most: float | None) -> str:
    """From so many seconds to so many, which nobody knows where that is None; in whole numbers."""
    unit, length = _unit_for(least if most is None else most)
    low = math.floor(least / length)
    if most is None:
        return f"≥ {low} {unit}"
    high = math.ceil(most / length)
    if not low:
        return f"≤ {high} {unit}"
    return f"{low} {unit}" if low == high else f"{low}\N{EN DASH}{high} {unit}"


def _unit_for(seconds: float) -> tuple[str, int]:
    """And how many seconds it has."""
    units = (("d", 86400), ("h", 3600), ("min", 60))
    return next((each for each in units if seconds >= 2 * each[1]), ("s", 1))


def size(number: float | None) -> str:
    """Of memory; nothing where nobody knows."""
    return "" if number is None else f"{number / 2**20:.0f} MiB"


def share(per_cent: float | None) -> str:
    """Likewise, of CPUs."""
    return "" if per_cent is None else f"{per_cent:.0f} %"
