"""What to run for one queue: all that the inside knows of a customer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from .hooks import Hooks
from .protocol.client import Client
from .protocol.verdict import Policy
from .settings import Processes, Settings


@dataclass(frozen=True)
class Consumer:
    """One queue's handler and how to run it; what the fields mean is told at `WoodenCustomer`."""

    queue: str
    client: Client
    handler: Callable[[dict[str, Any]], Any]
    wait: float
    processes: Processes
    policy: Policy
    timeout: float | None = None
    stall_timeout: float | None = None
    max_tasks: int | None = None
    max_memory: int | None = None
    setup: Callable[[], Any] | None = None
    teardown: Callable[[], Any] | None = None
    durable: int = 0
    slow: float | None = None
    share: float = 1.0
    hooks: Hooks = field(default_factory=Hooks)

    @property
    def bounds(self) -> tuple[int, int]:
        """The least and the most workers, once it is known how many CPUs there are."""
        least, most = self.processes if isinstance(self.processes, tuple) else (self.processes,) * 2
        return int(least), int(most)

    def under(self, settings: Settings, client: Client | None) -> Consumer:
        """This consumer as a supervisor with these settings, and maybe this client, runs it."""
        return replace(
            self,
            client=client or self.client,
            processes=settings.processes_of(self.queue) or self.processes,
            durable=settings.durable or self.durable,
            slow=settings.slow,
        )
