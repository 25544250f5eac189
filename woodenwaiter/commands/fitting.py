"""How much room text takes in a terminal, and how it is cut where there is less."""

from __future__ import annotations

import unicodedata


def columns_of(text: str) -> int:
    """How many places a terminal needs for printable text."""
    return len(text) if text.isascii() else sum(map(_columns_of, text))


def _columns_of(character: str) -> int:
    if character.isascii():
        return 1
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def fitted(text: str, columns: int) -> str:
    """Printable text, of which the end is cut off where it needs more places in a terminal."""
    if columns_of(text) <= columns:
        return text
    left = columns - 1
    for place, character in enumerate(text):
        left -= _columns_of(character)
        if left < 0:
            return text[:place] + "…"
    return text


def fitted_name(name: str, columns: int) -> str:
    """Likewise, but cut in the middle: names that begin alike end otherwise."""
    if columns_of(name) <= columns:
        return name
    tail = fitted(name[::-1], columns // 2)[::-1]
    return fitted(name, columns - columns_of(tail) + 1)[:-1] + tail
