"""How many entries a claim moves by plain commands, in front of its script.

A script copies each entry through Lua, several times; a move by itself does not, and its reply is
the entry. So large ones are moved to the owner's claims first, and the script, in the same round
trip, sees whether that was right: then it says how many there are, and not what.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from .entry import RECORD_SEPARATOR
from .tokens import Tokens

LARGE = 1 << 16
"""Bytes from which on an entry is cheaper to move before the script."""


class Standing(NamedTuple):
    """That an owner stands on this token, and has settled so many, when it asks next."""

    owner: str
    completed: int
    token: int


class Moves:
    """Of one connection's claims. ``enough``: bytes after which a claim stops.

    They are sent only where nothing else can be among the owner's claims: all that it was given is
    done, and no request of its own can come late that moves something.
    """

    def __init__(self, enough: int) -> None:
        self._enough = enough
        self._most = enough // LARGE
        self._number = 0
        self._standing: Standing | None = None
        self._unsure = ""  # the owner for whom a move may still come

    def before(self, owner: str, completed: int, want: int, tokens: Tokens) -> int:
        """How many to move before this claim."""
        if not self._number or owner == self._unsure or tokens.fresh != tokens.known + 1:
            return 0
        is_empty = self._standing == (owner, completed, tokens.known)
        return min(self._number, want) if is_empty else 0

    def begun(self, owner: str) -> None:
        """Until `answered` it is not known what of them has come."""
        self._unsure = owner

    def claimed(self, owner: str, completed: int, tokens: Tokens, claims: Sequence[bytes]) -> None:
        """What came of a claim: the next entries will be about as large."""
        self._standing = Standing(owner, completed + len(claims), tokens.fresh)
        if 0 < len(claims) <= 2 * self._most:
            size = sum(map(len, claims)) // len(claims)
            self._number = max(1, self._enough // size) if size >= LARGE else 0
        elif claims:
            self._number = 0

    def answered(self) -> None:
        """Nothing is under way any more."""
        self._unsure = ""


def are_claims(moved: Sequence[Any], count: object) -> bool:
    """Whether these replies are the claims, where the script says that there are ``count``. Those
    with a header are for the script to look at."""
    return (
        0 < len(moved) == count
        and all(isinstance(entry, bytes) for entry in moved)
        and not moved[0].startswith(RECORD_SEPARATOR)
    )
