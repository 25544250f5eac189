"""Where a soak's tasks are; for one, the server behind an address, which may be another one after a
failover."""

from __future__ import annotations

from itertools import count
from pathlib import Path

from ..clock import Clock, can_be_set
from ..proxy import Proxy
from ..support import Server
from ..topologies.cluster import Cluster
from ..topologies.sentinels import Sentinels


class Servers:
    """All have one clock, which can be set if there is a C compiler."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = count(1)
        self.clock = Clock(folder) if can_be_set() else None
        self._all: list[Server] = []
        self._proxy = Proxy(self.another())
        self.url = self._proxy.url

    @property
    def present(self) -> Server:
        """Where new connections lead to."""
        return self._proxy.server

    def another(self) -> Server:
        """A new one, which nobody knows yet."""
        environment = self.clock.environment if self.clock else {}
        self._all.append(Server(self._folder / f"server{next(self._numbers)}", **environment))
        return self._all[-1]

    def let_in(self, successor: Server) -> None:
        """Let new connections lead there."""
        self._proxy.server = successor

    def close(self) -> None:
        self._proxy.close()
        for server in self._all:
            server.close()


Place = Servers | Sentinels | Cluster
