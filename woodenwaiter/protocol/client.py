"""What connections are made from: redis-py's clients, and what is known of them."""

from __future__ import annotations

import gc
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import redis
from redis.cluster import ClusterNode, RedisCluster
from redis.connection import AbstractConnection, UnixDomainSocketConnection
from redis.exceptions import RedisClusterException, ResponseError
from redis.sentinel import SentinelConnectionPool

from ..errors import WrongValue
from .access import user_in

Node = tuple[str, int]
"""A host and a port."""

Remap = Callable[[Node], Node]
"""From an address as a cluster tells it to one that leads there."""

MOST_TOLD = 4
"""Of a cluster's nodes that stand in its address, when people are told."""

OF_ONE_NODE = ("host", "port", "db", "path", "redis_connect_func", "retry", "cache")
"""Options that are not for a cluster's other nodes."""


@dataclass(frozen=True)
class Source:
    """How to reach a server; for a cluster, it stands in the place of a client, as redis-py's
    connects when it is made.

    ``nodes``: where to ask first; ``kind``: redis-py's class of the connections, which are made
    with ``options``; ``service``: what sentinels, which then are the nodes, call it.
    """

    nodes: tuple[Node, ...]
    kind: type
    options: Mapping[str, Any] = field(repr=False)  # with a password
    service: str | None = None
    is_cluster: bool = False
    remap: Remap | None = None

    @property
    def address(self) -> str:
        """As a person would write it; never the password."""
        if "path" in self.options:
            return f"unix://{self.options['path']}?db={self._database}"
        user = f"{name}@" if (name := user_in(self.options)) else ""
        nodes = ",".join(map(spelled, self.nodes[:MOST_TOLD]))
        more = ",…" if len(self.nodes) > MOST_TOLD else ""
        several = "+cluster" if self.is_cluster else "+sentinel" if self.service else ""
        return f"{self.scheme}{several}://{user}{nodes}{more}{self._path}"

    @property
    def scheme(self) -> str:
        """Of one node."""
        return "rediss" if issubclass(self.kind, redis.SSLConnection) else "redis"

    @property
    def is_alone(self) -> bool:
        """Whether it is one server, at an address of its own."""
        return bool(self.nodes) and not (self.service or self.is_cluster)

    @property
    def _database(self) -> Any:
        return self.options.get("db") or 0

    @property
    def _path(self) -> str:
        if self.is_cluster:
            return ""
        if self.service:
            return f"/{self.service}/{self._database}" if self._database else f"/{self.service}"
        return f"/{self._database}"

    @property
    def identity(self) -> Hashable:
        """The same for those that reach the same database in the same way."""
        plain = {(k, v) for k, v in self.options.items() if isinstance(v, str | bytes | int)}
        provider = id(self.options.get("credential_provider"))
        return self.address, self.nodes, provider, frozenset(plain)

    def named(self, name: str) -> Source:
        """The same, for connections of this name, unless the client has one for its own."""
        options = {**self.options, "client_name": self.options.get("client_name") or name}
        return replace(self, options=options) if name else self

    def of_all_nodes(self) -> Source:
        """The cluster of which the server turns out to be a node."""
        kind = self.kind
        if issubclass(kind, UnixDomainSocketConnection):
            kind = redis.Connection
        options = {name: v for name, v in self.options.items() if name not in OF_ONE_NODE}
        return Source(self.nodes, kind, options, is_cluster=True, remap=self.remap)

    def client(self) -> RedisCluster:
        """For producers to a cluster. It connects at once; raises redis.RedisError."""
        nodes = [ClusterNode(*node) for node in self.nodes]  # type: ignore[no-untyped-call]
        options: dict[str, Any] = {**self.options, "ssl": self.scheme == "rediss"}
        try:
            return RedisCluster(startup_nodes=nodes, **options)
        except RedisClusterException as error:  # which programs do not expect
            raise redis.ConnectionError(str(error)) from error


Client = redis.Redis | RedisCluster | Source


def source_of(client: Client) -> Source:
    """What a client of anybody's knows; nothing connects."""
    if isinstance(client, Source):
        return client
    if isinstance(client, RedisCluster):
        return _cluster_of(client)
    pool = client.connection_pool
    kind, options = pool.connection_class, pool.connection_kwargs
    if isinstance(pool, SentinelConnectionPool):
        # Sorted, as redis-py changes their order.
        sentinels = sorted(map(_node_of, pool.sentinel_manager.sentinels))
        return Source(tuple(sentinels), kind, options, pool.service_name)
    return Source(() if "path" in options else (_node_of(client),), kind, options)


def _cluster_of(client: RedisCluster) -> Source:
    manager = client.nodes_manager
    nodes = [*manager.startup_nodes.values(), *manager.nodes_cache.values()]
    seeds = tuple(sorted({(str(node.host), int(node.port)) for node in nodes}))
    anyone: Any = next(iter(manager.nodes_cache.values()))
    pool = client.get_redis_connection(anyone).connection_pool
    options, remap = pool.connection_kwargs, manager.address_remap
    return Source(seeds, pool.connection_class, options, remap=remap).of_all_nodes()


def _node_of(client: redis.Redis) -> Node:
    settings = client.connection_pool.connection_kwargs
    return str(settings.get("host", "localhost")), settings.get("port", 6379)


def spelled(node: Node) -> str:
    """A node as it stands in a URL."""
    host, port = node
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def elsewhere(client: Client) -> ResponseError:
    """Of a client that knows one node only, what is to be said where a key is on another."""
    source = source_of(client)
    return ResponseError(
        f"{source.address} is one node of a cluster, and this queue is on another: "
        f"a URL such as {source.of_all_nodes().address} finds all"
    )


def require_host(client: Client) -> None:
    """Raises WrongValue where nobody can be asked for the server's address."""
    for host, _ in source_of(client).nodes:
        try:
            host.encode("idna")
        except UnicodeError:
            raise WrongValue(f"no name of a host: {host!r:.100}") from None


def address_of(client: Client) -> str:
    """The server's address as a person would write it; never the password."""
    return source_of(client).address


def identity(client: Client) -> Hashable:
    """The same for clients that reach the same database in the same way."""
    return source_of(client).identity


def connected_descriptors() -> set[int]:
    """Of this process's clients, as far as they are redis-py's: forked processes may use these,
    which connect anew there."""
    # By its type alone: to ask some objects for more would bring them to life.
    connections = [c for c in gc.get_objects() if issubclass(type(c), AbstractConnection)]
    return {sock.fileno() for c in connections if (sock := getattr(c, "_sock", None))}
