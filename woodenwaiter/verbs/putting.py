"""Pushing tasks, as a producer does."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from .. import pace
from ..errors import BadEntry
from ..protocol.entry import foods, payload_of
from ..protocol.link import ServerTrouble
from ..protocol.putting import Input
from .audit import audited
from .desk import Desk


@dataclass(frozen=True)
class Put:
    """So far: how many tasks of ``total`` were ``pushed``, and how many were in ``before``, by
    somebody who was interrupted. ``trouble``: why it stands in no audit, if it doesn't."""

    total: int
    pushed: int = 0
    before: int = 0
    trouble: str = ""

    @property
    def inside(self) -> int:
        return self.pushed + self.before


def payloads_in(lines: Iterable[bytes]) -> list[bytes]:
    """What a producer would push for the JSON object in each line that is not empty; raises
    BadEntry, which names the line, if there is none."""
    payloads = []
    for number, line in enumerate(lines, 1):
        try:
            if line.strip():
                payloads.append(payload_in(line))
        except BadEntry as error:
            raise BadEntry(f"line {number}: {error}") from None
    return payloads


def payload_in(text: bytes) -> bytes:
    """What a producer would push for this JSON object; raises BadEntry if it is none."""
    try:
        return payload_of(foods(text)).encode()
    except RecursionError:
        raise BadEntry("nested too deeply") from None


def put(desk: Desk, queue: str, payloads: Sequence[bytes]) -> Generator[Put, None, None]:
    """Push these tasks, the first one first, in portions; yields what has been done so far. Where
    it is left in between, the same again goes on there, for a day. Where somebody else puts the
    very same, it waits. Raises what is in `link.ServerTrouble`, and StartupError where it can't
    be told how many are in."""
    given = Input(queue, payloads)
    so_far = Put(len(payloads))
    with audited(desk, "put", queue) as doing:
        while so_far.inside < so_far.total:
            if step := given.push(desk.link, so_far.inside):
                doing.count += step.pushed
                so_far = Put(so_far.total, doing.count, step.inside - doing.count)
                yield so_far
            else:
                time.sleep(pace.PUT_POLL)
        with suppress(*ServerTrouble):  # all is in, and noted
            given.finish(desk.link)
    yield replace(so_far, trouble=doing.trouble)
