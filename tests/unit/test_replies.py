"""What each error reply means, whatever redis-py and scripts have made of it."""

from __future__ import annotations

import re
from typing import Any

import pytest
import redis
from redis.connection import Connection
from redis.exceptions import ResponseError

from woodenwaiter.protocol.replies import (
    TABLE,
    Meaning,
    Row,
    counsel_on,
    is_hopeless,
    is_outage,
    meaning_of,
    needs_source,
    reply_of,
)

AWAY, UNWILLING = Meaning.AWAY, Meaning.UNWILLING
FORBIDDEN, REFUSED = Meaning.FORBIDDEN, Meaning.REFUSED

REPLIES = {
    "READONLY You can't write against a read only replica.": AWAY,
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.": AWAY,
    "NOREPLICAS Not enough good replicas to write.": AWAY,
    "UNBLOCKED force unblock from blocking operation, instance state changed": AWAY,
    "CLUSTERDOWN The cluster is down": AWAY,
    "LOADING Redis is loading the dataset in memory": AWAY,
    "ERR max number of clients reached": AWAY,
    "ERR max number of clients + cluster connections reached": AWAY,
    "NOAUTH Authentication required.": AWAY,
    "NOAUTH HELLO must be called with the client already authenticated": AWAY,
    "WRONGPASS invalid username-password pair or user is disabled.": AWAY,
    "ERR invalid password": AWAY,
    "ERR AUTH <password> called without any password configured for the default user. Are you"
    " sure your configuration is correct?": AWAY,
    "ERR Client sent AUTH, but no password is set": AWAY,
    "ERR wrong number of arguments for 'auth' command": AWAY,
    "ERR wrong number of arguments for 'AUTH' command": AWAY,
    "ERR Protocol error: unauthenticated multibulk length": AWAY,
    "ERR DB index is out of range": AWAY,
    "ERR invalid DB index": AWAY,
    "ERR SELECT is not allowed in cluster mode": AWAY,
    "ERR This instance has cluster support disabled": AWAY,
    "ERR it is a sentinel, and keeps no tasks": AWAY,
    "DENIED Redis is running in protected mode because no password is set.": AWAY,
    "OOM command not allowed when used memory > 'maxmemory'.": UNWILLING,
    "MISCONF Errors writing to the AOF file: No space left on device": UNWILLING,
    "BUSY Redis is busy running a script.": UNWILLING,
    "TRYAGAIN Multiple keys request during rehashing of slot": REFUSED,
    "NOPERM User u has no permissions to run the 'blmove' command": FORBIDDEN,
    "ERR unknown command 'BLMOVE', with args beginning with: 'OOM:queue' 'READONLY' ": FORBIDDEN,
    "WRONGTYPE Operation against a key holding the wrong kind of value": REFUSED,
    "MOVED 3999 127.0.0.1:6381": REFUSED,
    "ASK 3999 127.0.0.1:6381": REFUSED,
    "CROSSSLOT Keys in request don't hash to the same slot": REFUSED,
    "NOSCRIPT No matching script. Please use EVAL.": REFUSED,
    # And what is in no row.
    "BUSYGROUP Consumer Group name already exists": REFUSED,
    "BUSYKEY Target key name already exists.": REFUSED,
    "ERR READONLY_QUEUE is no queue: OOM MISCONF BUSY": REFUSED,
    "ERR value is not an integer or out of range": REFUSED,
    "no upstream host": REFUSED,
    "": REFUSED,
}


def what_is_told_of(reply: str) -> str:
    """To a person."""
    return re.split(", with args| Are you sure", reply.removeprefix("ERR "))[0]


def parsed(reply: str, version: str) -> Exception:
    """What redis-py raises; with ``status_code`` in its newest versions only, and with fewer
    classes in its oldest."""
    connection: Any = Connection
    error: Any = connection()._parser.parse_error(reply)
    if version != "installed":
        error.status_code = None
    young = ("AskError", "MovedError", "TryAgainError", "ClusterDownError", "MasterDownError")
    if version == "oldest" and type(error).__name__ in (*young, "ClusterCrossSlotError"):
        return ResponseError(reply)
    assert isinstance(error, Exception)
    return error


versions = pytest.mark.parametrize("version", ["installed", "older", "oldest"])


@versions
@pytest.mark.parametrize("reply", REPLIES)
def test_meaning(reply: str, version: str) -> None:
    error = parsed(reply, version)
    assert meaning_of(error) is REPLIES[reply]
    assert is_outage(error) is (REPLIES[reply] in (AWAY, UNWILLING))
    assert reply_of(error).whole == what_is_told_of(reply)


@versions
@pytest.mark.parametrize(
    ("reply", "told"),
    [
        ("READONLY You can't write. script: f00, on @user_script:7.", "READONLY You can't write."),
        ("READONLY You can't write. script: on @user_script:7.", "READONLY You can't write."),
        (
            "ERR unknown command 'EVAL', with args beginning with: '-- x\ny' ",
            "unknown command 'EVAL'",
        ),
        (
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the "
            "HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client",
            "NOAUTH HELLO must be called with the client already authenticated",
        ),
        ("WRONGTYPE is this a script: on paper?", "WRONGTYPE is this a script: on paper?"),
    ],
)
def test_what_nobody_needs_is_not_told(reply: str, told: str, version: str) -> None:
    assert reply_of(parsed(reply, version)).whole == told


def test_every_row_is_tested() -> None:
    def row_of(reply: str) -> Row | None:
        code, _, text = reply.partition(" ")
        rows = (row for row in TABLE if row.code == code and text.startswith(row.beginning))
        return next(rows, None)

    assert set(map(row_of, REPLIES)) - {None} == set(TABLE)


@versions
@pytest.mark.parametrize(
    ("reply", "meaning", "told"),
    [
        (
            "ERR Error running script (call to f_800978c8ea5256054fa4a2338e6d6162d69815f6): "
            "@user_script:12: @user_script: 12: -{} tell.",
            None,
            "{} tell.",
        ),
        (
            "ERR Error running script (call to f_800978c8ea5256054fa4a2338e6d6162d69815f6): "
            "@user_script:1: {} tell.",
            None,
            "{} tell.",
        ),
        (
            "ERR Error running script (call to f_4c8b): @user_script:1: user_script:1: attempt to "
            "call {} a nil value",
            REFUSED,
            "user_script:1: attempt to call {} a nil value",
        ),
        ("{} tell. script: f00, on @user_script:12.", None, "{} tell."),
    ],
    ids=["6.2, before it ran", "6.2", "6.2, of Lua", "7"],
)
@pytest.mark.parametrize("code", ["OOM", "READONLY", "WRONGTYPE", "NOREPLICAS", "MISCONF"])
def test_error_inside_a_script(
    reply: str, meaning: Meaning | None, told: str, code: str, version: str
) -> None:
    error = parsed(reply.format(code), version)
    assert meaning_of(error) is (meaning or meaning_of(parsed(f"{code} tell.", version)))
    assert reply_of(error).whole.startswith(told.format(code))


@versions
def test_waiting_helps_unless_a_row_says_otherwise(version: str) -> None:
    hopeless = [reply for reply in REPLIES if is_hopeless(parsed(reply, version))]
    logins = ("NOAUTH", "WRONGPASS", "password", "AUTH", "'auth'", "unauthenticated")
    words = (*logins, "DB index", "SELECT", "DENIED", "cluster support disabled", "sentinel")
    assert hopeless == [reply for reply in REPLIES if any(word in reply for word in words)]


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (redis.ConnectionError("Connection closed by server."), AWAY),
        (redis.TimeoutError("silent"), AWAY),
        (redis.InvalidResponse("Protocol Error: b'HTTP/1.1'"), AWAY),
        (OSError("no route"), AWAY),
        (redis.AuthenticationError("Invalid Username or Password"), AWAY),
        (redis.DataError("Invalid input of type: 'NoneType'"), REFUSED),
    ],
)
def test_trouble_without_a_reply(error: Exception, meaning: Meaning) -> None:
    assert meaning_of(error) is meaning


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("Timeout connecting to server", "If it does not speak TLS"),
        ("[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)", "If it does not speak"),
        (
            "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate",
            "If its signer is a private one, the URL names it",
        ),
    ],
)
def test_counsel_on_tls(text: str, remedy: str) -> None:
    error = redis.ConnectionError(f"Error 1 connecting to h:1. {text}")
    assert counsel_on(error, "rediss://h:1/0").remedy.startswith(remedy)


@versions
@pytest.mark.parametrize(
    ("reply", "needed"),
    [
        ("NOSCRIPT No matching script.", True),
        ("ERR unknown command 'EVALSHA', with args beginning with: 'f00' ", True),
        ("ERR unknown command `evalsha`, with args beginning with: `f00`, ", True),
        ("NOPERM User u has no permissions to run the 'evalsha' command", True),
        ("NOPERM User u has no permissions to run the 'eval' command", False),
        ("WRONGTYPE Operation against 'evalsha'", False),
    ],
)
def test_script_by_its_source(reply: str, needed: bool, version: str) -> None:
    assert needs_source(parsed(reply, version)) is needed
