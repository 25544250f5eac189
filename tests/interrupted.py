"""Links whose requests come to nothing, or whose replies do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from woodenwaiter.protocol.link import Command, Link


class InterruptedLink(Link):
    """Its request number ``at`` raises, before it is sent or else when it was answered; those
    after it pass. ``asked``: how many there were."""

    asked = 0

    def __init__(self, client: Any, at: int, error: BaseException, *, is_sent: bool) -> None:
        super().__init__(client, timeout=10)
        self._at, self._error, self._is_sent = at, error, is_sent

    def _ask(self, commands: Sequence[Command], *given: Any, **named: Any) -> list[Any]:
        self.asked += 1
        if self.asked != self._at:
            return super()._ask(commands, *given, **named)
        if self._is_sent:
            super()._ask(commands, *given, **named)
        raise self._error
