"""Clients of redis-py alone, also for producers that know no URL of several servers."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.retry import Retry
from redis.sentinel import Sentinel


def client_at(url: str, timeout: float) -> Any:
    """For the URL of a server, of a service that sentinels know, or of a cluster."""
    scheme, netloc, path, *_ = urlsplit(url)
    pairs = [address.partition(":") for address in netloc.split(",")]
    addresses: Any = [(host, int(port)) for host, _, port in pairs if port]
    if scheme == "redis+sentinel":
        sentinel: Any = Sentinel(addresses, socket_timeout=timeout)  # type: ignore[no-untyped-call]
        return sentinel.master_for(path.strip("/"))
    if scheme == "redis+cluster":
        nodes: Any = [ClusterNode(*address) for address in addresses]  # type: ignore[no-untyped-call]
        return RedisCluster(startup_nodes=nodes, socket_timeout=timeout)
    return redis.Redis.from_url(url, socket_timeout=timeout)


def repeats_nothing(client: Any) -> None:
    """A push that redis-py itself repeats may come twice, and nobody would know."""
    client.set_retry(Retry(NoBackoff(), 0))
    client.cluster_error_retry_attempts = 0  # older ones count so for a cluster
