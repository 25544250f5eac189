"""What comes with a request: all of it or nothing, in bounded memory and time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from .. import pace
from .replies import Message, Receive, Reply, words

MOST = 1 << 20
"""Bytes."""


class Refused(Exception):
    """There is more than may be, or it does not come; ``status`` says which."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status

    def reply(self, *, as_json: bool) -> Reply:
        # What is still to come is not read.
        found = words(self.status, str(self), as_json=as_json)
        return Reply(found.status, found.body, found.type, (("Connection", "close"),))


class Gone(Exception):
    """Nobody waits for an answer any more."""


async def body_of(receive: Receive, most: int = MOST) -> bytes:
    """Raises Refused and Gone."""
    try:
        return await asyncio.wait_for(_read(receive, most), pace.REQUEST_WITHIN)
    except asyncio.TimeoutError:
        raise Refused(408, "the rest of the request does not come") from None


async def _read(receive: Receive, most: int) -> bytes:
    body, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        body += message.get("body", b"")
        if len(body) > most:
            raise Refused(413, f"that is more than {most:,} bytes")
        more = message.get("more_body", False)
    return bytes(body)


def require_size(lengths: Sequence[str], most: int = MOST) -> None:
    """Raises Refused where there is to be more than that."""
    if any(length.isdecimal() and int(length[:20]) > most for length in lengths):
        raise Refused(413, f"that is more than {most:,} bytes")


def again(body: bytes, receive: Receive) -> Receive:
    """What was read, for who comes next."""
    left = [body]

    async def received() -> Message:
        if left:
            return {"type": "http.request", "body": left.pop(), "more_body": False}
        return await receive()

    return received
