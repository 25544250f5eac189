"""Dead letters that are too many: the oldest go, in portions."""

from __future__ import annotations

from . import scripts
from .calls import Call
from .keys import Keys

PORTION = 10_000
"""Letters that are thrown away at once, at most: some milliseconds of the server's time."""


def trimming(keys: Keys, kept: int) -> Call:
    """The call that throws away the oldest ones beyond so many, and tells how many those were: a
    whole PORTION, if there may be more."""
    return scripts.TRIM, keys.of_script(None), [kept, PORTION]
