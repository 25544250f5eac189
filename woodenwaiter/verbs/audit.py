"""Who changed what: a line for each verb that did, in `keys.AUDIT`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ..protocol import scripts
from ..protocol.keys import AUDIT, text_of_name
from ..protocol.link import Link, ServerTrouble
from ..protocol.replies import reply_of
from ..text import shortened
from .desk import Desk

KEPT = 10_000
"""Lines, about: the oldest go first."""

LONGEST = 1000
"""Characters of a part of a line."""

FIELDS = ("who", "where", "verb", "queue", "what")


@dataclass(frozen=True)
class Line:
    """``at``: Unix time in seconds, by the server's clock; ``count``: how many were changed;
    ``queue`` and ``what``: empty where there is none."""

    at: float
    who: str
    where: str
    verb: str
    queue: str
    what: str
    count: int


@dataclass
class Doing:
    """What a verb has done so far: ``count``, to be kept up to date. ``what``: in a few words."""

    what: str = ""
    count: int = 0
    trouble: str = ""
    """Why it stands in no audit, once it is done; empty where it does, or nothing was changed."""


@contextmanager
def audited(desk: Desk, verb: str, queue: str = "", what: str = "") -> Iterator[Doing]:
    """Note what is done inside, however that ends. Nothing fails of it: see ``trouble``."""
    doing = Doing(what)
    try:
        yield doing
    finally:
        if doing.count:
            doing.trouble = _noted(desk, verb, queue, doing)


def _noted(desk: Desk, verb: str, queue: str, doing: Doing) -> str:
    texts = zip(FIELDS, (desk.who, desk.where, verb, queue, doing.what), strict=True)
    fields = [part for name, text in texts for part in (name, shortened(text, LONGEST))]
    try:
        desk.link.run(scripts.AUDIT, [AUDIT], [KEPT, *fields, "count", doing.count])
    except ServerTrouble as error:
        return f"it stands in no audit: {reply_of(error).whole}"
    return ""


def audit(link: Link, most: int) -> list[Line]:
    """The latest lines, the last one first. Raises what is in `link.ServerTrouble`."""
    found = link.call("XREVRANGE", AUDIT, "+", "-", "COUNT", most)
    return [_line(name, flat) for name, flat in found]


def _line(name: bytes, flat: list[bytes]) -> Line:
    """Whoever wrote it."""
    fields = dict(zip(map(text_of_name, flat[::2]), map(text_of_name, flat[1::2]), strict=True))
    count = fields.get("count", "")
    return Line(
        at=int(name.partition(b"-")[0]) / 1000,
        count=int(count) if count.isascii() and count.isdigit() and len(count) < 20 else 0,
        **{field: fields.get(field, "") for field in FIELDS},
    )
