"""Connections as operators and systems see them: who each is, and whether its peer is there."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis

from woodenwaiter.processes.signals import SignalInbox
from woodenwaiter.protocol.introduction import introduced
from woodenwaiter.protocol.link import Link, ServerTrouble
from woodenwaiter.supervisor.embedded import EmbeddedServer, find_program, stop

from ..application import Application, customer
from ..support import SERVER_PROGRAM, Server, eventually, run

KEEPALIVE_TIMER = "02"


# Who it is.


def names(client: Any) -> list[str]:
    return sorted(each["name"] for each in client.client_list() if each["name"])


def test_client_list_shows_who_each_connection_is(app: Application) -> None:
    app.write(customer("t:d", processes=2), customer("a b%:ü\n", processes=1))
    supervisor = app.serve().ready(3)
    host = socket.gethostname()
    expected = [
        f"woodenwaiter:{host}:housekeeper",
        f"woodenwaiter:{host}:worker:a%20b%25:%C3%BC%0A#0",
        f"woodenwaiter:{host}:worker:t:d#0",
        f"woodenwaiter:{host}:worker:t:d#1",
    ]
    eventually(lambda: names(app.client) == expected, f"{expected}, not {names(app.client)}")
    assert supervisor.stop() == 0


def test_name_in_the_url_is_kept(app: Application) -> None:
    app.write(processes=1)
    supervisor = app.serve(WOODENWAITER_REDIS_URL=f"{app.url}?client_name=mine").ready(1)
    eventually(lambda: names(app.client) == ["mine", "mine"])
    assert supervisor.stop() == 0


@pytest.mark.parametrize(
    "queue",
    ["x" * 10_000, "\udcff" * 100, "\x00\n\r\x7f \t#"],
    ids=["long", "foreign bytes", "control characters"],
)
def test_any_name_is_taken_and_short(client: Any, queue: str) -> None:
    name = introduced("worker", queue, 7)
    link = Link(client, 10, name)
    assert link.call("CLIENT", "GETNAME") == name.encode()
    assert len(name) < 400
    link.close()


@pytest.mark.parametrize("role", ["operator", "inline"])
def test_other_roles(app: Application, role: str) -> None:
    if app.client.info("server")["redis_version"].startswith("6."):
        pytest.skip("MONITOR of Redis 6.2 does not show what a CLIENT command is")
    with app.client.monitor() as monitor:
        if role == "operator":
            code = ["-m", "woodenwaiter", "status", "--redis", app.url]
        else:
            main = "\nmanager.customers[0].call_waiter()\n"
            (app.folder / "program.py").write_text((app.folder / "app.py").read_text() + main)
            code = ["program.py"]
        assert run(app.folder, *code, WOODENWAITER_REDIS_URL=app.url).returncode == 0
        app.client.echo("that was all")
        said = []
        while "that was all" not in (command := monitor.next_command()["command"]):
            said.append(command)
    name = "operator" if role == "operator" else "inline:t:d"
    assert f"CLIENT SETNAME woodenwaiter:{socket.gethostname()}:{name}" in said


def test_introduction_is_one_request() -> None:
    """Nothing is answered here, yet all is said."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        link = Link(redis.Redis(port=listening.getsockname()[1]), 1.0, "me")
        with pytest.raises(ServerTrouble):
            link.call("ECHO", "the first command")
        connection, _ = listening.accept()
        with connection:
            said = connection.recv(1 << 16)
    assert said.startswith(b"*2\r\n$5\r\nHELLO")
    assert b"SETNAME" in said
    assert b"LIB-VER" in said


def test_server_that_has_too_many_clients_is_told_and_waited_for(
    app: Application, make_server: Callable[..., Server]
) -> None:
    server = make_server()
    app = app.at(server)
    app.write(processes=1)
    server.client.config_set("maxclients", 1)
    supervisor = app.serve()
    supervisor.logged("max number of clients reached")
    server.client.config_set("maxclients", 100)
    app.push({"n": 0})
    eventually(lambda: app.done == [0])
    assert supervisor.stop() == 0


# Whether its peer is there.


def test_options_of_the_socket(client: Any) -> None:
    link = Link(client, timeout=8)
    link.call("PING")
    assert link._home._connection._sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert options_of(link)[:3] == (4, 2, 2)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        assert options_of(link)[3] == 8000
    link.close()


def options_of(link: Link) -> tuple[int, ...]:
    names = ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT")
    get = link._home._connection._sock.getsockopt
    return tuple(get(socket.IPPROTO_TCP, getattr(socket, n)) for n in names if hasattr(socket, n))


@pytest.mark.skipif(sys.platform != "linux", reason="the names of options are Linux's")
def test_options_that_the_user_gave_go_first(server: Any) -> None:
    mine = {socket.TCP_KEEPIDLE: 77}
    client = redis.Redis(port=server.port, socket_keepalive=True, socket_keepalive_options=mine)
    link = Link(client, timeout=8)
    link.call("PING")
    assert options_of(link) == (77, 2, 2, 8000)
    link.close()
    client.close()


def test_keepalive_that_the_user_refused_stays_off(server: Any) -> None:
    client = redis.Redis(port=server.port, socket_keepalive=False)
    link = Link(client, timeout=8)
    link.call("PING")
    assert not link._home._connection._sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    link.close()
    client.close()


def test_unix_socket_has_none(tmp_path: Path, server: Any) -> None:
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        link = Link(redis.Redis.from_url(f"unix://{path}"), timeout=0.1)
        with pytest.raises(redis.TimeoutError):
            link.call("PING")


@pytest.mark.skipif(sys.platform != "linux", reason="the table of sockets is Linux's")
def test_idle_workers_and_housekeeper_watch_their_peer(app: Application) -> None:
    app.write(processes=1)
    supervisor = app.serve("--lease-seconds", "12").ready(1)
    for process in (*supervisor.workers(), supervisor.housekeeper()):
        [connection] = connections_to(process, app.client)
        eventually(partial(is_watched, connection), "a timer, of half of 4 s")
    assert supervisor.stop() == 0


def connections_to(process: psutil.Process, client: Any) -> list[Any]:
    port = client.connection_pool.connection_kwargs["port"]
    return [c for c in process.net_connections("tcp") if c.raddr and c.raddr.port == port]


def is_watched(connection: Any) -> bool:
    kind, seconds = timer_of(connection)
    return kind == KEEPALIVE_TIMER and seconds <= 2.1


def timer_of(connection: Any) -> tuple[str, float]:
    """Which of a socket's timers is set, and the seconds until it strikes."""
    ports = (connection.laddr.port, connection.raddr.port)
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, *ends, _, _, timer = line.split()[:6]
        # Both: others who left the same port for another peer stay in the table for a minute.
        if tuple(int(end.partition(":")[2], 16) for end in ends) == ports:
            kind, _, jiffies = timer.partition(":")
            return kind, int(jiffies, 16) / os.sysconf("SC_CLK_TCK")
    return "", 0.0


@contextmanager
def namespace() -> Iterator[tuple[str, str]]:
    """A host of its own on a cable of its own: its name, and its address. Skips the test where
    nobody may make one."""
    name, net = f"ww{secrets.token_hex(3)}", f"10.{secrets.randbelow(200) + 20}"
    net += f".{secrets.randbelow(200) + 20}"
    commands = (
        f"ip netns add {name}",
        f"ip link add {name}a type veth peer name {name}b netns {name}",
        f"ip addr add {net}.1/24 dev {name}a",
        f"ip link set {name}a up",
        f"ip -n {name} addr add {net}.2/24 dev {name}b",
        f"ip -n {name} link set {name}b up",
    )
    try:
        for command in commands:
            done = subprocess.run(command.split(), check=False, capture_output=True, text=True)
            if done.returncode:
                pytest.skip(f"no network namespace here: {done.stderr.strip()}")
        yield name, f"{net}.2"
    finally:
        subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[tuple[Any, Callable[[], object]]]:
    """A client of a server on another host, and what has that host vanish."""
    if not shutil.which("ip"):
        pytest.skip("there is no program ip")
    with namespace() as (name, address):
        program = tmp_path / "server"
        real = SERVER_PROGRAM or find_program()
        program.write_text(f"#!/bin/sh\nexec ip netns exec {name} {real} -\n")
        program.chmod(0o755)
        password = secrets.token_hex(8)
        server = EmbeddedServer(tmp_path / "data", address, 6379, password, str(program))
        pid = server.start()
        client = redis.Redis(host=address, password=password)
        down = ["ip", "-n", name, "link", "set", f"{name}b", "down"]
        yield client, lambda: subprocess.run(down, check=True)
        client.close()
        stop(pid)


def test_peer_that_vanished_is_noticed_in_a_long_wait(
    remote: tuple[Any, Callable[[], object]],
) -> None:
    client, vanish = remote
    link = Link(client, timeout=2)
    link.call("PING")
    inbox = SignalInbox(())

    def pause(fd: int, seconds: float) -> bool:
        if seconds == 62 and not gone:
            vanish()
            gone.append(time.monotonic())
        return fd in inbox.wait((fd,), seconds)

    gone: list[float] = []
    try:
        with pytest.raises(ServerTrouble):
            link.wait([("BLPOP", "q", 60)], 60, pause)
    finally:
        inbox.restore()
    assert time.monotonic() - gone[0] < 6, "a lease"
    link.close()
