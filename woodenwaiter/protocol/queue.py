"""The delivery protocol: one method, one script.

An owner's claims are numbered from 1 in the order in which they were claimed, and run in that
order. Requests give absolute numbers, so that each may be sent again when its reply was lost.

A server may come back with older data, or another may answer in its place. It obeys a count only if
it knows the token that the owner has last been answered on, hence all that the owner was told;
else it answers that the owner is lost, and settles nothing: what a server has, runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from redis.exceptions import ResponseError

from .. import pace
from ..errors import LeaseLost
from ..logs import log
from . import scripts
from .bell import Bell
from .entry import LONGEST_HEADER, RUNS_ALONE, mark_of
from .keys import REGISTRY, Keys, text_of_name
from .link import Command, Link, Pause, ServerTrouble
from .moves import Moves, are_claims
from .pausing import number_of, told_by
from .replies import is_outage, needs_source, reply_of
from .scripts import Script
from .sizes import sizes_of
from .tending import Tended, Visit, tend_together
from .tokens import Tokens
from .verdict import Redeliver, Verdict

ENOUGH_BYTES = 1 << 20
"""A claim stops at about this many bytes, so that a worker never holds a crowd of large entries."""

ALONE_AGAIN = 1000
"""Milliseconds until a task that has to run alone is tried again, while another such one runs."""

PAGE = 100
"""How many dead letters to fetch at once; each may be large."""

Letter = tuple[str, dict[str, bytes]]


class Oldest(NamedTuple):
    """An owner's oldest claim, were those before it settled: how many they are, the first
    LONGEST_HEADER bytes of its entry, if there is one, and whether it is the only claim left."""

    settled: int
    raw: bytes | None = None
    is_alone: bool = False


class Queue:
    """One queue, over one connection.

    ``lease``: seconds for which an owner keeps its claims without a sign of life; ``speaks``: for
    those that go without the same things as this one, which the server refuses.
    Every method raises what is in `link.ServerTrouble`.
    """

    def __init__(self, link: Link, name: str, lease: float, *, speaks: bool = True) -> None:
        self.name = name
        self.link = link
        self._lease = int(lease * 1000)
        self._is_unlisted = False
        self._keys = Keys(name)
        self.bell = Bell(self._keys, speaks=speaks)
        self._moves = Moves(ENOUGH_BYTES)

    # What a worker does.

    def enroll(self, owner: str, completed: int, token: int) -> None:
        """Make a new owner, whose claims are numbered from ``completed`` + 1."""
        self._run(scripts.ENROLL, owner, owner, completed, self._lease, token)

    def claim(self, owner: str, completed: int, want: int, tokens: Tokens) -> list[bytes]:
        """Settle claims up to ``completed`` and return the next, ``want`` at most, oldest first.

        They are all that the owner holds afterwards. Raises LeaseLost.
        """
        moves = self._moves.before(owner, completed, want, tokens)
        claims = self.move_and_claim(owner, completed, want, tokens, moves) if moves else None
        if claims is None:
            claims = self._claim_by_script(owner, completed, want, tokens)
        self._moves.claimed(owner, completed, tokens, claims)
        return claims

    def _claim_by_script(
        self, owner: str, completed: int, want: int, tokens: Tokens
    ) -> list[bytes]:
        keys, arguments = self._claim(owner, completed, want, tokens)
        return self._claimed(self.link.run(scripts.CLAIM, keys, arguments))

    def move_and_claim(
        self, owner: str, completed: int, want: int, tokens: Tokens, moves: int
    ) -> list[bytes] | None:
        """Move so many entries, each by a command, then `claim`, in one round trip; None: ask the
        script for what is claimed. Where somebody comes in between, it says what there is, and puts
        back what was moved for an owner that is none."""
        keys, arguments = self._claim(owner, completed, want, tokens)
        move = ("LMOVE", self.name, self._keys.claims(owner), "RIGHT", "LEFT")
        claim = ("EVALSHA", scripts.CLAIM.sha, len(keys), *keys, *arguments, moves)
        self._moves.begun(owner)
        try:
            *moved, claimed = self.link.together([move] * moves + [claim])
        except ResponseError:  # a full server, which does not refuse a script
            moved, claimed = [], 0
        self._moves.answered()
        if isinstance(claimed, int | ResponseError):
            return moved if are_claims(moved, claimed) else None
        return self._claimed(claimed)

    def wait_and_claim(
        self,
        owner: str,
        completed: int,
        want: int,
        tokens: Tokens,
        seconds: float,
        pause: Pause,
    ) -> list[bytes]:
        """Wait up to ``seconds`` for the queue to have something, then `claim`, in one round trip.

        The waiting part only rings the bell: an entry it moves for a worker that dies at this
        moment lies where every claim looks first. Raises LeaseLost; and Interrupted where
        ``pause`` gave up: then there may be claims that only the next `claim` will tell of.
        """
        if self.bell.is_refused:
            self._poll(seconds, pause)
            return self.claim(owner, completed, want, tokens)
        keys, arguments = self._claim(owner, completed, want, tokens)
        claim = ("EVALSHA", scripts.CLAIM.sha, len(keys), *keys, *arguments)
        rang, claimed = self.link.wait([self.bell.wait(seconds), claim], seconds, pause)
        self.bell.heed(rang)
        if isinstance(claimed, ResponseError):
            if needs_source(claimed):
                return self.claim(owner, completed, want, tokens)
            raise claimed
        claims = self._claimed(claimed)
        self._moves.claimed(owner, completed, tokens, claims)
        return claims

    def wait(self, seconds: float, pause: Pause) -> bool:
        """Wait up to ``seconds``; whether there is something to claim. Asks least of the server.

        Raises Interrupted where ``pause`` gave up.
        """
        if self.bell.is_refused:
            self._poll(seconds, pause)
            return True  # for all it knows
        [rang] = self.link.wait([self.bell.wait(seconds)], seconds, pause)
        self.bell.heed(rang)
        return rang is not None

    def _poll(self, seconds: float, pause: Pause) -> None:
        self.link.rest(min(seconds, pace.POLL), pause)

    def fail(self, owner: str, seq: int, verdict: Verdict, tokens: Tokens) -> None:
        """Take claim number ``seq``, which failed, to where the verdict says. Raises LeaseLost."""
        if self._run(scripts.FAIL, owner, owner, seq, *tokens, *_arguments(verdict)) is None:
            raise LeaseLost(owner)

    def release(
        self,
        owner: str,
        completed: int,
        known: int,
        verdict: Verdict | None = None,
        *,
        lapsed: bool = False,
    ) -> int | None:
        """End an owner: settle, carry out the verdict on the claim after, put back the rest.

        With ``lapsed`` only if its lease ran out, and what it held is marked as suspect. Returns
        how many claims went back to the queue, None where the lease holds.
        """
        mark = mark_of(owner) if lapsed else ("", "")
        arguments = _arguments(verdict) if verdict else []
        put_back: int | None = self._run(
            scripts.RELEASE, owner, owner, completed, known, *mark, *arguments
        )
        return put_back

    # What a housekeeper does.

    def give_back(self, owner: str, running: int, known: int) -> int:
        """Put all that the owner holds but claim ``running`` back; returns how many went back."""
        put_back: int = self._run(scripts.GIVE_BACK, owner, owner, running, known)
        return put_back

    def oldest_claim(self, owner: str, completed: int, known: int) -> Oldest:
        """The oldest claim of this owner, were at least ``completed`` settled."""
        reply = self._run(scripts.OLDEST_CLAIM, owner, owner, completed, known, LONGEST_HEADER)
        return Oldest(completed) if reply is None else Oldest(reply[0], reply[1], bool(reply[2]))

    def tend(self, owners: Sequence[str], most: int = 1000) -> Tended:
        """Do what a `Visit` does."""
        tended: Tended | Exception
        [tended] = tend_together(self.link, [self.visit(owners, most)])
        if isinstance(tended, Exception):
            raise tended
        return tended

    def visit(self, owners: Sequence[str], most: int, time: float | None = None) -> Visit:
        """One to this queue."""
        return Visit(self._keys, self._lease / 1000, owners, most, time)

    def adopt(self, claims: Iterable[bytes]) -> list[str]:
        """Have those keys among ``claims`` that are this queue's, but whose owner no longer is
        one, go back when a lease has run out; returns these owners."""
        owners = {owner for key in claims if (owner := self._keys.claimant(key))}
        if not owners:
            return []
        stranded = owners.difference(self.link.call("HKEYS", self._keys.settled))
        for owner in stranded:
            self._run(scripts.ENROLL, None, owner, 0, self._lease, 0)
        return [*map(text_of_name, stranded)]

    def register(self) -> bool:
        """Let operators' commands find this queue, where the server allows it. Returns whether it
        is no use to try again soon: who keeps the set may be away, or full, for now."""
        try:
            self.link.call("SADD", REGISTRY, self.name)
        except ServerTrouble as error:
            if is_outage(error):
                return False
            if not self._is_unlisted:
                self._is_unlisted = True
                log.warning(
                    "%s is not in the set %s: %s", self.name, REGISTRY, reply_of(error).whole
                )
        return True

    def counts(self) -> list[Command]:
        """What tells, together, how many entries wait for a claim: see `counted`."""
        paused = self._keys.paused
        waiting: list[Command] = [("LLEN", self.name), ("LLEN", self._keys.arrivals)]
        return [*waiting, ("PTTL", paused), ("GET", paused)]

    def counted(self, replies: Sequence[Any]) -> int | Exception:
        """How many, by what that was answered; none while the queue is paused."""
        error = next((reply for reply in replies if isinstance(reply, Exception)), None)
        if error:
            return error
        *waiting, left, note = replies
        self.bell.note_pause(left, number_of(note or b""))
        return 0 if self.bell.is_paused else sum(waiting)

    # What an operator does.

    def sizes(self) -> dict[str, int]:
        """How many entries are in each state, and how many owners there are, at one moment."""
        [sizes] = sizes_of(self.link, [self.name])
        if isinstance(sizes, Exception):
            raise sizes
        return sizes.by_state()

    def dead_letters(self, first: str = "-", last: str = "+") -> Iterator[Letter]:
        """Dead letters, oldest first: their ids and fields, whoever wrote them; see `letters` for
        what else is done with them."""
        while page := self.link.call("XRANGE", self._keys.dead, first, last, "COUNT", PAGE):
            for name, flat in page:
                yield name.decode(), fields_in(flat)
            first = f"({page[-1][0].decode()}"

    def _claim(
        self, owner: str, completed: int, want: int, tokens: Tokens
    ) -> tuple[list[str], list[Any]]:
        arguments = [owner, completed, want, ENOUGH_BYTES, self._lease, *tokens]
        arguments += [RUNS_ALONE, ALONE_AGAIN]
        return self._keys.of_script(owner), arguments

    def _claimed(self, reply: list[bytes] | bytes | None) -> list[bytes]:
        if reply is None:
            raise LeaseLost
        if isinstance(reply, bytes):
            left, number = told_by(reply)
            self.bell.note_pause(left, number)
            return []
        self.bell.note_end()
        return reply

    def _run(self, script: Script, owner: str | None, *arguments: Any) -> Any:
        return self.link.run(script, self._keys.of_script(owner), list(arguments))


def fields_in(flat: list[bytes]) -> dict[str, bytes]:
    """A letter's fields by name; a name that comes again has its values in lines."""
    fields: dict[str, bytes] = {}
    for field, value in zip(flat[::2], flat[1::2], strict=True):
        name = text_of_name(field)
        fields[name] = fields[name] + b"\n" + value if name in fields else value
    return fields


def _arguments(verdict: Verdict) -> list[Any]:
    if isinstance(verdict, Redeliver):
        return ["redeliver", verdict.skip, verdict.header, int(verdict.after * 1000)]
    return ["bury", verdict.skip, *(part for field in verdict.fields.items() for part in field)]


def registered(link: Link) -> list[str]:
    """The names of all queues that were ever served."""
    return sorted(map(text_of_name, link.call("SMEMBERS", REGISTRY)))
