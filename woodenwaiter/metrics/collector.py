"""All there is to be told, at the moment that somebody asks."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import CollectorRegistry

from ..consumer import Consumer
from ..processes import plain_threads
from ..processes.scoreboard import Scoreboard
from ..protocol.client import Client, identity
from .families import of_build, of_housekeeper, of_processes, of_servers, of_tasks, of_workers
from .processes import Processes
from .queues import served
from .servers import Server


class Collector:
    """Of the supervisor whose pid is ``supervisor``. Several may ask at once."""

    def __init__(
        self, consumers: Sequence[Consumer], scoreboard: Scoreboard, supervisor: int
    ) -> None:
        self._queues = [consumer.queue for consumer in consumers]
        self._scoreboard = scoreboard
        self._servers = servers_of(consumers)
        self._processes = Processes(scoreboard, supervisor)
        self._one_at_a_time = plain_threads.lock()

    def registry(self) -> CollectorRegistry:
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        return registry

    def collect(self) -> Iterable[Metric]:
        with self._one_at_a_time:
            return list(self._families())

    def _families(self) -> Iterator[Metric]:
        now = time.monotonic()
        for server in self._servers:
            server.ask(now)
        self._processes.ask(now)
        yield from of_build()
        yield from of_processes(self._processes.uses())
        yield from of_servers([(server.address, server.answer()) for server in self._servers])
        # At last, as it takes no time: what was done meanwhile is told as well.
        queues = served(self._scoreboard, self._queues)
        yield from of_tasks(queues)
        yield from of_workers(queues)
        yield from self._housekeeper()

    def _housekeeper(self) -> Iterator[Metric]:
        now, answered_at = time.monotonic(), self._scoreboard.answered_at
        looked_at = self._scoreboard.looked_at or self._scoreboard.made_at
        return of_housekeeper(now - looked_at, now - answered_at if answered_at else None)


def servers_of(consumers: Sequence[Consumer]) -> list[Server]:
    """Those of their queues: one for each database, however many clients lead to it."""
    clients: dict[object, Client] = {}
    queues: dict[object, dict[str, None]] = {}
    for consumer in consumers:
        key = identity(consumer.client)
        clients.setdefault(key, consumer.client)
        queues.setdefault(key, {})[consumer.queue] = None
    return [Server(clients[key], list(queues[key])) for key in clients]
