"""Having the system notice that a server has vanished without a word, in a long wait, too."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any

from .. import pace

IDLE = getattr(socket, "TCP_KEEPIDLE", getattr(socket, "TCP_KEEPALIVE", None))  # of macOS


def with_keepalive(given: Mapping[str, Any], timeout: float) -> dict[str, Any]:
    """The settings of a connection of redis-py's, and those by which one whose server does not even
    acknowledge what it gets is broken after about ``timeout``; what the user gave goes first."""
    if "path" in given or given.get("socket_keepalive") is False:
        return dict(given)
    own = given.get("socket_keepalive_options")
    chosen = own if isinstance(own, Mapping) else {}
    options = {**_options(timeout), **chosen}
    return {**given, "socket_keepalive": True, "socket_keepalive_options": options}


def _options(timeout: float) -> dict[int, int]:
    idle, interval, probes = pace.keepalive(timeout)
    options = {
        IDLE: idle,
        getattr(socket, "TCP_KEEPINTVL", None): interval,
        getattr(socket, "TCP_KEEPCNT", None): probes,
        getattr(socket, "TCP_USER_TIMEOUT", None): max(1, int(timeout * 1000)),  # of what was sent
    }
    return {number: value for number, value in options.items() if number is not None}
