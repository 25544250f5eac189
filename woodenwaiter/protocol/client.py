"""The clients of redis-py that connections are made from: by URL, and how to tell them apart."""

from __future__ import annotations

import gc
import os
from collections.abc import Hashable
from typing import Any

import redis
from redis.connection import AbstractConnection

from ..errors import WrongValue

REDIS_URL = "WOODENWAITER_REDIS_URL"
"""The environment variable with the server's URL, for those who are given no address."""

KINDLY = ("Redis URL must ", "Invalid value for ")
"""How redis-py begins to say what is wrong with a URL. Python echoes parts of it, such as what it
takes for a port: half a password."""

UNREADABLE = (
    "a URL whose host and port cannot be told from the rest; in a user's name and in a password "
    "special characters stand as %2F for /, %23 for #, %3F for ?, %40 for @"
)


def client_at(url: str, **options: Any) -> redis.Redis:
    """A client for ``redis://``, ``rediss://``, ``unix://``; raises WrongValue for another."""
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
    require_host(client)
    return client


def require_host(client: redis.Redis) -> None:
    """Raises WrongValue where nobody can be asked for the server's address."""
    host = str(client.connection_pool.connection_kwargs.get("host", ""))
    try:
        host.encode("idna")
    except UnicodeError:
        raise WrongValue(f"no name of a host: {host!r:.100}") from None


def client_from_environment() -> redis.Redis | None:
    """A client for the URL in REDIS_URL, if there is one; raises WrongValue if it is none."""
    url = os.environ.get(REDIS_URL)
    if not url:
        return None
    try:
        return client_at(url)
    except WrongValue as error:
        raise WrongValue(f"{REDIS_URL} is no URL of a Redis server: {error}") from None


def address_of(client: redis.Redis) -> str:
    """The server's address as a person would write it; never the password."""
    settings = client.connection_pool.connection_kwargs
    if "path" in settings:
        return f"unix://{settings['path']}?db={settings.get('db') or 0}"
    tls = issubclass(client.connection_pool.connection_class, redis.SSLConnection)
    user = f"{settings['username']}@" if settings.get("username") else ""
    host, port = settings.get("host", "localhost"), settings.get("port", 6379)
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
