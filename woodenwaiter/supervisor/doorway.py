"""Where metrics are asked for: the supervisor opens it, and answers nobody. Who does that may die,
and the next one goes on with who came meanwhile."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
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
from ..settings import parse_endpoint

PACKAGE = "prometheus_client"

WAITING = 64
"""That may wait for somebody to answer."""


class Doorway:
    """A socket that listens, and does not block; or none."""

    def __init__(self, listener: socket | None = None) -> None:
        self._listener = listener

    @classmethod
    def at(cls, place: str) -> Doorway:
        """``place``: as `parse_endpoint` takes it. Raises StartupError where nobody can listen, or
        nobody could answer."""
        if find_spec(PACKAGE) is None:
            raise StartupError(
                "metrics need the package prometheus-client: pip install 'woodenwaiter[metrics]'"
            )
        try:
            listener = _listening(*parse_endpoint(place))
        except (OSError, UnicodeError) as error:
            raise StartupError(f"metrics cannot be served at {place}: {_why(error)}") from None
        listener.setblocking(False)
        return cls(listener)

    @contextmanager
    def lent(self) -> Iterator[socket]:
        """For a child that is to be forked now, and will answer: in it, this one is closed, as it
        is in all the others."""
        if not self._listener:
            raise ValueError("there is no listener to lend")
        with self._listener.dup() as listener:
            yield listener

    def close(self) -> None:
        if self._listener:
            self._listener.close()


def address_of_metrics(place: str) -> str:
    """What to look at in a browser, on this machine at least."""
    return f"http://{'localhost' if place.startswith(':') else ''}{place}/metrics"


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
