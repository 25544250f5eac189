"""One connection to the server: it stays in step, ends a wait, and keeps the password to itself."""

from __future__ import annotations

import copy
import os
import re
import signal
import socketserver
import sys
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
from woodenwaiter.protocol.link import Interrupted, Link, ServerTrouble, require_usable
from woodenwaiter.protocol.replies import Meaning, meaning_of, needs_source
from woodenwaiter.protocol.scripts import CLAIM

from ..counting import CountingQueue
from ..proxy import Proxy
from ..support import Server, eventually, free_port
from ..unit.test_replies import REPLIES

SECRET = "s3cret"

ELSEWHERE = re.compile("MOVED|ASK")
"""Replies that are followed."""


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
    outcomes = link.wait([blocking, then], 1, patient)
    assert [isinstance(outcome, ResponseError) for outcome in outcomes] == [
        refused != "then",
        refused != "blocking",
    ]
    assert link.call("ECHO", "next") == b"next"


class Alarm(BaseException):
    pass


def test_exception_between_request_and_reply_leaves_the_replies_in_step(link: Link) -> None:
    """A handler's alarm may go off anywhere, once its task is over."""

    def interrupted(frame: Any, event: str, argument: Any) -> Any:
        if event == "call" and frame.f_code.co_name == "outcome":
            raise Alarm
        return interrupted

    link.call("ECHO", "first")
    former = sys.gettrace()
    sys.settrace(interrupted)
    try:
        with pytest.raises(Alarm):
            link.call("ECHO", "unheard")
    finally:
        sys.settrace(former)
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

    assert link.wait([("BLPOP", "list", 0.1), ("ECHO", "done")], 3, pause) == [None, b"done"]
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


def test_pause_without_a_request(link: Link, client: Any) -> None:
    def out_of_time(fd: int, seconds: float) -> bool:
        assert os.fstat(fd)
        assert seconds == 3
        raise TimeoutError

    link.rest(3, out_of_time)
    number = link.call("CLIENT", "ID")
    with pytest.raises(Interrupted):
        link.rest(3, lambda fd, seconds: False)
    link.rest(3, out_of_time)
    assert link.call("CLIENT", "ID") == number
    client.client_kill_filter(_id=str(number))
    link.rest(3, patient)
    assert link.call("ECHO", "next") == b"next"


# What the server says.


@pytest.mark.parametrize("reply", [reply for reply in REPLIES if not ELSEWHERE.match(reply)])
@pytest.mark.parametrize("waits", [False, True])
def test_connection_is_dropped_where_another_may_help(
    proxy: Proxy, reply: str, waits: bool
) -> None:
    link = Link(redis.Redis.from_url(proxy.url), timeout=10)
    meaning = REPLIES[reply]
    assert link.call("ECHO", "1") == b"1"
    proxy.answers = {"PING": reply}
    if not waits:
        with pytest.raises(redis.RedisError):
            link.call("PING")
    elif meaning in (Meaning.AWAY, Meaning.UNWILLING):
        with pytest.raises(redis.RedisError):
            link.wait([("PING",), ("ECHO", "2")], 1, patient)
    else:
        refused, passed = link.wait([("PING",), ("ECHO", "2")], 1, patient)
        assert isinstance(refused, ResponseError)
        assert passed == b"2"
    assert link.call("ECHO", "next") == b"next"
    assert proxy.connections == (2 if meaning is Meaning.AWAY else 1)
    link.close()


@pytest.mark.parametrize("reply", ["MOVED", "MOVED 1 host", "ASK x y:z", "\udcff"])
def test_reply_that_makes_no_sense_is_trouble(reply: str) -> None:
    with listener(lambda line: b"-" + reply.encode(errors="surrogateescape") + b"\r\n") as client:
        link = Link(client, timeout=10)
        with pytest.raises(ServerTrouble):
            link.call("PING")
        link.close()


def test_replica_behind_the_same_address_is_left_for_the_new_primary(
    proxy: Proxy, make_server: Callable[..., Server]
) -> None:
    former, following = make_server(), make_server()
    proxy.server = former
    link = Link(redis.Redis.from_url(proxy.url), timeout=10)
    link.call("SET", "k", "1")
    former.client.replicaof("127.0.0.1", following.port)
    proxy.server = following
    with pytest.raises(redis.RedisError, match="read only replica"):
        link.call("SET", "k", "2")
    link.call("SET", "k", "3")
    assert following.client.get("k") == b"3"
    link.close()


@pytest.mark.parametrize(
    "refused", ["HELLO", "CLIENT", "INFO", "SCRIPT", "SADD", "EVALSHA", "COMMAND", "PING"]
)
@pytest.mark.parametrize("reply", ["ERR unknown command '{}', with args", "NOPERM no '{}' command"])
def test_server_without_what_is_not_essential_is_usable(
    proxy: Proxy, refused: str, reply: str
) -> None:
    proxy.answers = {refused: reply.format(refused.lower())}
    client = redis.Redis.from_url(proxy.url, protocol=3, client_name="me")
    link = Link(client, timeout=10)
    require_usable(link)
    queue = CountingQueue(link, "t:d", lease=30)
    queue.register()
    queue.enroll("a", 0)
    proxy.client.lpush("t:d", "1")
    assert queue.wait_and_claim("a", 0, 1, 8, patient) == [b"1"]
    link.close()


def test_connection_bears_the_clients_name(server: Server, client: Any) -> None:
    link = Link(redis.Redis.from_url(server.url, client_name="me"), timeout=10)
    assert link.call("CLIENT", "GETNAME") == b"me"
    link.close()


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
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x00\xff",
        b"+OK\r\n",
        b":1\r\n",
        b"$-1\r\n",
        b"*1\r\n:1\r\n",
        b"$18\r\nredis_version:\xff.2.\r\n",
    ],
    ids=["http", "noise", "ok", "number", "nothing", "list", "version of noise"],
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


# Many commands at once.


def test_exchange_answers_in_order_and_tells_what_was_refused(link: Link, client: Any) -> None:
    client.set("text", "x")
    commands = [("ECHO", "1"), ("LPUSH", "text", "1"), ("EVALSHA", "0" * 40, 1, "k"), ("ECHO", "2")]
    first, refused, unknown, last = link.exchange(commands)
    assert (first, last) == (b"1", b"2")
    assert isinstance(refused, ResponseError)
    assert needs_source(unknown)
    assert link.exchange([]) == []
    assert link.call("ECHO", "next") == b"next"


def test_exchange_raises_what_concerns_everybody(proxy: Proxy) -> None:
    link = Link(redis.Redis.from_url(proxy.url), timeout=10)
    proxy.answers = {"PING": "READONLY You can't write against a read only replica."}
    with pytest.raises(redis.RedisError, match="read only"):
        link.exchange([("ECHO", "1"), ("PING",)])
    assert link.call("ECHO", "next") == b"next"
    assert proxy.connections == 2
    link.close()


def test_exchange_gives_all_replies_one_deadline(make_server: Callable[..., Server]) -> None:
    server = make_server()
    link = Link(server.client, timeout=1)
    link.call("PING")
    slow = [("BLPOP", "nothing", 0.6)] * 4
    began = time.monotonic()
    with pytest.raises(redis.TimeoutError):
        link.exchange(slow)
    assert time.monotonic() - began < 1.5
    assert link.wait([("BLPOP", "nothing", 0.8)], 1, patient) == [None]  # with a whole timeout
    link.close()


def test_one_server_has_all_keys(link: Link) -> None:
    assert link.address_for("k") == link.address
    [node] = link.nodes()
    assert node.address == link.address
    assert node.call("ECHO", "x") == b"x"


# Where a server sends us elsewhere.


def test_circle_of_redirects_ends(proxy: Proxy) -> None:
    link = Link(redis.Redis.from_url(proxy.url), timeout=10)
    proxy.answers = {"GET": f"MOVED 12706 127.0.0.1:{proxy.port}"}
    with pytest.raises(ResponseError) as raised:
        link.call("GET", "k")
    assert meaning_of(raised.value) is Meaning.REFUSED
    [outcome] = link.exchange([("GET", "k")])
    assert isinstance(outcome, ResponseError)
    proxy.answers = {}
    assert link.call("GET", "k") is None
    link.close()


@pytest.mark.parametrize("host", ["x" * 64, "\udcff", "no-such-host.invalid", "a..b"])
def test_redirect_to_nowhere_is_trouble(proxy: Proxy, host: str) -> None:
    link = Link(redis.Redis.from_url(proxy.url), timeout=10)
    proxy.answers = {"GET": f"MOVED 12706 {host}:1"}
    for _ in range(2):
        with pytest.raises(ServerTrouble):
            link.call("GET", "k")
    link.close()


def test_redis_py_is_not_asked_for_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would read that up for each connection, at the expense of each worker's memory."""
    monkeypatch.setattr("importlib.metadata.version", lambda name: pytest.fail("it is asked"))
    link = Link(redis.Redis.from_url("redis://localhost"), timeout=10)
    link.close()
