"""The clients of redis-py that connections are made from: by URL, and how to tell them apart."""

from __future__ import annotations

import gc
import math
import os
import re
from collections.abc import Hashable, Mapping
from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit

import redis
from redis.connection import AbstractConnection

from ..errors import WrongValue
from .access import REDIS_PASSWORD_FILE, user_in, with_password_of
from .certificates import require_certificates

REDIS_URL = "WOODENWAITER_REDIS_URL"
"""The environment variable with the server's URL, for those who are given no address."""

KINDLY = ("Redis URL must ", "Invalid value for ", '"max_connections" must ')
"""How redis-py begins to say what is wrong with a URL. Python echoes parts of it, such as what it
takes for a port: half a password."""

UNREADABLE = (
    "a URL whose host and port (1 to 65535) cannot be told from the rest; an IPv6 address stands "
    "in brackets, and in a user's name and in a password special characters stand as %2F for /, "
    "%23 for #, %3F for ?, %40 for @"
)

SAYABLE = re.compile(
    "db|username|password|protocol|client_name|lib_name|lib_version|decode_responses"
    "|socket_timeout|socket_connect_timeout|socket_keepalive|health_check_interval"
    "|max_connections|retry_on_timeout"
    "|ssl_(keyfile|certfile|password|cert_reqs|ca_certs|ca_path|ca_data)"
    "|ssl_(check_hostname|min_version|ciphers)"
)
"""The options that a URL can give. Redis-py takes all others, too, and trips over their text when
it connects."""

AMOUNTS = ("socket_timeout", "socket_connect_timeout")
"""Seconds that a socket refuses when it connects, unless they are positive."""


def client_at(url: str, password_file: str | None = None, **options: Any) -> redis.Redis:
    """A client for ``redis://``, ``rediss://``, ``unix://``; raises WrongValue for another, and
    StartupError where there is no password in the file that is to have it."""
    if password_file:
        url, options["credential_provider"] = with_password_of(password_file, url)
    _require_plain(url)
    try:
        client = redis.Redis.from_url(url, **options)
    except ValueError as error:
        reason = str(error)
        raise WrongValue(reason if reason.startswith(KINDLY) else UNREADABLE) from None
    pool = client.connection_pool
    try:
        pool.connection_class(**pool.connection_kwargs)  # unopened: redis-py checks options so late
    except TypeError as error:
        raise WrongValue(f"no option of a connection: {str(error).rpartition(' ')[2]}") from None
    except redis.RedisError as error:
        raise WrongValue(str(error)) from None
    _require_sense(pool.connection_kwargs)
    require_certificates(pool.connection_kwargs)
    require_host(client)
    return client


def _require_plain(url: str) -> None:
    """What redis-py would pass over, and connect to what was not meant. Raises WrongValue; what is
    not understood may be part of a password, and is not told."""
    if not url.isprintable():
        raise WrongValue(
            "a URL with characters that are not printable; they stand as %0A, and so on"
        )
    try:
        parts = urlsplit(url)
        is_readable = parts.port != 0 and not parts.fragment
    except ValueError:
        is_readable = False
    if not is_readable:
        raise WrongValue(UNREADABLE)
    _require_database(parts)
    _require_options(parts.query)


def _require_database(parts: SplitResult) -> None:
    if parts.scheme in ("redis", "rediss") and not re.fullmatch("/?[0-9]*", parts.path, re.ASCII):
        raise WrongValue(
            UNREADABLE
            if "@" in parts.path
            else "after host and port comes the number of a database"
        )


def _require_options(query: str) -> None:
    for name in parse_qs(query, keep_blank_values=True):
        if not SAYABLE.fullmatch(name):
            what = f"no option of a connection: {name!r:.50}"
            raise WrongValue(UNREADABLE if "@" in query else what)


def _require_sense(options: Mapping[str, Any]) -> None:
    """What redis-py would find out when it connects."""
    if options.get("ssl_keyfile") and not options.get("ssl_certfile"):
        raise WrongValue("ssl_keyfile needs ssl_certfile")
    for name in AMOUNTS:
        seconds = options.get(name)
        if seconds is not None and not 0 < seconds < math.inf:
            raise WrongValue(f"{name} must be more than 0 and finite")


def require_host(client: redis.Redis) -> None:
    """Raises WrongValue where nobody can be asked for the server's address."""
    host = str(client.connection_pool.connection_kwargs.get("host", ""))
    try:
        host.encode("idna")
    except UnicodeError:
        raise WrongValue(f"no name of a host: {host!r:.100}") from None


def client_from_environment(password_file: str | None = None) -> redis.Redis | None:
    """A client for the URL in REDIS_URL, if there is one; raises WrongValue if it is none. A file
    with a password may be named alone."""
    url = os.environ.get(REDIS_URL)
    file = password_file or os.environ.get(REDIS_PASSWORD_FILE)
    if not (url or file):
        return None
    try:
        return client_at(url or "redis://localhost", file)
    except WrongValue as error:
        raise WrongValue(f"{REDIS_URL} is no URL of a Redis server: {error}") from None


def address_of(client: redis.Redis) -> str:
    """The server's address as a person would write it; never the password."""
    settings = client.connection_pool.connection_kwargs
    if "path" in settings:
        return f"unix://{settings['path']}?db={settings.get('db') or 0}"
    tls = issubclass(client.connection_pool.connection_class, redis.SSLConnection)
    user = f"{name}@" if (name := user_in(settings)) else ""
    host, port = settings.get("host", "localhost"), settings.get("port", 6379)
    host = f"[{host}]" if ":" in str(host) else host
    return f"redis{'s' if tls else ''}://{user}{host}:{port}/{settings.get('db') or 0}"


def identity(client: redis.Redis) -> Hashable:
    """The same for clients that reach the same database in the same way."""
    settings = client.connection_pool.connection_kwargs
    plain = {(k, v) for k, v in settings.items() if isinstance(v, str | bytes | int)}
    return address_of(client), id(settings.get("credential_provider")), frozenset(plain)


def connected_descriptors() -> set[int]:
    """Of this process's clients, as far as they are redis-py's: forked processes may use these,
    which connect anew there."""
    # By its type alone: to ask some objects for more would bring them to life.
    connections = [c for c in gc.get_objects() if issubclass(type(c), AbstractConnection)]
    return {sock.fileno() for c in connections if (sock := getattr(c, "_sock", None))}
