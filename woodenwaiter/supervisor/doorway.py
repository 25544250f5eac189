"""Where a child of the supervisor is asked for something: the supervisor opens it, and answers
nobody. Who does that may die, and the next one goes on with who came meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from socket import socket
from types import MappingProxyType

from ..errors import StartupError
from ..processes.listeners import listener_at
from ..settings import Settings, parse_endpoint
from ..web.options import Options
from ..web.packages import require_packages
from .places import Stage

PACKAGE = "prometheus_client"
"""Which metrics take."""


class Doorways:
    """Sockets that listen, and do not block, each for the children of a stage."""

    def __init__(self, listeners: Mapping[Stage, socket] = MappingProxyType({})) -> None:
        self._listeners = listeners

    @classmethod
    def of(cls, settings: Settings) -> Doorways:
        """Those that are to be; raises StartupError where nobody can listen, or nobody could
        answer."""
        found = {}
        if settings.metrics:
            _require_metrics()
            found[Stage.METRICS] = listener_at(*parse_endpoint(settings.metrics), "metrics")
        if settings.web:
            require_packages()
            options = page_options(settings)
            _require_users(options.auth)
            found[Stage.WEB] = listener_at(options.host, options.port, "the page")
        return cls(found)

    def __contains__(self, stage: Stage) -> bool:
        return stage in self._listeners

    @contextmanager
    def lent(self, stage: Stage) -> Iterator[socket]:
        """For a child that is to be forked now, and will answer: in it, all of these are closed, as
        they are in the others."""
        with self._listeners[stage].dup() as listener:
            yield listener

    def close(self) -> None:
        for listener in self._listeners.values():
            listener.close()


def _require_metrics() -> None:
    if find_spec(PACKAGE) is None:
        raise StartupError(
            "metrics need the package prometheus-client: pip install 'woodenwaiter[metrics]'"
        )


def _require_users(auth: str) -> None:
    if auth:
        from ..web.passwords import Passwords  # with much that a supervisor does without

        Passwords(auth)


def page_options(settings: Settings) -> Options:
    """Of the page that is served beside a supervisor. Raises StartupError."""
    host, port = parse_endpoint(settings.web, "web")
    return Options(
        host=host,
        port=port,
        auth=settings.web_auth,
        no_auth=settings.web_no_auth,
        read_only=settings.web_read_only,
        redact=settings.web_redact.split(),
        prefix=settings.web_prefix,
    )


def address_of_metrics(place: str) -> str:
    """What to look at in a browser, on this machine at least."""
    return f"http://{'localhost' if place.startswith(':') else ''}{place}/metrics"
