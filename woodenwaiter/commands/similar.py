"""What somebody may have meant who mistyped it."""

from __future__ import annotations

import difflib
from collections.abc import Collection


def hint_at(name: str, names: Collection[str]) -> str:
    """To be added to a complaint; empty where none of the names is similar."""
    near = nearest(name, names)
    return f"; is it {near}?" if near else ""


def nearest(name: str, names: Collection[str]) -> str:
    """The most similar one of these; empty where none is."""
    return next(iter(difflib.get_close_matches(name, names, 1)), "")
