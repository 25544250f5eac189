"""Pushing many tasks in portions, so that whoever is interrupted can go on where that was.

How much of an input is in the queue is noted under its digest, by who puts it, and the note goes
when all is in: the same again is put again then. A note of somebody else's that has not changed for
a while is of one that was interrupted.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from .. import pace
from ..errors import StartupError
from . import scripts
from .keys import Keys
from .link import Link

AT_ONCE = 200
"""Tasks in one request, at most."""

ENOUGH_BYTES = 1 << 20
"""After which a request has no more of them."""

KEPT = int(pace.PUT_KEPT * 1000)
PATIENCE = int(pace.PUT_PATIENCE * 1000)
"""Milliseconds."""


class Step(NamedTuple):
    """How many tasks of the input are in, and how many were pushed by this request."""

    inside: int
    pushed: int


class Input:
    """The payloads that somebody puts into a queue."""

    def __init__(self, queue: str, payloads: Sequence[bytes]) -> None:
        self._payloads = payloads
        self._whose = secrets.token_hex(8)
        digest = hashlib.sha1(b"\n".join(payloads), usedforsecurity=False).hexdigest()
        self._keys = Keys(queue).of_putting(digest)

    def push(self, link: Link, inside: int) -> Step | None:
        """Push the tasks that follow the first ``inside``, which are in as far as is known; None:
        somebody else puts the same right now. Raises what is in `link.ServerTrouble`, and
        StartupError where it can't be told how many are in."""
        return self._sent(link, inside, *self._portion(inside))

    def finish(self, link: Link) -> None:
        """All is in. Raises likewise."""
        self._sent(link, len(self._payloads))

    def _portion(self, start: int) -> Iterator[bytes]:
        size = 0
        for payload in self._payloads[start : start + AT_ONCE]:
            yield payload
            size += len(payload)
            if size >= ENOUGH_BYTES:
                break

    def _sent(self, link: Link, inside: int, *payloads: bytes) -> Step | None:
        arguments: list[Any] = [self._whose, inside, KEPT, PATIENCE, *payloads]
        reply = link.run(scripts.PUT, self._keys, arguments)
        if isinstance(reply, bytes):
            raise StartupError(
                f"{inside:,} of {len(self._payloads):,} are in, and it is not known of the others: "
                "somebody else has put the same, or the server has lost what it had noted"
            )
        return reply if reply is None else Step(*reply)
