"""One connection to the server, belonging to one process: commands, scripts, and a wait that a
signal ends.

Below redis-py's client on purpose: its pools are made for threads, its retries hide an outage
that this project's loops want to see, and it cannot leave a blocking command when a signal comes.
"""

from __future__ import annotations

import encodings.idna  # noqa: F401 - resolving a name needs it; better once than in each child
import re
from collections.abc import Callable
from typing import Any

import redis
from redis.exceptions import InvalidResponse, ResponseError

from ..errors import RedisUnusable
from .client import address_of
from .introduction import introduction
from .keepalive import with_keepalive
from .replies import Meaning, counsel_on, is_hopeless, is_outage, meaning_of, needs_source, reply_of
from .scripts import Script

OLDEST = (6, 2)
"""The first version with LMOVE and BLMOVE."""

LONG_REASON = 200
"""Characters of a reply, from which on it is cut in what people are told."""

ServerTrouble = (redis.RedisError, OSError)
"""What may be raised while the server is away, unwilling, or holds what it should not."""

Command = tuple[Any, ...]
Pause = Callable[[int, float], bool]
"""``pause(fd, seconds)`` waits until the descriptor is readable: True; or gives up the wait: False.
Raises TimeoutError when the time is up."""


class Interrupted(Exception):
    """The wait ended early because its caller wanted it to."""


class Link:
    """A connection of its own to the server that ``client`` talks to, opened when first used.

    ``timeout``: seconds after which a silent server counts as gone; ``name``: of the connection,
    unless the client has one for its connections.
    Methods raise what is in ServerTrouble. After an error that leaves the replies out of step, or
    tells of a server that cannot serve, the connection is dropped, and the next call opens another.
    """

    def __init__(self, client: redis.Redis, timeout: float, name: str = "") -> None:
        self.address = address_of(client)
        self.timeout = timeout
        pool = client.connection_pool
        settings = _settings(pool.connection_kwargs, timeout)
        # Made here and opened later: what redis-py loads for it, forked children can share.
        self._connection: Any = pool.connection_class(**settings)
        self._connection.socket_timeout = timeout  # which redis-py 5.0 loses for Unix sockets
        given = settings.get("client_name") or name
        self._introduction = introduction(given) if given else []
        self._unsaid: list[Command] = []  # of it, over the connection that is open
        self._introduce_nobody()
        self._is_open = False
        self._owed = 0  # replies that are still to be read

    def _introduce_nobody(self) -> None:
        """Redis-py would tell its own name and the user's when it connects: it would hide why a
        server turns everybody away, and not go on without CLIENT."""
        for name in ("client_name", "driver_info", "lib_name", "lib_version"):
            setattr(self._connection, name, None)

    def call(self, *command: Any) -> Any:
        """Send one command and return its reply."""
        self._send([command])
        outcome = self._outcome()
        if isinstance(outcome, ResponseError):
            self._raise_trouble([outcome])
            raise outcome
        return outcome

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
        self._send(commands)
        self._await_reply(seconds + self.timeout, pause)
        outcomes = [self._outcome() for _ in commands]
        self._raise_trouble(outcomes)
        return outcomes

    def rest(self, seconds: float, pause: Pause) -> None:
        """Wait for so long without asking for anything. Raises Interrupted where ``pause`` gives
        up."""
        self._open()
        try:
            goes_on = pause(self._descriptor, seconds)
        except TimeoutError:
            return
        if not goes_on:
            raise Interrupted
        self.close()  # the server has hung up

    def _await_reply(self, seconds: float, pause: Pause) -> None:
        try:
            if not pause(self._descriptor, seconds):
                raise Interrupted
        except BaseException:
            self.close()
            raise

    @property
    def _descriptor(self) -> int:
        # The socket is not part of redis-py's interface, but has had this name since version 2.
        number: int = self._connection._sock.fileno()
        return number

    def _outcome(self) -> Any:
        """A reply, which may be an error: those of a pipeline must all be read."""
        try:
            outcome = self._receive()
        except ResponseError as error:
            outcome = error
        self._owed -= 1
        return outcome

    def _raise_trouble(self, outcomes: list[Any]) -> None:
        errors = [outcome for outcome in outcomes if isinstance(outcome, ResponseError)]
        if any(meaning_of(error) is Meaning.AWAY for error in errors):
            self.close()
        for error in filter(is_outage, errors):
            raise error

    def close(self) -> None:
        if self._is_open:
            self._connection.disconnect()
            self._is_open = False
            self._owed = 0

    def _open(self) -> None:
        if self._is_open:
            return
        try:
            self._is_open = True
            self._connection.connect()
            self._unsaid = self._introduction
        except ValueError as error:  # redis-py takes for granted what it is given, too
            self.close()
            raise redis.ConnectionError(f"no connection can be made: {error}") from error
        except BaseException:
            self.close()
            raise

    def _send(self, commands: list[Command]) -> None:
        if self._owed:  # an exception from a signal handler had come in between
            self.close()
        self._open()
        introduction, self._unsaid = self._unsaid, []
        try:
            self._owed = len(introduction) + len(commands)
            packed = self._connection.pack_commands([*introduction, *commands])
            self._connection.send_packed_command(packed)
            heard = [self._outcome() for _ in introduction]
        except BaseException:
            self.close()
            raise
        self._raise_trouble(heard)

    def _receive(self) -> Any:
        try:
            return self._connection.read_response()
        except ResponseError:
            raise
        except ValueError as error:  # redis-py takes for granted what a MOVED says, for one
            self.close()
            raise InvalidResponse(f"a reply that makes no sense: {error}") from error
        except BaseException:
            self.close()
            raise


def _settings(given: dict[str, Any], timeout: float) -> dict[str, Any]:
    """What a connection of redis-py is made with: the user's, as far as a `Link` leaves it."""
    # These want HELLO, which not every server knows, and another protocol.
    kept = {name: value for name, value in given.items() if "maint_notifications" not in name}
    return {
        **with_keepalive(kept, timeout),
        "protocol": 2,
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "retry": None,
        "retry_on_timeout": False,
        "retry_on_error": [],
        "health_check_interval": 0,
        "decode_responses": False,
        "encoding_errors": "surrogateescape",  # names of foreign bytes go as they came
    }


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
