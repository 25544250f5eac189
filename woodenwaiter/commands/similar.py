"""What somebody may have meant who mistyped it."""

from __future__ import annotations

import difflib
from collections.abc import Collection


def hint_at(name: str, names: Collection[str]) -> str:
    """To be added to a complaint; empty where none of the names is similar."""
    similar = difflib.get_close_matches(name, names, 1)
    return f"; is it {similar[0]}?" if similar else ""
