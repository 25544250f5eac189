"""Whether servers are fit to keep tasks."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

from redis.exceptions import ResponseError

from .. import pace
from ..findings import Finding, ok, trouble, warning
from ..text import span
from .link import OLDEST, Link, ServerTrouble, unusable
from .replies import is_outage, reply_of
from .wire import Wire

CROWDED = 0.8
"""Of the connections, or of the memory, that a server may have: soon it refuses some."""

Facts = Mapping[str, str]
"""What INFO tells, by its names."""


def server_findings(link: Link) -> Iterator[Finding]:
    """Of the server, or of each node of a cluster that has a part of the keys. Raises nothing of
    what is in `link.ServerTrouble`: that is what it tells."""
    try:
        nodes = link.nodes()
        if nodes[0].address == link.address:
            nodes[0].call("PING")
    except ServerTrouble as error:
        yield out_of_reach(link.address, error)
        return
    for node in nodes:
        try:
            yield from _node_findings(node)
        except ServerTrouble as error:
            yield out_of_reach(node.address, error)


def out_of_reach(address: str, error: Exception) -> Finding:
    """Of a server that does not answer, or nobody like us."""
    told = str(unusable(address, error))
    text, _, remedy = told.rpartition(". ")
    return trouble("reach", text, remedy)


def _node_findings(node: Wire) -> Iterator[Finding]:
    node.call("PING")  # connects
    began = time.monotonic()
    node.call("PING")
    took = time.monotonic() - began
    yield ok("reach", f"Redis at {node.address} answered in {took * 1000:.2f} ms")
    try:
        facts = _facts(node.call("INFO"))
    except ResponseError as error:
        if is_outage(error):
            raise
        told = f"not looked at: {reply_of(error).whole}"
        yield warning("server", told, "Let this user ask: ACL SETUSER … +info")
        facts = {}
    for of in (_version, _role, _persistence, _eviction, _memory, _connections):
        if facts and (finding := of(facts)):
            yield finding
    yield from _clock(node)


def _facts(reply: bytes) -> Facts:
    lines = reply.decode(errors="replace").split("\r\n")
    return dict(line.split(":", 1) for line in lines if ":" in line)


def _number(facts: Facts, name: str) -> int:
    text = facts.get(name, "")
    return int(text) if text.isdecimal() else 0


def _version(facts: Facts) -> Finding:
    version = facts.get("redis_version", "unknown")
    name = f"Valkey {v}" if (v := facts.get("valkey_version")) else f"Redis {version}"
    numbers = [int(part) for part in version.split(".")[:2] if part.isdecimal()]
    if tuple(numbers) < OLDEST:
        return trouble("version", name, "Install Redis 6.2 or newer, or Valkey")
    return ok("version", name)


def _role(facts: Facts) -> Finding | None:
    if facts.get("role", "master") == "master":
        return None
    primary = f"{facts.get('master_host')}:{facts.get('master_port')}"
    told = f"a replica of {primary}, which takes no tasks"
    return trouble("role", told, "Name its primary, or the sentinels that know it")


def _persistence(facts: Facts) -> Finding:
    failed = {
        "rdb_last_bgsave_status": "the last snapshot",
        "aof_last_write_status": "the last write to the append-only file",
        "aof_last_bgrewrite_status": "the last rewrite of the append-only file",
    }
    for name, what in failed.items():
        if facts.get(name, "ok") != "ok":
            remedy = "See to its disk, and its log; it may refuse tasks meanwhile"
            return trouble("persistence", f"{what} failed", remedy)
    if facts.get("aof_enabled") == "1":
        return ok("persistence", "it keeps an append-only file")
    changes = _number(facts, "rdb_changes_since_last_save")
    told = f"no append-only file: {changes:,} changes are in memory only"
    return warning("persistence", told, "Set appendonly yes, or lose them when it ends")


def _eviction(facts: Facts) -> Finding:
    policy = facts.get("maxmemory_policy", "unknown")
    if policy == "noeviction":
        return ok(
            "eviction", "noeviction: when its memory is full, it refuses tasks, and loses none"
        )
    remedy = "Set maxmemory-policy noeviction"
    if policy.startswith("allkeys") and _number(facts, "maxmemory"):
        return trouble("eviction", f"{policy}: when its memory is full, tasks are lost", remedy)
    told = f"{policy}: loses no task as it is, as it has no maxmemory"
    if policy.startswith("volatile"):
        told = f"{policy}: loses no task, as these do not expire"
    return warning("eviction", told, remedy)


def _memory(facts: Facts) -> Finding:
    used, most = _number(facts, "used_memory"), _number(facts, "maxmemory")
    mib = f"{used / 2**20:,.0f} MiB are used"
    if not most:
        return ok("memory", f"{mib}; maxmemory sets no limit")
    told = f"{mib}, of {most / 2**20:,.0f}"
    if used < most * CROWDED:
        return ok("memory", told)
    return warning("memory", told, "Raise maxmemory, drop dead letters, or add workers")


def _connections(facts: Facts) -> Finding | None:
    there, most = _number(facts, "connected_clients"), _number(facts, "maxclients")
    if not most:  # Redis 6.2 does not say
        return ok("connections", f"{there:,} are open")
    told = f"{there:,} are open, of {most:,}"
    if there < most * CROWDED:
        return ok("connections", told)
    return warning("connections", told, "Raise maxclients: each worker has one")


def _clock(node: Wire) -> Iterator[Finding]:
    before = time.time()
    try:
        seconds, microseconds = node.call("TIME")
    except ResponseError as error:
        if is_outage(error):
            raise
        return
    skew = int(seconds) + int(microseconds) / 1e6 - (before + time.time()) / 2
    if abs(skew) < pace.SKEW:
        yield ok("clock", f"within {pace.SKEW:g} s of this machine's")
    else:
        told = f"{span(abs(skew))} {'ahead of' if skew > 0 else 'behind'} this machine's"
        yield warning("clock", told, "Let both follow one time (NTP): logs and letters disagree")
