"""Pushing tasks that a failover is not to lose."""

from __future__ import annotations

import os
import threading

from .. import pace
from ..errors import NotReplicated
from .client import Client
from .link import Link
from .replicas import Replicas


class Pusher(threading.local):
    """Pushes over a connection of each thread's own: replicas are waited for by the connection that
    pushed. Python makes the object anew in each thread that uses it."""

    def __init__(self, client: Client, replicas: int) -> None:
        self._client = client
        self._replicas = Replicas(replicas, pace.PUSH_WAIT)
        self._connect()

    def _connect(self) -> None:
        self._pid = os.getpid()
        self._link = Link(self._client, pace.PUSH_WAIT)

    def push(self, queue: str, payload: bytes | str) -> None:
        """Raises NotReplicated where fewer replicas have it in time, and what a server's trouble
        is."""
        if self._pid != os.getpid():
            self._connect()
        push = ("LPUSH", queue, payload)
        pushed, taken = self._link.exchange([push, *self._replicas.commands])
        if isinstance(pushed, Exception):
            raise pushed
        if shortage := self._replicas.shortage(taken, "it"):
            raise NotReplicated(
                f"a task is in {queue}, but should the server fail over, it may be lost: {shortage}"
            )
