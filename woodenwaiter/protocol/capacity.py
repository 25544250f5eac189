"""What a server has too little of: memory, or room for connections."""

from __future__ import annotations

import redis
from redis.exceptions import ResponseError

from ..logs import log
from .link import Link
from .replies import reply_of


def warn_of_eviction(link: Link) -> None:
    """Say so if the server would throw tasks away when its memory is full: no key of ours ever
    expires, hence only a policy for all keys does."""
    facts = _info(link, "memory")
    policy = facts.get(b"maxmemory_policy", b"").decode()
    if policy.startswith("allkeys") and facts.get(b"maxmemory") != b"0":
        log.warning(
            "Redis at %s has maxmemory-policy %s: when its memory is full, tasks are lost; "
            "noeviction loses none",
            link.address,
            policy,
        )


def warn_of_crowd(link: Link, needed: int) -> None:
    """Say so if the server would turn some of these connections away, as far as it tells (from
    Redis 7 on). Those that are there may be some of them already."""
    facts = _info(link, "clients")
    most, there = int(facts.get(b"maxclients", 0)), int(facts.get(b"connected_clients", 0))
    if there + needed > most > 0:
        log.warning(
            "Redis at %s takes %d connections and has %d; this supervisor needs %d: "
            "set maxclients there to %d or more",
            link.address,
            most,
            there,
            needed,
            there + needed,
        )


def explained(error: Exception, needed: int) -> Exception:
    """The same, where the server turned a connection away with the number that is needed."""
    text = reply_of(error).text
    if not text.startswith("max number of clients"):
        return error
    return redis.ConnectionError(
        f"{text}, and this supervisor needs {needed} connections: raise maxclients there"
    )


def _info(link: Link, section: str) -> dict[bytes, bytes]:
    try:
        reply: bytes = link.call("INFO", section)
    except ResponseError:
        return {}  # this user may not ask
    return dict(line.split(b":", 1) for line in reply.split(b"\r\n") if b":" in line)
