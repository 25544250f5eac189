"""The server that everything is measured with."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import redis

from woodenwaiter.supervisor.embedded import EmbeddedServer, stop


class Server:
    """One of our own, that keeps nothing on disk; or a given one, whose databases get emptied."""

    def __init__(self, folder: Path, url: str | None) -> None:
        self._pid = 0
        if url is None:
            port = free_port()
            self._pid = EmbeddedServer(folder, "127.0.0.1", port).start()
            url = f"redis://127.0.0.1:{port}"
        self._base = urlsplit(url)._replace(path="").geturl()
        self.client: Any = redis.Redis.from_url(self._base)
        if self._pid:
            self.client.config_set("appendonly", "no")

    def url(self, database: int = 0) -> str:
        return f"{self._base}/{database}"

    def empty(self, database: int = 0) -> None:
        client = redis.Redis.from_url(self.url(database))
        client.flushdb()
        client.close()

    def cpu_seconds(self) -> float:
        info = self.client.info("cpu")
        return float(info["used_cpu_sys"] + info["used_cpu_user"])

    def traffic(self) -> tuple[int, int]:
        """How many requests it read and commands it carried out, those inside scripts included."""
        info = self.client.info("stats")
        return info["total_reads_processed"], info["total_commands_processed"]

    def describe(self) -> str:
        info = self.client.info("server")
        name = info.get("server_name", "redis")
        version = info.get("valkey_version", info["redis_version"])
        where = "on the same machine, nothing kept on disk" if self._pid else "as given"
        return f"{name} {version}, {where}"

    def close(self) -> None:
        self.client.close()
        if self._pid:
            stop(self._pid)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
