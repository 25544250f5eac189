"""What a process has to one server: commands, scripts, and a wait that a signal ends."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Any

import redis
from redis.exceptions import ResponseError

from .. import pace
from ..errors import RedisUnusable
from .client import address_of
from .replies import Meaning, counsel_on, is_hopeless, meaning_of, needs_source, reply_of
from .scripts import Script
from .wire import Command as Command  # noqa: PLC0414 - what a link raises and takes
from .wire import Interrupted as Interrupted  # noqa: PLC0414 - likewise
from .wire import Pause as Pause  # noqa: PLC0414 - likewise
from .wire import ServerTrouble as ServerTrouble  # noqa: PLC0414 - likewise
from .wire import Wire

OLDEST = (6, 2)
"""The first version with LMOVE and BLMOVE."""

LONG_REASON = 200
"""Characters of a reply, from which on it is cut in what people are told."""


class Link:
    """What a process has to the server that ``client`` talks to, opened when first used.

    ``timeout``: seconds after which a silent server counts as gone.
    Methods raise what is in ServerTrouble.
    """

    def __init__(self, client: redis.Redis, timeout: float) -> None:
        self.address = address_of(client)
        self.timeout = timeout
        pool = client.connection_pool
        self._home = Wire(pool.connection_class, pool.connection_kwargs, timeout, self.address)

    def call(self, *command: Any) -> Any:
        """Send one command and return its reply."""
        return self._home.call(*command)

    def run(self, script: Script, keys: list[str], arguments: list[Any]) -> Any:
        """Run a script, which the server may not know yet."""
        try:
            return self.call("EVALSHA", script.sha, len(keys), *keys, *arguments)
        except ResponseError as error:
            if not needs_source(error):
                raise
            return self.call("EVAL", script.source.encode(), len(keys), *keys, *arguments)

    def wait(self, commands: list[Command], seconds: float, pause: Pause) -> list[Any]:
        """Send the commands, of which the first may block, at once; return their replies, among
        them as errors what was refused of them alone.

        ``pause`` does the waiting, for up to ``seconds`` and the server's own delay. When it gives
        up, the connection is dropped, so that the server ends the wait as well; raises Interrupted.
        """
        self._home.send(commands)
        self._home.await_reply(seconds + self.timeout, pause)
        outcomes = [self._home.outcome() for _ in commands]
        self._home.raise_trouble(outcomes)
        return outcomes

    def exchange(self, commands: Sequence[Command]) -> list[Any]:
        """Send all commands at once; return their replies in the same order, among them as errors
        what was refused of one alone, and in a cluster what one node is in trouble with. All that
        is waited for has ``timeout`` seconds together."""
        if not commands:
            return []
        deadline = time.monotonic() + self.timeout
        try:
            self._home.send(commands)
            outcomes = [self._outcome_by(deadline) for _ in commands]
        finally:
            self._home.limit()
        self._home.raise_trouble(outcomes)
        return outcomes

    def _outcome_by(self, deadline: float) -> Any:
        self._home.limit(max(deadline - time.monotonic(), pace.LEAST_READ))
        return self._home.outcome()

    def address_for(self, key: str) -> str:
        """The address, as people are told, of who serves this key, as far as is known."""
        return self.address

    def nodes(self) -> list[Wire]:
        """Whoever has a part of the keys, each to be asked by its `call`."""
        return [self._home]

    def rest(self, seconds: float, pause: Pause) -> None:
        """Wait for so long without asking for anything. Raises Interrupted where ``pause`` gives
        up."""
        self._home.rest(seconds, pause)

    def close(self) -> None:
        self._home.close()


def require_usable(link: Link) -> None:
    """Raises RedisUnusable where waiting does not help: a refused login, or too old a server."""
    try:
        reply = link.call("INFO", "server")
    except ServerTrouble as error:
        if meaning_of(error) is Meaning.FORBIDDEN:
            return  # not for this user, or for nobody here; the first claim will tell
        if is_hopeless(error):
            raise unusable(link.address, error) from None
        raise
    text = reply.decode(errors="replace") if isinstance(reply, bytes) else ""
    found = re.search(r"redis_version:(\d+)\.(\d+)\.(\S*)", text)
    version = ".".join(found.groups()) if found else "unknown"
    if not found or (int(found[1]), int(found[2])) < OLDEST:
        raise RedisUnusable(
            f"Redis at {link.address} is version {version}: 6.2 or newer is needed, or Valkey"
        )


def unusable(address: str, error: Exception) -> RedisUnusable:
    """What a person is told, in one line, who is to do something about it."""
    problem, remedy = counsel_on(error, address)
    return RedisUnusable(f"{problem.format(address)}: {_reason(error)}. {remedy}")


def _reason(error: Exception) -> str:
    """Of what the server says at length, the first sentence."""
    reason = " ".join(reply_of(error).whole.split()).rstrip(".")
    return reason if len(reason) < LONG_REASON else reason.partition(". ")[0][:LONG_REASON]
