"""Queues and links that count, and what servers have counted."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from woodenwaiter.errors import LeaseLost
from woodenwaiter.protocol.beats import accounted, accounting
from woodenwaiter.protocol.calls import read_all
from woodenwaiter.protocol.history import Account
from woodenwaiter.protocol.letters import Pick, requeue
from woodenwaiter.protocol.link import Command, Link, Pause
from woodenwaiter.protocol.queue import Oldest, Queue
from woodenwaiter.protocol.tokens import Tokens
from woodenwaiter.protocol.verdict import Verdict


class CountingQueue(Queue):
    """Its requests bring the tokens that a worker's would, each of them answered.

    Tests say what is claimed and settled; ``tokens`` has where each owner stands, ``asked`` with
    what each claimed: completed, want, and its tokens."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.tokens: Counter[str] = Counter()
        self.asked: defaultdict[str, list[tuple[int, int, Tokens]]] = defaultdict(list)
        self._tried: Counter[str] = Counter()

    @contextmanager
    def _fresh(self, owner: str) -> Iterator[Tokens]:
        """For a request that stands if it is answered."""
        self._tried[owner] += 1
        tokens = Tokens(self.tokens[owner], self._tried[owner])
        yield tokens
        self.tokens[owner] = tokens.fresh

    def enroll(self, owner: str, completed: int, token: int = 0) -> None:
        with self._fresh(owner) as tokens:
            super().enroll(owner, completed, tokens.fresh)

    def claim(
        self, owner: str, completed: int, want: int, tokens: Tokens | None = None
    ) -> list[bytes]:
        if tokens:
            return super().claim(owner, completed, want, tokens)
        with self._fresh(owner) as fresh:
            self.asked[owner].append((completed, want, fresh))
            return super().claim(owner, completed, want, fresh)

    def wait_and_claim(  # type: ignore[override]
        self, owner: str, completed: int, want: int, seconds: float, pause: Pause
    ) -> list[bytes]:
        with self._fresh(owner) as fresh:
            return super().wait_and_claim(owner, completed, want, fresh, seconds, pause)

    def fail(self, owner: str, seq: int, verdict: Verdict, tokens: Tokens | None = None) -> None:
        with self._fresh(owner) as fresh:
            try:
                super().fail(owner, seq, verdict, tokens or fresh)
            except LeaseLost:
                self.tokens[owner] = fresh.fresh  # which no server knows
                raise

    def release(  # type: ignore[override]
        self,
        owner: str,
        completed: int,
        verdict: Verdict | None = None,
        *,
        known: int | None = None,
        lapsed: bool = False,
    ) -> int | None:
        if known is None:
            known = 0 if lapsed else self.tokens[owner]
        return super().release(owner, completed, known, verdict, lapsed=lapsed)

    def give_back(self, owner: str, running: int, known: int | None = None) -> int:
        return super().give_back(owner, running, self.tokens[owner] if known is None else known)

    def oldest_claim(self, owner: str, completed: int, known: int = 0) -> Oldest:
        return super().oldest_claim(owner, completed, known)

    # What operators do.

    def requeue(self, letter: str) -> bool:
        return requeued(self, letter)

    def drop(self, letter: str) -> bool:
        return bool(self.link.call("XDEL", self._keys.dead, letter))

    # The parts of a visit.

    def renew(self, owners: list[str]) -> None:
        self.tend(owners, most=0)

    def promote(self, most: int = 1000) -> tuple[int, float | None]:
        tended = self.tend([], most)
        return tended.promoted, tended.following

    def expired(self) -> dict[str, float]:
        return self.tend([], most=0).expired


def requeued(queue: Queue, letter: str) -> bool:
    """Whether the dead letter was put back."""
    return requeue(queue.link, queue.name, [Pick(letter, 0)]).number == 1


class CountingLink(Link):
    """``trips``: to the server, each with any number of commands."""

    trips = 0

    def exchange(
        self,
        commands: Sequence[Command],
        along: Sequence[Command] = (),
        within: float | None = None,
    ) -> list[Any]:
        self.trips += bool(commands or along)
        return super().exchange(commands, along, within)


def accounts(link: Link, queues: Sequence[str]) -> list[Account | Exception]:
    """Of these queues."""
    replies = read_all(link, [accounting(queue) for queue in queues])
    return [reply if isinstance(reply, Exception) else accounted(reply) for reply in replies]
