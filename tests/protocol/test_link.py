"""One connection to the server: it stays in step, ends a wait, and keeps the password to itself."""

from __future__ import annotations

import copy
import os
import signal
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis
from redis.exceptions import ResponseError

from woodenwaiter.errors import EXIT_REDIS, RedisUnusable
from woodenwaiter.protocol.client import address_of
from woodenwaiter.protocol.link import Interrupted, Link, ServerTrouble, is_outage, require_usable
from woodenwaiter.protocol.scripts import CLAIM

from ..support import Server, eventually, free_port

SECRET = "s3cret"


@pytest.fixture
def link(client: Any) -> Iterator[Link]:
    link = Link(client, timeout=10)
    yield link
    link.close()


def patient(fd: int, seconds: float) -> bool:
    """The socket's own timeout does the waiting."""
    return True


def test_scripts_run_where_the_server_does_not_know_them(link: Link, client: Any) -> None:
    script = copy.copy(CLAIM)
    script.source = "return {KEYS[1], ARGV[1]}"
    script.sha = link.call("SCRIPT", "LOAD", script.source).decode()
    for _ in range(2):
        client.script_flush()
        assert link.run(script, ["k"], ["a"]) == [b"k", b"a"]
        assert link.run(script, ["k"], ["a"]) == [b"k", b"a"]


def test_replies_are_bytes_whatever_the_client_decodes(server: Server) -> None:
    client = redis.Redis.from_url(server.url, decode_responses=True)
    link = Link(client, timeout=10)
    assert link.call("ECHO", "é") == "é".encode()
    link.close()
    client.close()


def test_refused_command_leaves_the_replies_in_step(link: Link, client: Any) -> None:
    client.set("text", "x")
    for _ in range(2):
        with pytest.raises(ResponseError, match="WRONGTYPE"):
            link.call("LPUSH", "text", "1")
    assert link.call("ECHO", "next") == b"next"


@pytest.mark.parametrize("refused", ["blocking", "then", "both"])
def test_refused_wait_leaves_the_replies_in_step(link: Link, client: Any, refused: str) -> None:
    client.set("text", "x")
    client.lpush("list", "x", "y")
    pop, push = ("BLPOP", "list", 1), ("LPUSH", "list", "z")
    blocking = pop if refused == "then" else ("BLPOP", "text", 1)
    then = push if refused == "blocking" else ("LPUSH", "text", "z")
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        link.wait([blocking, then], 1, patient)
    assert link.call("ECHO", "next") == b"next"


def test_given_up_wait_ends_on_the_server_too(link: Link, client: Any) -> None:
    def give_up(fd: int, seconds: float) -> bool:
        return not eventually(lambda: client.info("clients")["blocked_clients"])

    with pytest.raises(Interrupted):
        link.wait([("BLPOP", "list", 0), ("ECHO", "never")], 100, give_up)
    eventually(lambda: not client.info("clients")["blocked_clients"])
    assert link.call("ECHO", "next") == b"next"


def test_pause_is_given_the_socket_and_the_time(link: Link) -> None:
    asked: list[float] = []

    def pause(fd: int, seconds: float) -> bool:
        assert os.fstat(fd)
        asked.append(seconds)
        return True

    assert link.wait([("BLPOP", "list", 0.1), ("ECHO", "done")], 3, pause) == b"done"
    assert asked == [3 + link.timeout]


def test_silent_server_is_gone_after_the_timeout(make_server: Callable[..., Server]) -> None:
    server = make_server()
    link = Link(server.client, timeout=0.5)
    assert link.call("ECHO", "1") == b"1"
    os.kill(server.pid, signal.SIGSTOP)
    began = time.monotonic()
    with pytest.raises(redis.TimeoutError):
        link.call("ECHO", "2")
    with pytest.raises(redis.TimeoutError):
        link.call("ECHO", "3")  # connecting anew
    assert time.monotonic() - began < 10
    os.kill(server.pid, signal.SIGCONT)
    assert link.call("ECHO", "4") == b"4"  # and not the answer to 2
    link.close()


def test_server_that_comes_back_is_used_again(make_server: Callable[..., Server]) -> None:
    server = make_server()
    link = Link(server.client, timeout=10)
    link.call("SET", "k", "kept")
    server.stop()
    for _ in range(2):
        with pytest.raises(ServerTrouble):
            link.call("GET", "k")
    server.start()
    assert link.call("GET", "k") == b"kept"
    link.close()


def test_killed_connection_is_told_and_replaced(link: Link, client: Any) -> None:
    client.client_kill_filter(_id=str(link.call("CLIENT", "ID")))
    with pytest.raises(redis.ConnectionError):
        link.call("PING")
    assert link.call("ECHO", "next") == b"next"


# Whether the server can be used.


@pytest.mark.parametrize(
    "login", ["", ":wr0ng@", "user:wr0ng@"], ids=["none", "password", "user and password"]
)
def test_refused_login_is_final_and_not_told(
    make_server: Callable[..., Server], login: str
) -> None:
    server = make_server(SECRET)
    client = redis.Redis.from_url(f"redis://{login}127.0.0.1:{server.port}/0")
    link = Link(client, timeout=10)
    with pytest.raises(RedisUnusable, match="refuses the login") as raised:
        require_usable(link)
    assert raised.value.exit_code == EXIT_REDIS
    assert f"127.0.0.1:{server.port}" in str(raised.value)
    assert "wr0ng" not in str(raised.value)
    assert "\n" not in str(raised.value)
    client.close()
    link.close()


def test_right_login_and_right_version_are_usable(make_server: Callable[..., Server]) -> None:
    link = Link(make_server(SECRET).client, timeout=10)
    require_usable(link)
    link.close()


def test_user_who_may_not_ask_for_the_version_is_let_in(
    make_server: Callable[..., Server],
) -> None:
    server = make_server()
    server.client.acl_setuser(
        "worker", enabled=True, passwords=["+pw"], keys="*", commands=["+@all", "-info"]
    )
    client = redis.Redis.from_url(f"redis://worker:pw@127.0.0.1:{server.port}/0")
    link = Link(client, timeout=10)
    require_usable(link)
    link.close()
    client.close()


def test_absent_server_may_still_come() -> None:
    client = redis.Redis(port=free_port())
    with pytest.raises(redis.ConnectionError):
        require_usable(Link(client, timeout=10))
    client.close()


@contextmanager
def listener(answer: Callable[[bytes], bytes]) -> Iterator[redis.Redis]:
    """Something that listens, and answers each line it gets as told."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            for line in self.rfile:
                self.wfile.write(answer(line))

    class Listener(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Listener(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        client = redis.Redis(host="127.0.0.1", port=listening.server_address[1], protocol=2)
        yield client
        client.close()
        listening.shutdown()
        thread.join()


@pytest.mark.parametrize("version", ["2.8.24", "6.0.16"])
def test_old_server_is_refused(version: str) -> None:
    text = f"# Server\r\nredis_version:{version}\r\n".encode()

    def answer(line: bytes) -> bytes:
        if line.startswith(b"*"):  # a command's first line
            return b"$%d\r\n%s\r\n" % (len(text), text)
        return b""

    with listener(answer) as client:
        link = Link(client, timeout=10)
        with pytest.raises(RedisUnusable, match=f"is version {version}: 6.2 or newer is needed"):
            require_usable(link)
        link.close()


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00\xff", b"+OK\r\n"],
    ids=["http", "noise", "ok"],
)
def test_something_that_is_no_redis_is_trouble(answer: bytes) -> None:
    with listener(lambda line: answer) as client:
        link = Link(client, timeout=1)
        with pytest.raises((*ServerTrouble, RedisUnusable)):
            require_usable(link)
        link.close()


# What is told.


@pytest.mark.parametrize(
    ("url", "described"),
    [
        ("redis://h", "redis://h:6379/0"),
        ("redis://h:1/7", "redis://h:1/7"),
        (f"redis://:{SECRET}@h", "redis://h:6379/0"),
        (f"redis://user:{SECRET}@h:1", "redis://user@h:1/0"),
        (f"rediss://user:{SECRET}@h:1/2", "rediss://user@h:1/2"),
        (f"redis://h?password={SECRET}", "redis://h:6379/0"),
        (f"unix://:{SECRET}@/run/redis.sock?db=3", "unix:///run/redis.sock?db=3"),
    ],
)
def test_address_is_told_without_the_password(url: str, described: str) -> None:
    client = redis.Redis.from_url(url)
    assert address_of(client) == described
    assert Link(client, timeout=1).address == described


@pytest.mark.parametrize(
    ("error", "outage"),
    [
        (redis.ConnectionError("refused"), True),
        (redis.TimeoutError("silent"), True),
        (redis.exceptions.BusyLoadingError("LOADING"), True),
        (redis.exceptions.ReadOnlyError("a replica"), True),
        (redis.exceptions.OutOfMemoryError("maxmemory"), True),
        (ResponseError("MISCONF errors writing to the AOF file"), True),
        (ResponseError("READONLY script on a replica"), True),
        (ResponseError("MASTERDOWN Link with MASTER is down"), True),
        (OSError("no route"), True),
        (ResponseError("WRONGTYPE of key"), False),
        (redis.exceptions.NoPermissionError("NOPERM no lpush"), False),
    ],
)
def test_outages_are_told_from_refused_requests(error: Exception, outage: bool) -> None:
    assert is_outage(error) is outage
