"""Hosts of their own on this machine, and a network between them that loses what it is told to."""

from __future__ import annotations

import fcntl
import heapq
import os
import random
import select
import socket
import struct
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from itertools import count
from pathlib import Path
from typing import Any

import redis

from woodenwaiter.supervisor.embedded import find_program

from ..support import SERVER_PROGRAM, eventually
from .node import Guard

TUN = "/dev/net/tun"
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
"""Of Linux: whoever opens such a device reads and writes packets as a network would."""

IP_VERSION_4 = 4
SOURCE, DESTINATION = slice(12, 16), slice(16, 20)
"""In the header of a packet."""

PORT = 6379

_numbers = count(1)


class Unavailable(Exception):
    """This machine, or this user, may have no networks."""


class Host:
    """A network namespace, which ends with the one process that is always in it; and its end of the
    wire, whose other end is ``fd``."""

    def __init__(self, guard: Guard, number: int) -> None:
        self.address = f"10.77.0.{number}"
        self.is_cut_off = False
        self._name = f"ww{os.getpid()}-{next(_numbers)}"
        self.fd = os.open(TUN, os.O_RDWR | os.O_NONBLOCK)
        options = struct.pack("16sH22x", self._name.encode(), IFF_TUN | IFF_NO_PI)
        fcntl.ioctl(self.fd, TUNSETIFF, options)
        self._pid = guard.start("unshare", "--net", "sleep", "infinity")
        eventually(self._is_apart, "a network namespace", 5)
        run("ip", "link", "set", self._name, "netns", str(self._pid))
        for link in ("lo", self._name):
            run(*self.inside, "ip", "link", "set", link, "up")
        run(*self.inside, "ip", "address", "add", f"{self.address}/24", "dev", self._name)

    @property
    def inside(self) -> Sequence[str]:
        """What a command that runs there begins with."""
        return ("nsenter", f"--net=/proc/{self._pid}/ns/net")

    def _is_apart(self) -> bool:
        ours, theirs = (os.readlink(f"/proc/{pid}/ns/net") for pid in ("self", self._pid))
        return ours != theirs


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


class Network:
    """Hosts, of which the first has a server. ``delay``: seconds for each packet; ``loss``: how
    many of them get lost."""

    def __init__(self, hosts: int) -> None:
        self.delay = self.loss = 0.0
        self._random = random.Random(1)
        self._guard = Guard()
        self._flying: list[tuple[float, int, Host, bytes]] = []
        self._known: set[frozenset[bytes]] = set()
        self._forgotten: set[frozenset[bytes]] = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="network")
        self._folder = tempfile.TemporaryDirectory()  # its path is short enough for a socket
        try:
            with self._guard.closing_on_failure():
                self.server_host, *self.hosts = (Host(self._guard, n + 1) for n in range(hosts + 1))
        except (OSError, subprocess.CalledProcessError, AssertionError) as error:
            raise Unavailable(f"no networks of one's own here: {error}") from None
        every_host = (self.server_host, *self.hosts)
        self._by_address = {packed(host.address): host for host in every_host}
        self._by_fd = {host.fd: host for host in every_host}
        self._thread.start()
        self._start_server()

    def _start_server(self) -> None:
        self._socket = str(Path(self._folder.name) / "socket")
        self._guard.start(
            *(*self.server_host.inside, SERVER_PROGRAM or find_program()),
            *("--bind", "0.0.0.0", "--port", str(PORT), "--protected-mode", "no"),
            *("--unixsocket", self._socket, "--save", "", "--dir", self._folder.name),
            *("--logfile", str(Path(self._folder.name) / "log")),
        )
        eventually(self._listens, "the server")
        self.url = f"redis://{self.server_host.address}:{PORT}/0"
        self.near_url = f"unix://{self._socket}"
        self.client: Any = redis.Redis.from_url(self.near_url)

    def _listens(self) -> bool:
        with closing(socket.socket(socket.AF_UNIX)) as probe, suppress(OSError):
            probe.connect(self._socket)
            return True
        return False

    def forget(self) -> None:
        """As a firewall that was restarted: what belongs to connections of before is dropped."""
        self._forgotten |= self._known

    def close(self) -> None:
        self.client.connection_pool.disconnect()
        self._over.set()
        self._thread.join()
        self._guard.close()
        for fd in self._by_fd:
            os.close(fd)
        self._folder.cleanup()

    # The wire.

    def _run(self) -> None:
        while not self._over.is_set():
            ready, _, _ = select.select(self._by_fd, [], [], self._until_next())
            for fd in ready:
                self._take(self._by_fd[fd], os.read(fd, 1 << 16))
            while self._flying and self._flying[0][0] <= time.monotonic():
                _, _, host, packet = heapq.heappop(self._flying)
                with suppress(OSError):  # it does not take more at the moment
                    os.write(host.fd, packet)

    def _until_next(self) -> float:
        """Seconds, within which somebody may want it to end."""
        return max(0.0, min(0.1, self._flying[0][0] - time.monotonic())) if self._flying else 0.1

    def _take(self, source: Host, packet: bytes) -> None:
        if packet[0] >> 4 != IP_VERSION_4 or packet[DESTINATION] not in self._by_address:
            return
        target = self._by_address[packet[DESTINATION]]
        connection = connection_of(packet)
        self._known.add(connection)
        if source.is_cut_off or target.is_cut_off or connection in self._forgotten:
            return
        if self._random.random() >= self.loss:
            due = time.monotonic() + self.delay
            heapq.heappush(self._flying, (due, next(_numbers), target, packet))


def packed(address: str) -> bytes:
    return bytes(map(int, address.split(".")))


def connection_of(packet: bytes) -> frozenset[bytes]:
    """Both ends, whoever sends."""
    start = 4 * (packet[0] & 15)
    here, there = packet[start : start + 2], packet[start + 2 : start + 4]
    return frozenset([packet[SOURCE] + here, packet[DESTINATION] + there])
