"""The delivery protocol: one method, one script. The only place that knows the names of keys.

Beside the list ``Q`` that producers push to, in the same slot of a Redis Cluster:

====================  ======  ==================================================================
``{Q}:arrivals``      list    entries moved by a blocked worker's wake-up, on their way to a claim
``{Q}:claims:OWNER``  list    what a worker has claimed and not settled, the oldest at the right
``{Q}:settled``       hash    owner -> how many of its claims are settled; it is the list of owners
``{Q}:leases``        zset    owner -> when its lease ends, by the server's clock, in ms
``{Q}:delayed``       zset    entries that wait for another delivery, by due time
``{Q}:dead``          stream  dead letters
====================  ======  ==================================================================

An owner's claims are numbered from 1 in the order in which they were claimed, and run in that
order. Requests give absolute numbers, so that each may be sent again when its reply was lost.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from redis.crc import key_slot
from redis.exceptions import NoScriptError, ResponseError

from .link import Command, Link, Pause, is_outage
from .logs import log
from .verdict import Redeliver, Verdict

ENOUGH_BYTES = 1 << 20
"""A claim stops at about this many bytes, so that a worker never holds a crowd of large entries."""

REGISTRY = "woodenwaiter:queues"
"""A set with the name of every queue that was ever served, for operators."""

PAGE = 100
"""How many dead letters to fetch at once; each may be large."""

Letter = tuple[str, dict[str, bytes]]

LUA = Path(__file__).parent / "lua"


class LeaseLost(Exception):
    """The owner is unknown: its lease ran out, and its claims belong to others now."""


class _Script:
    def __init__(self, name: str) -> None:
        prelude = (LUA / "prelude.lua").read_text()
        self.source = prelude + (LUA / f"{name}.lua").read_text()
        self.sha = hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest()


def hash_tag(queue: str) -> str:
    """What to put in braces so that a key lands in the queue's slot of a Redis Cluster.

    The queue's own hash tag where it has one, else its name. A name with a brace that is no tag
    cannot stand in braces: the first number of the same slot does.
    """
    name = queue.encode()
    start = name.find(b"{")
    end = name.find(b"}", start + 1)
    if start >= 0 and end > start + 1:
        return name[start + 1 : end].decode()
    if b"}" not in name:
        return queue
    slot = key_slot(name)
    return next(tag for tag in map(str, itertools.count()) if key_slot(tag.encode()) == slot)


def key_prefix(queue: str) -> str:
    tag = hash_tag(queue)
    return f"{{{queue}}}:" if tag == queue else f"{{{tag}}}:{queue}:"


class Queue:
    """One queue, over one connection.

    ``lease``: seconds for which an owner keeps its claims without a sign of life.
    Every method raises what is in `link.ServerTrouble`.
    """

    def __init__(self, link: Link, name: str, lease: float) -> None:
        self.name = name
        self.link = link
        self._lease = int(lease * 1000)
        self._is_unlisted = False
        prefix = key_prefix(name)
        self._claims = prefix + "claims:"
        self._arrivals = prefix + "arrivals"
        self._settled = prefix + "settled"
        self._leases = prefix + "leases"
        self._delayed = prefix + "delayed"
        self._dead = prefix + "dead"
        self._keys = [
            name,
            self._arrivals,
            self._settled,
            self._leases,
            self._delayed,
            self._dead,
        ]

    # What a worker does.

    def enroll(self, owner: str, completed: int) -> None:
        """Make a new owner, whose claims are numbered from ``completed`` + 1."""
        self._run(_ENROLL, owner, owner, completed, self._lease)

    def claim(self, owner: str, completed: int, want: int) -> list[bytes]:
        """Settle claims up to ``completed`` and return the next, ``want`` at most, oldest first.

        They are all that the owner holds afterwards. Raises LeaseLost.
        """
        keys, arguments = self._claim(owner, completed, want)
        return _claimed(self.link.run(_CLAIM.sha, _CLAIM.source, keys, arguments))

    def wait_and_claim(
        self, owner: str, completed: int, want: int, seconds: float, pause: Pause
    ) -> list[bytes]:
        """Wait up to ``seconds`` for the queue to have something, then `claim`, in one round trip.

        The waiting part only rings the bell: an entry it moves for a worker that dies at this
        moment lies where every claim looks first. Raises LeaseLost; and Interrupted where
        ``pause`` gave up: then there may be claims that only the next `claim` will tell of.
        """
        keys, arguments = self._claim(owner, completed, want)
        claim = ("EVALSHA", _CLAIM.sha, len(keys), *keys, *arguments)
        try:
            return _claimed(self.link.wait([self._doorbell(seconds), claim], seconds, pause))
        except NoScriptError:
            return self.claim(owner, completed, want)

    def wait(self, seconds: float, pause: Pause) -> bool:
        """Wait up to ``seconds``; whether there is something to claim. Asks least of the server.

        Raises Interrupted where ``pause`` gave up.
        """
        return self.link.wait([self._doorbell(seconds)], seconds, pause) is not None

    def _doorbell(self, seconds: float) -> Command:
        return ("BLMOVE", self.name, self._arrivals, "RIGHT", "LEFT", seconds)

    def fail(self, owner: str, seq: int, verdict: Verdict) -> None:
        """Take claim number ``seq``, which failed, to where the verdict says. Raises LeaseLost."""
        if self._run(_FAIL, owner, owner, seq, *_arguments(verdict)) is None:
            raise LeaseLost(owner)

    def release(
        self, owner: str, completed: int, verdict: Verdict | None = None, *, lapsed: bool = False
    ) -> int | None:
        """End an owner: settle, carry out the verdict on the claim after, put back the rest.

        With ``lapsed`` only if its lease ran out. Returns how many claims went back to the queue,
        None where the lease holds.
        """
        arguments = _arguments(verdict) if verdict else []
        put_back: int | None = self._run(
            _RELEASE, owner, owner, completed, "1" if lapsed else "", *arguments
        )
        return put_back

    # What a housekeeper does.

    def give_back(self, owner: str, running: int) -> int:
        """Put all that the owner holds but claim ``running`` back; returns how many went back."""
        put_back: int = self._run(_GIVE_BACK, owner, owner, running)
        return put_back

    def running(self, owner: str, completed: int) -> tuple[int, bytes | None]:
        """How many claims would be settled, at least ``completed``, and the one after them."""
        reply = self._run(_RUNNING, owner, owner, completed)
        return (completed, None) if reply is None else (reply[0], reply[1])

    def renew(self, owners: list[str]) -> None:
        """Extend these owners' leases, if they still have one."""
        self._run(_RENEW, None, self._lease, *owners)

    def promote(self, most: int = 1000) -> tuple[int, float | None]:
        """Put due retries and stranded arrivals in front of the queue.

        Returns how many were due, and the seconds until the next is, None if none waits.
        """
        moved, milliseconds = self._run(_PROMOTE, None, most)
        return moved, None if milliseconds < 0 else milliseconds / 1000

    def expired(self, most: int = 100) -> list[str]:
        """The owners whose leases ran out."""
        return [owner.decode() for owner in self._run(_EXPIRED, None, most, self._lease)]

    def register(self) -> None:
        """Let operators' commands find this queue, where the server allows it."""
        try:
            self.link.call("SADD", REGISTRY, self.name)
        except ResponseError as error:  # a full server knows it already, or another time
            if not is_outage(error) and not self._is_unlisted:
                self._is_unlisted = True
                log.warning("%s is not in the set %s: %s", self.name, REGISTRY, error)

    # What an operator does.

    def sizes(self) -> dict[str, int]:
        """How many entries are in each state, and how many owners there are."""
        owners = self.link.call("HKEYS", self._settled)
        return {
            "waiting": self.link.call("LLEN", self.name) + self.link.call("LLEN", self._arrivals),
            "claimed": sum(self.link.call("LLEN", self._claims + o.decode()) for o in owners),
            "delayed": self.link.call("ZCARD", self._delayed),
            "dead": self.link.call("XLEN", self._dead),
            "workers": len(owners),
        }

    def dead_letters(self, first: str = "-", last: str = "+") -> Iterator[Letter]:
        """Dead letters, oldest first: their ids and fields."""
        while page := self.link.call("XRANGE", self._dead, first, last, "COUNT", PAGE):
            for name, flat in page:
                fields = zip(flat[::2], flat[1::2], strict=True)
                yield name.decode(), {field.decode(): value for field, value in fields}
            first = f"({page[-1][0].decode()}"

    def newest_letter(self) -> str | None:
        """The id of the dead letter that came last."""
        newest = self.link.call("XREVRANGE", self._dead, "+", "-", "COUNT", 1)
        return newest[0][0].decode() if newest else None

    def requeue(self, letter: str) -> bool:
        """Put a dead letter's payload back into the queue; False if there is no such letter."""
        return bool(self._run(_REQUEUE, None, letter))

    def drop(self, letter: str) -> bool:
        """Delete a dead letter for good; False if there is no such letter."""
        return bool(self.link.call("XDEL", self._dead, letter))

    def _claim(self, owner: str, completed: int, want: int) -> tuple[list[str], list[Any]]:
        keys = [*self._keys, self._claims + owner]
        return keys, [owner, completed, want, ENOUGH_BYTES, self._lease]

    def _run(self, script: _Script, owner: str | None, *arguments: Any) -> Any:
        keys = self._keys if owner is None else [*self._keys, self._claims + owner]
        return self.link.run(script.sha, script.source, keys, list(arguments))


def _claimed(reply: list[bytes] | None) -> list[bytes]:
    if reply is None:
        raise LeaseLost
    return reply


def _arguments(verdict: Verdict) -> list[Any]:
    if isinstance(verdict, Redeliver):
        return ["redeliver", int(verdict.after * 1000), verdict.entry]
    return ["bury", *(part for field in verdict.fields.items() for part in field)]


def registered(link: Link) -> list[str]:
    """The names of all queues that were ever served."""
    return sorted(name.decode() for name in link.call("SMEMBERS", REGISTRY))


_ENROLL, _CLAIM, _FAIL, _RELEASE = map(_Script, ("enroll", "claim", "fail", "release"))
_GIVE_BACK, _RUNNING, _RENEW = map(_Script, ("give_back", "running", "renew"))
_PROMOTE, _EXPIRED, _REQUEUE = map(_Script, ("promote", "expired", "requeue"))
