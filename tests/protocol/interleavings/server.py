"""The real scripts as a function: contents and a request in, the reply and contents out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

import redis

from woodenwaiter.errors import LeaseLost
from woodenwaiter.protocol import scripts
from woodenwaiter.protocol.entry import Suspicion, load
from woodenwaiter.protocol.keys import key_prefix
from woodenwaiter.protocol.queue import Oldest, Queue
from woodenwaiter.protocol.tokens import Tokens
from woodenwaiter.protocol.verdict import Failure, Policy, Verdict, judge

Entries = tuple[bytes, ...]
Request = tuple[Any, ...]
"""The name of a method of Queue and its arguments; for some what `Server.requests` says."""


class Violation(AssertionError):
    """The protocol broke a promise."""


LOST = "LOST"
"""The reply to an owner whose lease ran out."""


class Failed(NamedTuple):
    """A delivery to pass judgement on; ``final``: no other follows; ``limit``: of deliveries."""

    raw: bytes
    final: bool
    suspicion: Suspicion = Suspicion.NONE
    limit: int = 5


@cache
def verdict_on(failed: Failed) -> Verdict:
    """Always the same bytes: times and the names of claims are no part of a state."""
    failure = Failure("failed", after=0, final=failed.final, suspicion=failed.suspicion)
    policy = Policy(max_deliveries=failed.limit)
    return judge(failed.raw, task_of(failed.raw).decode(), failure, policy, "worker")


@cache
def task_of(raw: bytes) -> bytes:
    return load(raw).payload


@cache
def deliveries_of(raw: bytes) -> int:
    return load(raw).deliveries


@cache
def anonymous(raw: bytes) -> bytes:
    """Without the time and the claim's name in the mark of a suspect."""
    return replace(load(raw), id=task_of(raw).decode(), first_failed=1.0).dump()


class Contents(NamedTuple):
    """What is in Redis; lists oldest first, leases as whether they hold."""

    queue: Entries = ()
    arrivals: Entries = ()
    claims: tuple[tuple[str, Entries], ...] = ()
    settled: tuple[tuple[str, int, int], ...] = ()
    leases: tuple[tuple[str, bool], ...] = ()
    delayed: Entries = ()
    dead: tuple[tuple[bytes, int], ...] = ()
    paused: bool = False

    def claimed_by(self, owner: str) -> Entries:
        return dict(self.claims).get(owner, ())

    def settled_of(self, owner: str) -> int | None:
        return next((count for name, count, _ in self.settled if name == owner), None)

    def entries(self) -> Iterator[bytes]:
        yield from self.queue + self.arrivals + self.delayed
        for _, claims in self.claims:
            yield from claims

    def deliveries(self) -> list[tuple[bytes, int]]:
        """Each task that is there, and how many deliveries were charged to it."""
        return [(task_of(raw), deliveries_of(raw)) for raw in self.entries()] + list(self.dead)

    def living(self) -> int:
        """How many entries are there, but for dead letters."""
        return sum(1 for _ in self.entries())

    def owes_nothing(self) -> bool:
        return not (self.arrivals or self.claims or self.settled or self.leases)


class Server:
    """A request that met the same contents before need not run again: millions of paths become
    affordable."""

    HELD, LAPSED = 1e15, 1

    def __init__(self, queue: Queue, client: redis.Redis) -> None:
        self._queue = queue
        self._client = client
        self._prefix = key_prefix(queue.name)
        self._tally = self._prefix + "tally"
        self.checks_tally = True
        """Who has another promise broken may have this one broken before."""
        self._known: dict[tuple[Contents, Request], tuple[Any, Contents]] = {}
        self._interned: dict[Contents, Contents] = {}
        self._present: Contents | None = None
        self.requests: dict[str, Callable[..., Any]] = {
            "ring": self._ring,
            "move": self._move,
            "claim_moved": self._claim_moved,
            "lapsed": self._release_lapsed,
        }

    @property
    def calls(self) -> int:
        return len(self._known)

    def perform(self, contents: Contents, request: Request) -> tuple[Any, Contents]:
        key = contents, request
        outcome = self._known.get(key)
        if outcome is None:
            if self._present is not contents:
                self._restore(contents)
            reply = self._send(*request)
            self._present = self._snapshot()
            if self.checks_tally:
                self._check_tally(contents, self._present, request)
            outcome = self._known[key] = reply, self._present
        return outcome

    def intern(self, contents: Contents) -> Contents:
        return self._interned.setdefault(contents, contents)

    def _check_tally(self, before: Contents, after: Contents, request: Request) -> None:
        """What the request took away for good is counted, and nothing else."""
        counted: dict[Any, Any] = self._client.hgetall(self._tally)
        tally = {field.decode(): int(number) for field, number in counted.items()}
        self._client.delete(self._tally)
        buried = len(after.dead) - len(before.dead)
        charges = dict(before.deliveries())
        true = {
            "done": before.living() - after.living() - buried,
            "failed": sum(n - charges.get(name, n) for name, n in after.deliveries()),
            "buried": buried,
        }
        if any(tally.get(field, 0) != number for field, number in true.items()):
            raise Violation(f"{request} counts {tally}, where there was {true}")

    def _send(self, method: str, *arguments: Any) -> Any:
        send = self.requests.get(method) or getattr(self._queue, method)
        try:
            reply = send(*(verdict_on(a) if isinstance(a, Failed) else a for a in arguments))
        except LeaseLost:
            return LOST
        if isinstance(reply, Oldest) and reply.raw is not None:
            return reply._replace(raw=anonymous(reply.raw))
        return tuple(map(anonymous, reply)) if isinstance(reply, list) else reply

    def _ring(self) -> None:
        """The first half of `Queue.wait_and_claim`."""
        arrivals = self._prefix + "arrivals"
        self._queue.link.call("BLMOVE", self._queue.name, arrivals, "RIGHT", "LEFT", 10)

    def _move(self, owner: str) -> Any:
        """One of the commands in front of a claim."""
        claims = f"{self._prefix}claims:{owner}"
        entry = self._queue.link.call("LMOVE", self._queue.name, claims, "RIGHT", "LEFT")
        return entry and anonymous(entry)

    def _claim_moved(
        self, owner: str, completed: int, want: int, tokens: Tokens, moves: int
    ) -> Any:
        """What is behind them."""
        keys, arguments = self._queue._claim(owner, completed, want, tokens)
        reply = self._queue.link.run(scripts.CLAIM, keys, [*arguments, moves])
        return reply if isinstance(reply, int) else self._queue._claimed(reply)

    def _release_lapsed(self, owner: str, completed: int, verdict: Verdict | None) -> Any:
        return self._queue.release(owner, completed, 0, verdict, lapsed=True)

    def _restore(self, contents: Contents) -> None:
        prefix, pipe = self._prefix, self._client.pipeline(transaction=False)
        pipe.flushdb()
        lists = {self._queue.name: contents.queue, prefix + "arrivals": contents.arrivals}
        lists.update((f"{prefix}claims:{owner}", claims) for owner, claims in contents.claims)
        for key, entries in lists.items():
            if entries:
                pipe.lpush(key, *entries)
        if contents.settled:
            fields: dict[Any, Any] = {
                owner: f"{count} {token}" for owner, count, token in contents.settled
            }
            pipe.hset(prefix + "settled", mapping=fields)
        if contents.leases:
            scores = {o: self.HELD if holds else self.LAPSED for o, holds in contents.leases}
            pipe.zadd(prefix + "leases", scores)
        if contents.delayed:
            pipe.zadd(prefix + "delayed", {raw: i for i, raw in enumerate(contents.delayed)})
        if contents.paused:
            pipe.set(prefix + "paused", "1 {}")
        for payload, deliveries in contents.dead:
            pipe.xadd(prefix + "dead", {"payload": payload, "deliveries": deliveries})
        pipe.execute()

    def _snapshot(self) -> Contents:
        prefix, pipe = self._prefix, self._client.pipeline(transaction=False)
        pipe.lrange(self._queue.name, 0, -1)
        pipe.lrange(prefix + "arrivals", 0, -1)
        pipe.hgetall(prefix + "settled")
        pipe.zrange(prefix + "leases", 0, -1, withscores=True)
        pipe.zrange(prefix + "delayed", 0, -1)
        pipe.xrange(prefix + "dead")
        pipe.exists(prefix + "paused")
        pipe.keys(prefix + "claims:*")
        queue, arrivals, settled, leases, delayed, dead, paused, claims = pipe.execute()
        return self.intern(
            Contents(
                queue=_oldest_first(queue),
                arrivals=_oldest_first(arrivals),
                claims=tuple((self._owner(key), self._claims(key)) for key in sorted(claims)),
                settled=tuple(
                    sorted((o.decode(), *map(int, field.split())) for o, field in settled.items())
                ),
                leases=tuple(sorted((o.decode(), score > self.LAPSED) for o, score in leases)),
                delayed=tuple(map(anonymous, delayed)),
                dead=tuple((f[b"payload"], int(f[b"deliveries"])) for _, f in dead),
                paused=bool(paused),
            )
        )

    def _owner(self, key: bytes) -> str:
        return key.decode().removeprefix(self._prefix + "claims:")

    def _claims(self, key: bytes) -> Entries:
        return _oldest_first(self._client.lrange(key, 0, -1))


def _oldest_first(entries: Any) -> Entries:
    return tuple(map(anonymous, reversed(entries)))
