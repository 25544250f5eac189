"""Whether servers are fit to keep tasks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from redis.exceptions import ResponseError

from .. import pace
from ..findings import Finding, ok, trouble, warning
from ..text import span
from .link import OLDEST, Link, ServerTrouble, unusable
from .replies import is_outage
from .wire import Wire

CROWDED = 0.8
"""Of the connections, or of the memory, that a server may have: soon it refuses some."""

Facts = dict[str, str]
"""What INFO tells, by its names."""


def server_findings(link: Link) -> Iterator[Finding]:
    """Of the server, or of each node of a cluster that has a part of the keys. Raises nothing of
    what is in `link.ServerTrouble`: that is what it tells."""
    try:
        nodes = link.nodes()
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
    text, _, remedy = str(unusable(address, error)).rpartition(". ")
    return trouble("reach", text, remedy)


def _node_findings(node: Wire) -> Iterator[Finding]:
    facts = _facts(_told(node, "INFO") or b"")
    if facts and "maxclients" not in facts:  # before Redis 7.0
        facts["maxclients"] = _setting(node, "maxclients")
    began = time.time()
    clock = _told(node, "TIME")
    took = time.time() - began
    yield ok("reach", f"Redis at {node.address} answered in {took * 1000:.2f} ms")
    if not (facts and clock):
        text = "this user may not ask for all that is to be known of it"
        yield warning("server", text, "Allow it: ACL SETUSER … +info +time")
    if facts:
        of_server = (_version, _role, _persistence, _eviction, _memory, _connections)
        yield from filter(None, (of(facts) for of in of_server))
    if clock:
        yield _clock(int(clock[0]) + int(clock[1]) / 1e6 - (began + took / 2))


def _setting(node: Wire, name: str) -> str:
    """Nothing where this user may not ask."""
    _, value = _told(node, "CONFIG", "GET", name) or (b"", b"")
    return str(value.decode())


def _told(node: Wire, *command: str) -> Any:
    """None where this user may not ask."""
    try:
        return node.call(*command)
    except ResponseError as error:
        if is_outage(error):
            raise
        return None


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
    text = f"a replica of {primary}, which takes no tasks"
    return trouble("role", text, "Name its primary, or the sentinels that know it")


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
    text = f"no append-only file: {changes:,} changes are in memory only"
    return warning("persistence", text, "Set appendonly yes, or lose them when it ends")


def _eviction(facts: Facts) -> Finding:
    policy = facts.get("maxmemory_policy", "unknown")
    if policy == "noeviction":
        return ok(
            "eviction", "noeviction: when its memory is full, it refuses tasks, and loses none"
        )
    remedy = "Set maxmemory-policy noeviction"
    if policy.startswith("allkeys") and _number(facts, "maxmemory"):
        return trouble("eviction", f"{policy}: when its memory is full, tasks are lost", remedy)
    text = f"{policy}: loses no task as it is, as it has no maxmemory"
    if policy.startswith("volatile"):
        text = f"{policy}: loses no task, as these do not expire"
    return warning("eviction", text, remedy)


def _memory(facts: Facts) -> Finding:
    used, most = _number(facts, "used_memory"), _number(facts, "maxmemory")
    mib = f"{used / 2**20:,.0f} MiB are used"
    if not most:
        return ok("memory", f"{mib}; maxmemory sets no limit")
    text = f"{mib}, of {most / 2**20:,.0f}"
    if used < most * CROWDED:
        return ok("memory", text)
    return warning("memory", text, "Raise maxmemory, drop dead letters, or add workers")


def _connections(facts: Facts) -> Finding | None:
    there, most = _number(facts, "connected_clients"), _number(facts, "maxclients")
    if not most:
        return ok("connections", f"{there:,} are open")
    text = f"{there:,} are open, of {most:,}"
    if there < most * CROWDED:
        return ok("connections", text)
    return warning("connections", text, "Raise maxclients: each worker has one")


def _clock(skew: float) -> Finding:
    """``skew``: seconds that it is ahead."""
    if abs(skew) < pace.SKEW:
        return ok("clock", f"within {pace.SKEW:g} s of this machine's")
    text = f"{span(abs(skew))} {'ahead of' if skew > 0 else 'behind'} this machine's"
    return warning("clock", text, "Let both follow one time (NTP): logs and letters disagree")
