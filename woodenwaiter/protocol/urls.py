"""URLs of servers: what they describe, and what is wrong with them."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, NamedTuple
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

import redis
from redis.connection import parse_url
from redis.sentinel import Sentinel

from ..errors import WrongValue
from .access import REDIS_PASSWORD_FILE, with_password_of
from .certificates import require_certificates
from .client import Client, require_host, source_of

REDIS_URL = "WOODENWAITER_REDIS_URL"
"""The environment variable with the server's URL, for those who are given no address."""

KINDLY = ("Invalid value for ", '"max_connections" must ')
"""How redis-py begins to say what is wrong with a URL. Python echoes parts of it, such as what it
takes for a port: half a password."""

UNREADABLE = (
    "a URL whose host and port (1 to 65535) cannot be told from the rest; an IPv6 address stands "
    "in brackets, and in a user's name and in a password special characters stand as %2F for /, "
    "%23 for #, %3F for ?, %40 for @"
)

UNPRINTABLE = "a URL with characters that are not printable; they stand as %0A, and so on"

NO_SERVICE = "after the sentinels comes the service: HOST:PORT,HOST:PORT/SERVICE"
NO_DATABASE = "a cluster has no databases: after its hosts comes nothing, or ?OPTION=…"

SCHEMES = (
    "a URL begins with redis://, rediss:// (for TLS), unix://, redis+sentinel://, "
    "rediss+sentinel://, redis+cluster:// or rediss+cluster://"
)

SEVERAL_HOSTS = (
    "several hosts are sentinels or nodes of a cluster: a URL of these begins with "
    "redis+sentinel:// or redis+cluster://"
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

SEVERAL = re.compile(
    r"(?P<scheme>rediss?)\+(?P<kind>sentinel|cluster)://"
    r"(?P<login>[^/?#]*@)?(?P<hosts>[^/?#]*)(?P<path>[^?#]*)(?P<query>.*)",
    re.DOTALL,
)
"""A URL with a list of hosts."""

HOSTS = re.compile(r"rediss?://([^/?#@]*@)?[\w.:-]+(,[\w.:-]+)+([/?][^@]*)?")
"""A URL with a list of hosts, and none of what could have them."""

OF_SENTINELS = re.compile(r"sentinel_(username|password)=([^#]*)")
"""An option of a URL that is for the sentinels."""


def client_at(url: str, password_file: str | None = None, **options: Any) -> Client:
    """What connects to the server of a URL; raises WrongValue for what is none, and StartupError
    where there is no password in the file that is to have it.

    Nothing connects now: for a cluster, it is no client of redis-py's, but a `Source`.
    """
    if password_file:
        url, options["credential_provider"] = with_password_of(password_file, url)
    found = SEVERAL.fullmatch(url)
    if not found:
        return _client_at(url, options)
    if not url.isprintable():
        raise WrongValue(UNPRINTABLE)
    several = _Several(**found.groupdict(default=""))
    make = _cluster_at if several.kind == "cluster" else _service_at
    return make(several, options)


def _client_at(url: str, options: Mapping[str, Any]) -> redis.Redis:
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


class _Several(NamedTuple):
    """The parts of a URL with a list of hosts, each of which makes a URL of its own."""

    scheme: str
    kind: str
    login: str
    hosts: str
    path: str
    query: str

    def each(self, path: str, port: int, options: Mapping[str, Any]) -> list[redis.Redis]:
        """A client of each host; raises WrongValue where one of them is none."""
        hosts = self.hosts.split(",")
        urls = [f"{self.scheme}://{self.login}{host}{path}{self.query}" for host in hosts]
        clients = [_client_at(url, {"port": port, **options}) for url in urls]
        if any(re.match(r"(:|$)", host) for host in hosts):
            raise WrongValue(f"the hosts of a {self.kind} are a list: HOST:PORT,HOST:PORT")
        return clients


def _cluster_at(several: _Several, options: Mapping[str, Any]) -> Client:
    if "@" in several.path:
        raise WrongValue(UNREADABLE)
    sources = [source_of(client) for client in several.each("", 6379, options)]
    if several.path not in ("", "/", "/0") or sources[0].options.get("db"):
        raise WrongValue(NO_DATABASE)
    nodes = tuple(node for source in sources for node in source.nodes)
    return replace(sources[0].of_all_nodes(), nodes=nodes)


def _service_at(several: _Several, options: Mapping[str, Any]) -> Client:
    if "@" in several.path:
        raise WrongValue(UNREADABLE)
    several, login = _without_login_of_sentinels(several)
    service, slash, database = several.path.removeprefix("/").partition("/")
    path = slash + database
    clients = several.each(path, 26379, options)
    if not re.fullmatch(r"[\w.-]+", service := unquote(service)):
        raise WrongValue(NO_SERVICE)
    url = f"{several.scheme}://{several.login}{path}{several.query}"
    read: dict[str, Any] = {**options, **parse_url(url)}  # type: ignore[no-untyped-call]
    tls = {"ssl": True} if read.pop("connection_class", None) else {}
    alike = {name: value for name, value in read.items() if name.startswith(("socket_", "ssl_"))}
    nodes = [source_of(client).nodes[0] for client in clients]
    sentinel: Any = Sentinel  # which has no types
    manager = sentinel(nodes, sentinel_kwargs={**tls, **alike, **login}, **tls, **read)
    client: redis.Redis = manager.master_for(service)
    return client


def _without_login_of_sentinels(several: _Several) -> tuple[_Several, dict[str, str]]:
    options = several.query.removeprefix("?").split("&")
    login = {}
    for found in filter(None, map(OF_SENTINELS.fullmatch, options)):
        login[found[1]] = unquote(found[2].replace("+", " "))
    kept = "&".join(option for option in options if not OF_SENTINELS.fullmatch(option))
    return several._replace(query=f"?{kept}" if kept else ""), login


def _require_plain(url: str) -> None:
    """What redis-py would pass over, and connect to what was not meant. Raises WrongValue; what is
    not understood may be part of a password, and is not told."""
    if not url.isprintable():
        raise WrongValue(UNPRINTABLE)
    if not url.startswith(("redis://", "rediss://", "unix://")):
        raise WrongValue(SCHEMES)
    if HOSTS.fullmatch(url):
        raise WrongValue(SEVERAL_HOSTS)
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
            else "after host and port, or a service, comes the number of a database"
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


def client_from_environment(password_file: str | None = None) -> Client | None:
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


def valid_port(value: int | str) -> int:
    with suppress(ValueError):
        if 0 < (number := int(value)) < 1 << 16:
            return number
    raise WrongValue(f"port must be a number from 1 to 65535, not {value!r:.100}")
