"""Names in addresses: of queues, whose bytes may be no text, and of documents."""

from __future__ import annotations

from urllib.parse import quote, unquote_to_bytes

from ..protocol.keys import text_of_name


def key_of(name: str) -> str:
    """As a part of an address: it is passed on as it is."""
    return quote(name.encode(errors="surrogateescape"), safe="")


def name_of(key: str) -> str:
    """What that stands for."""
    return text_of_name(unquote_to_bytes(key))
