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
from redis.exceptions import (
    AuthenticationError,
    AuthenticationWrongNumberOfArgsError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
)

from ..errors import RedisUnusable
from .client import address_of
from .scripts import Script

OLDEST = (6, 2)
"""The first version with LMOVE and BLMOVE."""

ServerTrouble = (redis.RedisError, OSError)
"""What may be raised while the server is away, unwilling, or holds what it should not."""

_OUTAGES = ("READONLY", "MISCONF", "OOM", "NOREPLICAS", "MASTERDOWN", "CLUSTERDOWN", "UNBLOCKED")
_OUTAGE_TYPES = (
    redis.ConnectionError,
    redis.TimeoutError,
    OSError,
    ReadOnlyError,
    OutOfMemoryError,
)


def is_outage(error: Exception) -> bool:
    """Whether the server as a whole is away or unwilling, and not just this request at fault."""
    return isinstance(error, _OUTAGE_TYPES) or any(code in str(error) for code in _OUTAGES)


Command = tuple[Any, ...]
Pause = Callable[[int, float], bool]
"""``pause(fd, seconds)`` waits until the descriptor is readable: True; or gives up the wait: False.
Raises TimeoutError when the time is up."""


class Interrupted(Exception):
    """The wait ended early because its caller wanted it to."""


class Link:
    """A connection of its own to the server that ``client`` talks to, opened when first used.

    ``timeout``: seconds after which a silent server counts as gone.
    Methods raise what is in ServerTrouble; after an error that leaves the replies out of step
    the connection is dropped, and the next call opens another.
    """

    def __init__(self, client: redis.Redis, timeout: float) -> None:
        pool = client.connection_pool
        self.address = address_of(client)
        self.timeout = timeout
        settings = {
            **pool.connection_kwargs,
            "socket_timeout": timeout,
            "socket_connect_timeout": timeout,
            "retry": None,
            "retry_on_timeout": False,
            "retry_on_error": [],
            "health_check_interval": 0,
            "decode_responses": False,
            "encoding_errors": "surrogateescape",  # names of foreign bytes go as they came
        }
        # Made here and opened later: what redis-py loads for it, forked children can share.
        self._connection: Any = pool.connection_class(**settings)
        self._open = False

    def call(self, *command: Any) -> Any:
        """Send one command and return its reply."""
        self._send([command])
        return self._receive()

    def run(self, script: Script, keys: list[str], arguments: list[Any]) -> Any:
        """Run a script, which the server may not know yet."""
        try:
            return self.call("EVALSHA", script.sha, len(keys), *keys, *arguments)
        except NoScriptError:
            return self.call("EVAL", script.source.encode(), len(keys), *keys, *arguments)

    def wait(self, commands: list[Command], seconds: float, pause: Pause) -> Any:
        """Send the commands, of which the first may block, at once; return the last one's reply.

        ``pause`` does the waiting, for up to ``seconds`` and the server's own delay. When it gives
        up, the connection is dropped, so that the server ends the wait as well; raises Interrupted.
        """
        self._send(commands)
        try:
            # The socket is not part of redis-py's interface, but has had this name since version 2.
            if not pause(self._connection._sock.fileno(), seconds + self.timeout):
                raise Interrupted
        except BaseException:
            self.close()
            raise
        outcomes = [self._outcome() for _ in commands]
        for outcome in outcomes:
            if isinstance(outcome, ResponseError):
                raise outcome
        return outcomes[-1]

    def _outcome(self) -> Any:
        """A reply, which may be an error: those of a pipeline must all be read."""
        try:
            return self._receive()
        except ResponseError as error:
            return error

    def close(self) -> None:
        if self._open:
            self._connection.disconnect()
            self._open = False

    def _send(self, commands: list[Command]) -> None:
        try:
            if not self._open:
                self._open = True
                self._connection.connect()
            self._connection.send_packed_command(self._connection.pack_commands(commands))
        except BaseException:
            self.close()
            raise

    def _receive(self) -> Any:
        try:
            return self._connection.read_response()
        except ResponseError:
            raise
        except BaseException:
            self.close()
            raise


def require_usable(link: Link) -> None:
    """Raises RedisUnusable where waiting does not help: a refused login, or too old a server."""
    try:
        reply: bytes = link.call("INFO", "server")
    except NoPermissionError:
        return  # this user may not ask for the version; the first claim will tell
    except (AuthenticationError, AuthenticationWrongNumberOfArgsError) as error:
        raise RedisUnusable(
            f"Redis at {link.address} refuses the login: {str(error).rstrip('.')}. "
            "Give the right one, as in redis://USER:PASSWORD@HOST"
        ) from None
    except ResponseError as error:
        if "DB index" not in str(error):
            raise
        raise RedisUnusable(
            f"Redis at {link.address}: {error}. The number at the URL's end names a database"
        ) from None
    found = re.search(rb"redis_version:(\d+)\.(\d+)\.(\S*)", reply)
    version = ".".join(part.decode() for part in found.groups()) if found else "unknown"
    if not found or (int(found[1]), int(found[2])) < OLDEST:
        raise RedisUnusable(
            f"Redis at {link.address} is version {version}: 6.2 or newer is needed, or Valkey"
        )
