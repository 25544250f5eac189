"""What an owner and a server know of each other."""

from __future__ import annotations

from typing import NamedTuple


class Tokens(NamedTuple):
    """Of a request. ``known``: of the owner's last request that was answered; ``fresh``: this one's
    own, larger than any before it."""

    known: int
    fresh: int
