"""What dead letters have in common: errors that are alike but for the numbers, ids and quoted
values in them. No socket, no clock."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache

NAME = re.compile("[0-9a-f]{6}", re.ASCII)
"""Of a group."""

QUOTED = re.compile(r"""(?<!\w)('[^'\n]*'|"[^"\n]*"|`[^`\n]*`)(?!\w)""")
"""Not the apostrophe of a word."""

HEXADECIMAL = re.compile(
    r"\b0x[0-9a-f]+\b|\b(?=[0-9a-f-]{0,64}[0-9])[0-9a-f]{8,}(?:-[0-9a-f]+)*\b", re.IGNORECASE
)
"""Such as addresses, hashes and UUIDs."""

NUMBER = re.compile(r"[0-9]+(?:[.,:][0-9]+)*")

TYPE = re.compile(r"[\w.]+(?=:|$)")
"""Of an exception, at the beginning of what is told of it."""


@lru_cache(maxsize=4096)
def pattern_of(text: str) -> str:
    """What errors or reasons have in common that are alike: … for each quoted value, # for each
    number or id. The type of an exception stays as it is."""
    found = TYPE.match(text)
    kind = found[0] if found else ""
    rest = QUOTED.sub(lambda quoted: f"{quoted[0][0]}…{quoted[0][0]}", text[len(kind) :])
    return kind + NUMBER.sub("#", HEXADECIMAL.sub("#", rest))


@lru_cache(maxsize=4096)
def group_of(reason: str, error: str) -> str:
    """The name of the group of dead letters that have a reason and an error like these: it depends
    on nothing else."""
    both = f"{pattern_of(reason)}\0{pattern_of(error)}".encode(errors="surrogateescape")
    return hashlib.sha1(both, usedforsecurity=False).hexdigest()[:6]
