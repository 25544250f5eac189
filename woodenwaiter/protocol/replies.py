"""What error replies mean: by their code, and for the code ``ERR``, by how their text begins."""

from __future__ import annotations

import re
from enum import Enum
from typing import Any, NamedTuple

import redis
from redis.exceptions import (
    AuthenticationError,
    AuthenticationWrongNumberOfArgsError,
    DataError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
)


class Meaning(Enum):
    """Whom it concerns, and whether another connection may help."""

    AWAY = "this server serves nobody like us; the same address may lead to another, or let us in"
    UNWILLING = "the server as a whole, for now"
    FORBIDDEN = "this command, on this server or for this user"
    REFUSED = "this request, or the keys that it names"


class Counsel(NamedTuple):
    """What a person is told who starts something. ``{}`` in it is the server's address."""

    problem: str
    remedy: str


class Row(NamedTuple):
    """``counsel``: where waiting is no use at the start."""

    code: str
    meaning: Meaning
    beginning: str = ""  # of the text after the code
    counsel: Counsel | None = None


LOGIN = Counsel(
    "Redis at {} refuses the login", "Give the right one, as in redis://USER:PASSWORD@HOST"
)
DATABASE = Counsel("Redis at {}", "The number at the URL's end names a database")
PROTECTED = Counsel("Redis at {} serves its own machine only", "Set a password there")
SENTINEL = Counsel(
    "no usable Redis at {}",
    "What it watches has a URL such as redis+sentinel://HOST:26379,HOST:26379/SERVICE",
)
ALONE = Counsel("Redis at {} is no cluster", "Its URL begins with redis:// or rediss://")
REFUSAL = Counsel("Redis at {} refuses a request", "Its keys or its users are to be put right")
NOT_THERE = Counsel(
    "no usable Redis at {}",
    "Start one there, name another with --redis, or have a supervisor run one by --embedded",
)
NOT_NOW = Counsel(NOT_THERE.problem, "See to it there, wait, or name another with --redis")
NO_TLS = Counsel(NOT_THERE.problem, "If it does not speak TLS, its URL begins with redis://")
TLS = Counsel(NOT_THERE.problem, "If it speaks TLS, its URL begins with rediss://")
STRANGER = Counsel(
    NOT_THERE.problem,
    "If its signer is a private one, the URL names it, as in rediss://HOST?ssl_ca_certs=FILE",
)
EXPIRED = Counsel(NOT_THERE.problem, "Its certificate, or a clock, is to be put right")
NAMESAKE = Counsel(
    NOT_THERE.problem,
    "The URL is to have the host by a name that is in the certificate, or the other way round",
)
CLIENT = Counsel(
    NOT_THERE.problem,
    "If it asks for certificates, the URL names one that it knows, as in "
    "rediss://HOST?ssl_certfile=FILE&ssl_keyfile=FILE",
)
NO_FILE = Counsel(
    NOT_THERE.problem, "A file of certificates is named that is not there, or is none"
)
NOT_WATCHED = Counsel(
    NOT_THERE.problem, "After the sentinels, the URL has the service by the name that they know"
)
NOT_WATCHING = Counsel(NOT_THERE.problem, "A server's own URL begins with redis:// or rediss://")
UNWATCHED = Counsel(
    NOT_THERE.problem,
    "A login for sentinels stands in the URL, as in ?sentinel_username=USER&sentinel_password=…",
)

IS_SENTINEL = "it is a sentinel, and keeps no tasks"
NO_SENTINEL = "it is no sentinel"
NO_SERVICE = "no such service"
NO_PRIMARY = "no primary of"
LOGIN_OF_SENTINEL = "it refuses the login"
"""What is said, here and in what is raised, of servers and sentinels that are taken for others."""

SIGNS = (
    ("", NO_SERVICE, NOT_WATCHED),
    ("", NO_SENTINEL, NOT_WATCHING),
    ("", LOGIN_OF_SENTINEL, UNWATCHED),
    ("rediss", "certificate has expired", EXPIRED),
    ("rediss", "not yet valid", EXPIRED),
    ("rediss", "ostname mismatch", NAMESAKE),
    ("rediss", "IP address mismatch", NAMESAKE),
    ("rediss", "CERTIFICATE_VERIFY_FAILED", STRANGER),
    ("rediss", "_ALERT_", CLIENT),
    ("rediss", "while reading", CLIENT),
    ("rediss", "while writing", CLIENT),
    ("rediss", "closed by server", CLIENT),
    ("rediss", "No such file", NO_FILE),
    ("rediss", "Is a directory", NO_FILE),
    ("rediss", "Permission denied", NO_FILE),
    ("rediss", "PEM lib", NO_FILE),
    ("rediss", "[X509", NO_FILE),
    ("rediss", "Timeout connecting", NO_TLS),
    ("rediss", "SSL", NO_TLS),
    ("redis", "closed", TLS),
    ("redis", "reset", TLS),
    ("redis", "Protocol Error", TLS),
    ("", NO_PRIMARY, NOT_NOW),
)
"""What an error of the connection says, to an address with this scheme (or with any), and what to
do then."""

TABLE = (
    Row("READONLY", Meaning.AWAY),
    Row("MASTERDOWN", Meaning.AWAY),
    Row("NOREPLICAS", Meaning.AWAY),
    Row("UNBLOCKED", Meaning.AWAY),
    Row("CLUSTERDOWN", Meaning.AWAY),
    Row("LOADING", Meaning.AWAY),
    Row("ERR", Meaning.AWAY, "max number of clients"),
    Row("NOAUTH", Meaning.AWAY, counsel=LOGIN),
    Row("WRONGPASS", Meaning.AWAY, counsel=LOGIN),
    Row("ERR", Meaning.AWAY, "invalid password", LOGIN),
    Row("ERR", Meaning.AWAY, "AUTH <password> called without any password", LOGIN),
    Row("ERR", Meaning.AWAY, "Client sent AUTH", LOGIN),
    Row("ERR", Meaning.AWAY, "wrong number of arguments for 'auth'", LOGIN),
    Row("ERR", Meaning.AWAY, "wrong number of arguments for 'AUTH'", LOGIN),
    Row("ERR", Meaning.AWAY, "Protocol error: unauthenticated", LOGIN),  # and many arguments
    Row("ERR", Meaning.AWAY, "DB index", DATABASE),
    Row("ERR", Meaning.AWAY, "invalid DB index", DATABASE),
    Row("ERR", Meaning.AWAY, "SELECT is not allowed", DATABASE),
    Row("ERR", Meaning.AWAY, "This instance has cluster support disabled", ALONE),
    Row("ERR", Meaning.AWAY, IS_SENTINEL, SENTINEL),
    Row("DENIED", Meaning.AWAY, counsel=PROTECTED),
    Row("OOM", Meaning.UNWILLING),
    Row("MISCONF", Meaning.UNWILLING),
    Row("BUSY", Meaning.UNWILLING),
    Row("TRYAGAIN", Meaning.REFUSED),
    Row("NOPERM", Meaning.FORBIDDEN),
    Row("ERR", Meaning.FORBIDDEN, "unknown command"),
    Row("WRONGTYPE", Meaning.REFUSED),
    Row("MOVED", Meaning.REFUSED),
    Row("ASK", Meaning.REFUSED),
    Row("CROSSSLOT", Meaning.REFUSED),
    Row("NOSCRIPT", Meaning.REFUSED),
)

_CODES = {row.code for row in TABLE}

_CLASSES: tuple[tuple[type[Exception], str], ...] = (
    (ReadOnlyError, "READONLY"),
    (OutOfMemoryError, "OOM"),
    (NoPermissionError, "NOPERM"),
    (NoScriptError, "NOSCRIPT"),
    (AuthenticationWrongNumberOfArgsError, "ERR"),
    (redis.BusyLoadingError, "LOADING"),
    (redis.exceptions.MasterDownError, "MASTERDOWN"),  # before its base class
    (redis.exceptions.ClusterDownError, "CLUSTERDOWN"),
    (redis.exceptions.MovedError, "MOVED"),  # likewise
    (redis.exceptions.AskError, "ASK"),
    (redis.exceptions.TryAgainError, "TRYAGAIN"),
    (redis.exceptions.ClusterCrossSlotError, "CROSSSLOT"),
)
"""The codes that redis-py takes off the text of an error that it has a class for."""

_LOGINS = {
    "Authentication required": "NOAUTH",
    "HELLO must be called": "NOAUTH",
    "invalid username-password": "WRONGPASS",
}
"""The same of an AuthenticationError, by how its text begins."""

_OF_A_SCRIPT = re.compile(
    r"Error running script \(call to f_\w+\): @user_script:\d+: (?:@user_script: \d+: -?)?(.*)",
    re.DOTALL,
)
"""Where Redis 6.2 hides the error of a script's command, ``(.*)``, in one of its own."""

_NOISE = re.compile(
    r",? with args beginning with: .*"
    r"|,? script: (?:\w+, )?on @user_script:\d+\.?\Z"
    r"|, otherwise the HELLO .*"
    r"| Are you sure your configuration is correct\?",
    re.DOTALL,
)
"""What servers add, and nobody who is to do something about it needs."""


class Reply(NamedTuple):
    """An error reply as the server has sent it; without a code, an error of the connection's."""

    code: str
    text: str

    @property
    def whole(self) -> str:
        """As it is told: an ERR says nothing."""
        text = _NOISE.sub("", self.text)
        return text if self.code in ("", "ERR") else f"{self.code} {text}"


def reply_of(error: Exception) -> Reply:
    """Undo what redis-py, in any of its versions, and scripts have made of it."""
    code, text = _as_received(error)
    if code == "ERR" and (inner := _OF_A_SCRIPT.match(text)):
        return _split(inner[1])
    return Reply(code, text)


def _as_received(error: Exception) -> Reply:
    text = str(error)
    if code := getattr(error, "status_code", None):  # from redis-py 8 on
        return Reply(code, text)
    for kind, code in _CLASSES:
        if isinstance(error, kind):
            return Reply(code, text)
    if isinstance(error, AuthenticationError):
        codes = (code for start, code in _LOGINS.items() if text.startswith(start))
        return Reply(next(codes, "ERR"), text)
    return _split(text) if isinstance(error, ResponseError) else Reply("", text)


def _split(text: str) -> Reply:
    """An ERR that lost its code may begin with any word."""
    first, _, rest = text.partition(" ")
    return Reply(first, rest) if first in _CODES else Reply("ERR", text)


def _row_of(error: Exception) -> Row | None:
    code, text = reply_of(error)
    rows = (row for row in TABLE if code == row.code and text.startswith(row.beginning))
    return next(rows, None)


def meaning_of(error: Exception) -> Meaning:
    """Of an error reply, or of what is wrong with the connection."""
    if row := _row_of(error):
        return row.meaning
    return Meaning.REFUSED if isinstance(error, ResponseError | DataError) else Meaning.AWAY


def is_outage(error: Exception) -> bool:
    """Whether the server as a whole is away or unwilling, and not just this request at fault."""
    return meaning_of(error) in (Meaning.AWAY, Meaning.UNWILLING)


def is_redirect(outcome: Any) -> bool:
    """Whether a node of a cluster says that the key is elsewhere."""
    return isinstance(outcome, ResponseError) and reply_of(outcome).code in ("MOVED", "ASK")


def is_silence(error: Exception) -> bool:
    """Whether there was no answer in time."""
    return isinstance(error, redis.TimeoutError)


def needs_source(error: Exception) -> bool:
    """Whether a script is refused by its name, and may be run by its source."""
    code, text = reply_of(error)
    by_name = text.lower().replace("`", "'")
    return code == "NOSCRIPT" or (meaning_of(error) is Meaning.FORBIDDEN and "'evalsha'" in by_name)


def is_hopeless(error: Exception) -> bool:
    """Whether waiting is no use at the start."""
    row = _row_of(error)
    return bool(row and row.counsel)


def counsel_on(error: Exception, address: str) -> Counsel:
    """What to do about a server that cannot be used."""
    row = _row_of(error)
    if row and row.counsel:
        return row.counsel
    if row:
        return NOT_NOW if is_outage(error) else REFUSAL
    scheme, text = re.split("[:+]", address)[0], str(error)
    seen = (counsel for of, sign, counsel in SIGNS if of in (scheme, "") and sign in text)
    return next(seen, NOT_THERE if is_outage(error) else REFUSAL)
