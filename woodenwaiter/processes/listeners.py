"""Sockets that listen."""

from __future__ import annotations

import os
from socket import (
    AF_INET6,
    AI_PASSIVE,
    SOCK_STREAM,
    create_server,
    getaddrinfo,
    has_dualstack_ipv6,
    socket,
)

from ..errors import StartupError

WAITING = 64
"""That may wait for somebody to answer."""


def listener_at(host: str, port: int, what: str) -> socket:
    """One that does not block; ``host``: "" for all addresses. ``what`` is to be served there: it
    is named in the StartupError that is raised where nobody can listen."""
    try:
        listener = _listening(host, port)
    except (OSError, UnicodeError) as error:
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        raise StartupError(f"{what} cannot be served at {place}: {_why(error)}") from None
    listener.setblocking(False)
    return listener


def _why(error: OSError | UnicodeError) -> str:
    """In the system's words: Python adds its own."""
    number = getattr(error, "errno", None) or 0
    return os.strerror(number) if number > 0 else str(getattr(error, "strerror", None) or error)


def _listening(host: str, port: int) -> socket:
    if not host and has_dualstack_ipv6():
        return create_server(("", port), family=AF_INET6, backlog=WAITING, dualstack_ipv6=True)
    if not host:
        return create_server(("", port), backlog=WAITING)
    family, *_, address = getaddrinfo(host, port, type=SOCK_STREAM, flags=AI_PASSIVE)[0]
    return create_server(address, family=family, backlog=WAITING)
