"""One connection to one node, belonging to one process.

Below redis-py's client on purpose: its pools are made for threads, its retries hide an outage
that this project's loops want to see, and it cannot leave a blocking command when a signal comes.
"""

from __future__ import annotations

import encodings.idna  # noqa: F401 - resolving a name needs it; better once than in each child
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import redis
from redis.exceptions import InvalidResponse, ResponseError

from .. import pace
from .introduction import introduction
from .keepalive import with_keepalive
from .replies import IS_SENTINEL, Meaning, is_outage, meaning_of

ServerTrouble = (redis.RedisError, OSError)
"""What may be raised while the server is away, unwilling, or holds what it should not."""

Command = tuple[Any, ...]
Pause = Callable[[int, float], bool]
"""``pause(fd, seconds)`` waits until the descriptor is readable: True; or gives up the wait: False.
Raises TimeoutError when the time is up."""

Ready = Callable[["Wire"], None]
"""Returns when there is a reply to be read."""


class Interrupted(Exception):
    """The wait ended early because its caller wanted it to."""


class Wire:
    """A connection of redis-py's class ``kind``, opened when first used.

    ``timeout``: seconds after which a silent node counts as gone.
    Methods raise what is in ServerTrouble. After an error that leaves the replies out of step, or
    tells of a node that cannot serve, the connection is dropped, and the next call opens another.
    """

    def __init__(
        self, kind: type, options: Mapping[str, Any], timeout: float, address: str
    ) -> None:
        self.address = address
        self.is_open = False
        self.is_of_cluster = False
        self._timeout = timeout
        settings = settings_of(options, timeout)
        # Made here and opened later: what redis-py loads for it, forked children can share.
        self._connection: Any = kind(**{**settings, **_nobody(kind)})
        self._connection.socket_timeout = timeout  # which redis-py 5.0 loses for Unix sockets
        self._introduction = introduction(settings.get("client_name"))
        self._introduce_nobody()
        self._owed = 0  # replies that are still to be read
        self._deadline: float | None = None

    def _introduce_nobody(self) -> None:
        """Redis-py would tell its own name and the user's when it connects: it would hide why a
        server turns everybody away, and not go on without CLIENT."""
        for name in ("client_name", "driver_info", "lib_name", "lib_version"):
            setattr(self._connection, name, None)

    @property
    def descriptor(self) -> int:
        # The socket is not part of redis-py's interface, but has had this name since version 2.
        number: int = self._connection._sock.fileno()
        return number

    @property
    def peer(self) -> tuple[str, int]:
        """Where it leads, or led last: with sentinels, that is found out when it opens."""
        return self._connection.host, self._connection.port

    def encoded(self, key: Any) -> bytes:
        """As it is sent."""
        encoded: bytes = self._connection.encoder.encode(key)
        return encoded

    def call(self, *command: Any) -> Any:
        """Send one command to this node and return its reply."""
        [outcome] = self.ask([command])
        if isinstance(outcome, ResponseError):
            self.raise_trouble([outcome])
            raise outcome
        return outcome

    def ask(self, commands: Sequence[Command], ready: Ready | None = None) -> list[Any]:
        """Send the commands at once, and return what each is answered, be it an error. ``ready``
        returns when there is something to read."""
        self.send(commands)
        if ready:
            ready(self)
        return [self.outcome() for _ in commands]

    def send(self, commands: Sequence[Command]) -> None:
        if self._owed:  # an exception from a signal handler had come in between
            self.close()
        if not self.is_open:
            self.open()
        try:
            self._owed = len(commands)
            if self._deadline is not None:
                self._hurry()
            self._transmit(commands)
        except BaseException:
            self.close()
            raise

    def _transmit(self, commands: Sequence[Command]) -> None:
        # Encoded here: hiredis, where it is there, would refuse names of foreign bytes.
        encode = self._connection.encoder.encode
        encoded = [tuple(map(encode, command)) for command in commands]
        self._connection.send_packed_command(self._connection.pack_commands(encoded))

    def outcome(self) -> Any:
        """A reply, which may be an error: those of a pipeline must all be read."""
        if self._deadline is not None:
            self._hurry()
        try:
            outcome = self._connection.read_response()
        except ResponseError as error:
            outcome = error
        except ValueError as error:  # redis-py takes for granted what a MOVED says, for one
            self.close()
            raise InvalidResponse(f"a reply that makes no sense: {error}") from error
        except BaseException:
            self.close()
            raise
        self._owed -= 1
        return outcome

    def raise_trouble(self, outcomes: Sequence[Any]) -> None:
        """Raise the first of the outcomes that concerns everybody here."""
        errors = [outcome for outcome in outcomes if isinstance(outcome, ResponseError)]
        if any(meaning_of(error) is Meaning.AWAY for error in errors):
            self.close()
        for error in filter(is_outage, errors):
            raise error

    def await_reply(self, seconds: float, pause: Pause) -> None:
        """Let ``pause`` wait for a reply. When it gives up, the connection is dropped, so that the
        server ends a wait as well; raises Interrupted."""
        try:
            if not pause(self.descriptor, seconds):
                raise Interrupted
        except BaseException:
            self.close()
            raise

    def rest(self, seconds: float, pause: Pause) -> None:
        """Wait for so long without asking for anything. Raises Interrupted where ``pause`` gives
        up."""
        self.open()
        try:
            goes_on = pause(self.descriptor, seconds)
        except TimeoutError:
            return
        if not goes_on:
            raise Interrupted
        self.close()  # the server has hung up

    def limit(self, deadline: float | None) -> None:
        """From now on all that this node does is to be done by then; None: each thing within the
        timeout. What it has answered already can be read in any case."""
        if deadline != self._deadline:
            self._deadline = deadline
            self._hurry()

    def _hurry(self) -> None:
        seconds = self._timeout
        if self._deadline is not None:
            seconds = min(seconds, max(pace.LEAST_READ, self._deadline - time.monotonic()))
        self._connection.socket_timeout = self._connection.socket_connect_timeout = seconds
        if self.is_open and (socket := self._connection._sock):
            socket.settimeout(seconds)

    def close(self) -> None:
        if self.is_open:
            self._connection.disconnect()
            self.is_open = False
            self._owed = 0

    def open(self) -> None:
        if self.is_open:
            return
        try:
            self.is_open = True
            self._connection.connect()
            self._introduce()
        except (ValueError, OverflowError) as error:  # of an address that a server told
            self.close()
            raise redis.ConnectionError(f"no connection can be made: {error}") from error
        except BaseException:
            self.close()
            raise

    def _introduce(self) -> None:
        """Say a name, and learn whether this is a node of a cluster, as far as that is allowed."""
        self._owed = len(self._introduction)
        self._transmit(self._introduction)
        hello, *others = [self.outcome() for _ in self._introduction]
        self.raise_trouble([hello, *others])
        if isinstance(hello, list):
            said = [word for word in hello[1::2] if isinstance(word, bytes)]
            self.is_of_cluster = b"cluster" in said
            if b"sentinel" in said:
                self.raise_trouble([ResponseError(IS_SENTINEL)])


def settings_of(given: Mapping[str, Any], timeout: float) -> dict[str, Any]:
    """What a connection of redis-py is made with: the user's, as far as a `Wire` leaves it."""
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


def _nobody(kind: type) -> Mapping[str, None]:
    """What one of redis-py's classes is told about its driver, where it knows of any: else it reads
    up its own version for each connection, which costs a forked process 1.5 MiB."""
    is_known = hasattr(redis, "DriverInfo") and kind.__module__.startswith("redis.")
    return {"driver_info": None} if is_known else {}
