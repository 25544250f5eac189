"""One server among others, and what ends it with the tests."""

from __future__ import annotations

import os
import random
import re
import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from woodenwaiter.supervisor.embedded import find_program, has_loaded

from ..support import SERVER_PROGRAM, eventually

BUS = 10_000
"""What lies between a node's port and the one where a cluster's other nodes reach it."""

LEAST_PORT, MOST_PORT = 12_000, 22_000
"""Below the ports that the system gives to those who ask for any, as the bus is, too: a node finds
its own ports free when it is started again."""


class Guard:
    """Processes that end when this one does, however it ends: one group, and one in it that kills
    them all once nobody holds the other end of its pipe."""

    def __init__(self) -> None:
        reading, self._life = os.pipe()
        self._group = self._spawn(["/bin/sh", "-c", "read end; kill -9 0"], reading, group=0)
        os.close(reading)

    def start(self, *command: str) -> int:
        """The pid, for who starts it to wait for."""
        with open(os.devnull) as nothing:
            return self._spawn(command, nothing.fileno(), self._group)

    @staticmethod
    def _spawn(command: Sequence[str], stdin: int, group: int) -> int:
        stdin_only = [(os.POSIX_SPAWN_DUP2, stdin, 0)]
        return os.posix_spawnp(
            command[0], [*command], os.environ, file_actions=stdin_only, setpgroup=group
        )

    def close(self) -> None:
        os.close(self._life)
        os.waitpid(self._group, 0)

    @contextmanager
    def closing_on_failure(self) -> Iterator[None]:
        """Nobody else may know yet what is to be ended."""
        try:
            yield
        except BaseException:
            self.close()
            raise


def free_ports() -> int:
    """A port that is free, as the bus of a node there would be."""

    def found() -> int:
        port = random.randrange(LEAST_PORT, MOST_PORT)
        with ExitStack() as probes, suppress(OSError):
            for each in (port, port + BUS):
                probes.enter_context(closing(socket.socket())).bind(("127.0.0.1", each))
            return port
        return 0

    return eventually(found, "a free port")


class Node:
    """A server with these lines in its configuration. It writes down whatever it is told, before it
    says that it was, and keeps it in plain text: see `told`."""

    def __init__(self, guard: Guard, folder: Path, *lines: str, arguments: Sequence[str] = ()):
        folder.mkdir(parents=True)
        self.folder = folder
        self.port = free_ports()
        self.address = f"127.0.0.1:{self.port}"
        config = folder / "server.conf"
        own = ("bind 127.0.0.1", f"port {self.port}", f"dir {folder}", "logfile server.log")
        config.write_text("\n".join((*own, *lines, "")))
        self._guard = guard
        self._command = (SERVER_PROGRAM or find_program(), str(config), *arguments)
        # Whom sentinels make a primary hangs up on everybody.
        again = Retry(NoBackoff(), 3)
        self.client: Any = redis.Redis(
            *("127.0.0.1", self.port),
            protocol=2,
            socket_timeout=5,
            retry=again,
            retry_on_error=[redis.ConnectionError],
        )
        self.is_paused = False
        self.start()

    def start(self) -> None:
        self.pid = self._guard.start(*self._command)
        eventually(lambda: has_loaded("127.0.0.1", self.port), f"a server at {self.address}")

    @property
    def is_up(self) -> bool:
        return bool(self.pid) and not self.is_paused

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.pid = 0
        self.is_paused = False

    def pause(self) -> None:
        """Silence: its connections stay, and nobody answers."""
        os.kill(self.pid, signal.SIGSTOP)
        self.is_paused = True

    def go_on(self) -> None:
        os.kill(self.pid, signal.SIGCONT)
        self.is_paused = False

    def ask(self, *command: str | int | bytes) -> Any:
        """A command of several words, its reply as it came."""
        return self.client.execute_command(*command)

    def replication(self) -> Any:
        return self.client.info("replication")

    @property
    def is_primary(self) -> bool:
        return bool(self.replication()["role"] == "master")

    def follows(self, primary: Node) -> bool:
        """Whether it has all that its primary had, and gets what comes."""
        seen = self.replication()
        return bool(
            seen["role"] == "slave"
            and seen["master_port"] == primary.port
            and seen["master_link_status"] == "up"
        )

    def refuse_news(self) -> None:
        """Lag: it offers a password that its primary does not know, and is turned away."""
        self.client.config_set("masterauth", "wrong")

    def accept_news(self) -> None:
        self.client.config_set("masterauth", "")

    def turn_replicas_away(self) -> None:
        """They will ask again."""
        self.ask("CLIENT", "KILL", "TYPE", "replica")

    def told(self, pattern: bytes) -> set[str]:
        """What it has been told that looks like this, since it was last another's copy or wrote its
        file anew; and what of that it had then."""
        eventually(self._has_written, "an append-only file that is complete")
        texts = [file.read_bytes() for file in self.folder.rglob("*.aof")]
        return {found.decode() for text in texts for found in re.findall(pattern, text)}

    def _has_written(self) -> bool:
        state = self.client.info("persistence")
        return not (state["aof_rewrite_in_progress"] or state["aof_rewrite_scheduled"])

    def close(self) -> None:
        self.client.connection_pool.disconnect()
        if self.pid:
            self.kill()


KEEPING = (
    'save ""',
    "appendonly yes",
    "appendfsync no",  # what the kernel has, a mere kill does not take
    "aof-use-rdb-preamble no",
    "rdbcompression no",
    "auto-aof-rewrite-percentage 0",
    "repl-diskless-sync yes",
    "repl-diskless-sync-delay 0",
    "repl-ping-replica-period 1",
)
"""For servers that hold data, and copies of each other's."""
