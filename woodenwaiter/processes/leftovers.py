"""What a fork would break."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import psutil


def leftovers() -> Iterator[str]:
    """What an import left behind that a fork would break: threads, open connections."""
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            yield f"the thread {thread.name!r}"
    try:
        connections = psutil.Process().net_connections()
    except psutil.Error:
        return
    for connection in connections:
        if connection.raddr:
            yield f"a connection to {':'.join(map(str, connection.raddr))}"
