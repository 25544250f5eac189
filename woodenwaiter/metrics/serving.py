"""Who serves metrics, put together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from socket import socket

from prometheus_client.exposition import make_wsgi_app

from ..consumer import Consumer
from ..processes.scoreboard import Scoreboard
from ..processes.signals import SignalInbox
from .collector import Collector
from .endpoint import Endpoint, metrics_only


def serve(
    consumers: Sequence[Consumer],
    scoreboard: Scoreboard,
    supervisor: int,
    listener: socket,
    inbox: SignalInbox,
    lifeline: int,
    is_over: Callable[[], bool],
) -> None:
    """Answer until a signal comes and it is over, or ``lifeline`` becomes readable.
    ``supervisor``: its pid."""
    registry = Collector(consumers, scoreboard, supervisor).registry()
    app = metrics_only(make_wsgi_app(registry))
    Endpoint(listener, app).serve(inbox, lifeline, is_over)
