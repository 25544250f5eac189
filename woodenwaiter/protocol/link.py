"""What a process has to one server, or to one cluster: commands, scripts, and a wait that a signal
ends."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

from redis.exceptions import ResponseError

from ..errors import RedisUnusable
from .client import Client, Source, source_of, spelled
from .cluster import Cluster, errands_of
from .keys import REGISTRY
from .replicas import Replicas
from .replies import (
    Meaning,
    counsel_on,
    is_hopeless,
    is_outage,
    is_redirect,
    meaning_of,
    needs_source,
    reply_of,
)
from .scripts import Script
from .sentinels import Guide
from .wire import Command as Command  # noqa: PLC0414 - what a link is given, and raises
from .wire import Interrupted as Interrupted  # noqa: PLC0414 - likewise
from .wire import Pause as Pause  # noqa: PLC0414 - likewise
from .wire import Ready, Wire
from .wire import ServerTrouble as ServerTrouble  # noqa: PLC0414 - likewise

OLDEST = (6, 2)
"""The first version with LMOVE and BLMOVE."""

LONG_REASON = 200
"""Characters of a reply, from which on it is cut in what people are told."""


class Link:
    """What a process has to the server that ``client`` talks to, opened when first used.

    Where that is a node of a cluster, each key is asked for at the node that has it.
    ``timeout``: seconds after which a silent server counts as gone; ``name``: of the connections,
    unless the client has one for its own; ``replicas``: which are to have what a script did, before
    it is reported.
    Methods raise what is in ServerTrouble.
    """

    def __init__(
        self, client: Client, timeout: float, name: str = "", replicas: Replicas | None = None
    ) -> None:
        self.source = source_of(client)
        """For other connections."""
        self._source = self.source.named(name)
        self.address = self._source.address
        self.timeout = timeout
        self._replicas = replicas or Replicas(0, timeout)
        self._home = Wire(self._source.kind, _options(self._source, timeout), timeout, self.address)
        self._cluster: Cluster | None = None
        if self._source.is_cluster:
            self._join()

    def call(self, *command: Any) -> Any:
        """Send one command and return its reply."""
        [outcome] = self._ask((command,))
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def run(self, script: Script, keys: list[str], arguments: list[Any]) -> Any:
        """Run a script, which the server may not know yet."""
        try:
            return self._confirmed("EVALSHA", script.sha, len(keys), *keys, *arguments)
        except ResponseError as error:
            if not needs_source(error):
                raise
            return self._confirmed("EVAL", script.source.encode(), len(keys), *keys, *arguments)

    def _confirmed(self, *command: Any) -> Any:
        outcome, *confirmed = self._ask((command, *self._replicas.commands))
        if isinstance(outcome, Exception):
            raise outcome
        self._replicas.note(confirmed, self.address)
        return outcome

    def wait(self, commands: Sequence[Command], seconds: float, pause: Pause) -> list[Any]:
        """Send the commands, of which the first may block and all are for one queue, at once;
        return their replies, among them as errors what was refused of them alone.

        ``pause`` does the waiting, for up to ``seconds`` and the server's own delay. When it gives
        up, the connection is dropped, so that the server ends the wait as well; raises Interrupted.
        """
        return self.together(commands, lambda wire: wire.await_reply(seconds + self.timeout, pause))

    def together(self, commands: Sequence[Command], ready: Ready | None = None) -> list[Any]:
        """Send the commands, which are all for one queue, at once; return their replies, among them
        as errors what was refused of them alone. ``ready`` returns when there is one."""
        outcomes = self._ask((*commands, *self._replicas.commands), ready=ready)
        for outcome in outcomes:
            if isinstance(outcome, Exception) and is_outage(outcome):
                raise outcome
        self._replicas.note(outcomes[len(commands) :], self.address)
        return outcomes[: len(commands)]

    def exchange(
        self,
        commands: Sequence[Command],
        along: Sequence[Command] = (),
        within: float | None = None,
    ) -> list[Any]:
        """Send all commands at once; return their replies in the same order, among them as errors
        what was refused of one alone, and what is the matter with that node of a cluster which one
        is for. Those that go ``along`` come last, and what they are refused concerns no other. All
        that is waited for has ``within`` seconds together, or else ``timeout``."""
        if not (commands or along):
            return []
        deadline = time.monotonic() + (within or self.timeout)
        self._home.limit(deadline)
        try:
            return self._ask([*commands, *along], deadline, apart=len(along))
        finally:
            self._home.limit(None)

    def _ask(
        self,
        commands: Sequence[Command],
        deadline: float | None = None,
        ready: Ready | None = None,
        apart: int = 0,
    ) -> list[Any]:
        """What each is answered. Of a single server, raises what concerns everybody, unless it was
        said to the last ones that are ``apart``."""
        if cluster := self._cluster or (not self._home.is_open and self._met_cluster()):
            errands = errands_of(commands)
            cluster.ask(errands, deadline, ready)
            return [errand.outcome for errand in errands]
        outcomes = self._home.ask(commands, ready)
        for outcome in outcomes:
            if isinstance(outcome, ResponseError):
                return self._heed(commands, outcomes, deadline, ready, apart)
        return outcomes

    def _heed(
        self,
        commands: Sequence[Command],
        outcomes: list[Any],
        deadline: float | None,
        ready: Ready | None,
        apart: int,
    ) -> list[Any]:
        """Some are refused: follow those that the server sends elsewhere."""
        if not any(map(is_redirect, outcomes)):
            self._home.raise_trouble(outcomes[: len(outcomes) - apart])
            return outcomes
        errands = errands_of(commands, outcomes)
        self._join().follow(errands, deadline, ready)
        return [errand.outcome for errand in errands]

    def _met_cluster(self) -> Cluster | None:
        """The cluster of which the server turns out to be a node when it is first talked to."""
        self._home.open()
        return self._join() if self._home.is_of_cluster else None

    def _join(self) -> Cluster:
        self._cluster = Cluster(self._source, self.timeout, self._home)
        return self._cluster

    @property
    def primary(self) -> str | None:
        """Where the service is now that sentinels are asked for, if they are, and it is known."""
        host_and_port = self._source.service and self._home.is_open and self._home.peer
        return spelled(host_and_port) if host_and_port else None

    def address_for(self, key: str) -> str:
        """The address, as people are told, of who serves this key, as far as is known."""
        return (self._cluster and self._cluster.address_for(key)) or self.address

    def nodes(self) -> list[Wire]:
        """Whoever has a part of the keys, each to be asked by its `call`."""
        cluster = self._cluster or (None if self._home.is_open else self._met_cluster())
        return cluster.nodes() if cluster else [self._home]

    def line_for(self, key: str) -> Wire:
        """Another connection, to who serves this key, as far as is known; to be opened."""
        if self._cluster:
            return self._cluster.line_for(key)
        options = _options(self._source, self.timeout)
        return Wire(self._source.kind, options, self.timeout, self.address)

    def rest(self, seconds: float, pause: Pause) -> None:
        """Wait for so long without asking for anything. Raises Interrupted where ``pause`` gives
        up."""
        wire = self._cluster.somewhere() if self._cluster else self._home
        wire.rest(seconds, pause)

    def close(self) -> None:
        self._home.close()
        if self._cluster:
            self._cluster.close()


def _options(source: Source, timeout: float) -> Mapping[str, Any]:
    """Of the first connection."""
    if source.is_cluster:
        host, port = source.nodes[0]
        return {**source.options, "host": host, "port": port}
    if source.service:  # redis-py's own way to ask sentinels has no hurry, and leaves traces
        return {**source.options, "connection_pool": Guide(source, timeout)}
    return source.options


def require_usable(link: Link) -> None:
    """Raises RedisUnusable where waiting does not help: a refused login, or too old a server."""
    try:
        reply = link.call("INFO", "server")
        text = reply.decode(errors="replace") if isinstance(reply, bytes) else ""
        if re.search("(redis|server)_mode:cluster", text):
            link.call("TYPE", REGISTRY)  # any key: it may be down as a whole
    except ServerTrouble as error:
        if meaning_of(error) is Meaning.FORBIDDEN:
            return  # not for this user, or for nobody here; the first claim will tell
        if is_hopeless(error):
            raise unusable(link.address, error) from None
        raise
    _require_version(text, link.address)


def _require_version(text: str, address: str) -> None:
    found = re.search(r"redis_version:(\d+)\.(\d+)\.(\S*)", text)
    version = ".".join(found.groups()) if found else "unknown"
    if not found or (int(found[1]), int(found[2])) < OLDEST:
        raise RedisUnusable(
            f"Redis at {address} is version {version}: 6.2 or newer is needed, or Valkey"
        )


def unusable(address: str, error: Exception) -> RedisUnusable:
    """What a person is told, in one line, who is to do something about it."""
    problem, remedy = counsel_on(error, address)
    return RedisUnusable(f"{problem.format(address)}: {_reason(error)}. {remedy}")


def _reason(error: Exception) -> str:
    """Of what the server says at length, the first sentence."""
    reason = " ".join(reply_of(error).whole.split()).rstrip(".")
    return reason if len(reason) < LONG_REASON else reason.partition(". ")[0][:LONG_REASON]
