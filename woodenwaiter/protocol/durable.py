"""Pushing tasks that a failover is not to lose."""

from __future__ import annotations

import os
import threading
from typing import Any

from .. import pace
from ..errors import NotReplicated
from .client import Client
from .link import Link
from .replies import reply_of


class Pusher(threading.local):
    """Pushes over a connection of each thread's own: replicas are waited for by the connection that
    pushed. Python makes the object anew in each thread that uses it."""

    def __init__(self, client: Client, replicas: int) -> None:
        self._client = client
        self._replicas = replicas
        self._connect()

    def _connect(self) -> None:
        self._pid = os.getpid()
        self._link = Link(self._client, pace.PUSH_WAIT)

    def push(self, queue: str, payload: bytes | str) -> None:
        """Raises NotReplicated where fewer replicas have it in time, and what a server's trouble
        is."""
        if self._pid != os.getpid():
            self._connect()
        wait = ("WAIT", self._replicas, int(pace.REPLICAS_WAIT * 1000))
        pushed, taken = self._link.exchange([("LPUSH", queue, payload), wait])
        if isinstance(pushed, Exception):
            raise pushed
        if not isinstance(taken, int) or taken < self._replicas:
            raise NotReplicated(f"a task is in {queue}, but {self._shortage(taken)}")

    def _shortage(self, taken: Any) -> str:
        if isinstance(taken, Exception):
            return f"who else has it is not known: {reply_of(taken).whole}"
        return (
            f"only {taken} of {self._replicas} replicas have taken it within "
            f"{pace.REPLICAS_WAIT:g} s: should the server fail over, it may be lost"
        )
