"""Who a connection says it is: an operator sees it in ``CLIENT LIST``."""

from __future__ import annotations

import socket
from typing import Any
from urllib.parse import quote

from .. import __version__
from ..names import LONGEST_HOST

LONGEST_QUEUE = 64
"""Bytes of a queue's name that are told."""

LEGIBLE = "!\"$&'()*+,/:;<=>?@[\\]^`{|}~"
"""What a server takes in a name, beside letters, digits and ``_.-~``; ``%`` and ``#`` are ours."""


def introduced(role: str, queue: str = "", number: int | None = None) -> str:
    """The name of a connection, such as ``woodenwaiter:HOST:worker:t:d#0``."""
    parts = ["woodenwaiter", _legible(socket.gethostname(), LONGEST_HOST), role]
    if queue:
        parts.append(_legible(queue, LONGEST_QUEUE))
    return ":".join(parts) + ("" if number is None else f"#{number}")


def _legible(text: str, most: int) -> str:
    return quote(text.encode(errors="surrogateescape")[:most], safe=LEGIBLE)


def introduction(name: str | None) -> list[tuple[Any, ...]]:
    """The commands that say so, if there is a name. Whoever refuses them goes without. The first
    one's answer tells what the server is."""
    hello = ("HELLO", 2)
    if not name:
        return [hello]
    return [
        hello,
        ("CLIENT", "SETNAME", name),
        ("CLIENT", "SETINFO", "LIB-NAME", "woodenwaiter"),
        ("CLIENT", "SETINFO", "LIB-VER", __version__),
    ]
