"""What a worker decides: what to ask for, what to run, what to let go of.

No socket, no clock, no process: the worker carries out what `Claims.next` says and tells what came
of it, and so does the search through every order of events in ``tests/protocol``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any, NamedTuple

from .. import pace
from ..protocol.entry import RECORD_SEPARATOR
from ..protocol.tokens import Tokens

MOST_AHEAD = 256
"""Claims at once, at most: a round trip then costs a no-op task 1/256 of itself."""

ASLEEP_AFTER = 2
"""Claims in vain, one after the other, after which a worker only waits."""


class Enroll(NamedTuple):
    """Become this owner, whose claims are numbered from ``completed`` + 1."""

    owner: str
    completed: int
    token: int


class Claim(NamedTuple):
    """Settle what is completed and ask for more, ``waits``: when there is something."""

    owner: str
    completed: int
    want: int
    tokens: Tokens
    waits: bool


class Fail(NamedTuple):
    """See to it that the failure of claim number ``seq`` is in Redis."""

    owner: str
    seq: int
    verdict: Any
    tokens: Tokens


class Release(NamedTuple):
    """End this owner: what it has not completed goes back, its failed claim by the verdict."""

    owner: str
    completed: int
    known: int
    verdict: Any = None


class Deed(Enum):
    """What else there is to do."""

    WAIT = "wait until something can be claimed"
    RUN = "run what was claimed"
    REST = "wait until told to go on"
    LEAVE = "leave"


Request = Enroll | Claim | Fail | Release
Step = Request | Deed


class Claims:
    """The claims of one worker, which starts over as another owner when it loses its lease.

    ``names``: of its owners, by their number; ``most``: tasks that it may run in its life.
    """

    __slots__ = (
        "_batch",
        "_began",
        "_begun",
        "_careful",
        "_former",
        "_most",
        "_names",
        "_position",
        "_releasing",
        "_rung",
        "_tried",
        "_until",
        "_vain",
        "_verdict",
        "_wakes_at",
        "completed",
        "generation",
        "owner",
        "token",
        "want",
    )

    def __init__(self, names: Callable[[int], str], most: float = math.inf) -> None:
        self._names = names
        self._most = most
        self.generation = 0  # the number of the present owner, or of the next
        self.owner = ""  # none yet
        self.completed = 0  # claims, of all its owners
        self.token = 0  # of the last request that was answered
        self.want = 1
        self._tried = 0  # the token of the last request
        self._former = ""  # an owner that was lost
        self._releasing = False
        self._vain = 0  # claims that came back empty since one did not
        self._rung = False  # something can be claimed
        self._wakes_at = 0.0  # when to claim again, even if nothing rings
        self._batch: Sequence[bytes] = ()  # what was claimed at once
        self._position = 0  # of the next to run
        self._careful = False
        self._begun = self._began = self._until = 0.0  # the batch; the running claim; at most
        self._verdict: Any = None  # on the running claim, which failed

    # What to do.

    def next(self, now: float, *, quiet: bool, leaving: bool) -> Step:
        """What to do at ``now`` (monotonic seconds). ``quiet``: claim nothing for now."""
        if self._former:
            return Release(self._former, self.completed, self.token)
        if leaving or self.is_spent:
            return self._leave()
        if self._verdict is not None:
            return Fail(self.owner, self.completed + 1, self._verdict, self._tokens)
        if quiet or self._releasing:
            return self._rest()
        if self._batch:
            return Deed.RUN
        return self._ask(now)

    @property
    def is_spent(self) -> bool:
        """Whether it has run all that it may."""
        return self.completed >= self._most

    @property
    def is_last_batch(self) -> bool:
        """Whether it may claim nothing after what it holds."""
        return self.completed + len(self._batch) >= self._most

    def _leave(self) -> Step:
        if not self.owner:
            return Deed.LEAVE
        self._releasing = False  # once is enough
        return Release(self.owner, self.completed, self.token, self._verdict)

    def _rest(self) -> Step:
        """Give back what is claimed. A release that was tried must succeed before the next claim:
        what seems to have failed may still arrive, and must not give back what was claimed later.
        """
        self._batch = ()
        if not self.owner:
            return Deed.REST
        self._releasing = True
        return Release(self.owner, self.completed, self.token)

    def _ask(self, now: float) -> Step:
        """For claims, once it is an owner.

        After a claim in vain it waits for tasks and claims at once. After a second it sleeps: it
        just waits, at one command a wait. Where a request got lost, which may have claimed
        something for it, it claims before it sleeps again.
        """
        if not self.owner:
            return Enroll(self._names(self.generation), self.completed, self._tokens.fresh)
        asleep = self._vain >= ASLEEP_AFTER and now < self._wakes_at
        if asleep and not self._rung:
            return Deed.WAIT
        want = int(min(self.want, self._most - self.completed))
        waits = self._vain > 0 and not asleep and not self._rung
        return Claim(self.owner, self.completed, want, self._tokens, waits)

    @property
    def _tokens(self) -> Tokens:
        return Tokens(self.token, self._tried + 1)

    # What came of it.

    def enrolled(self) -> None:
        self._stand()
        self.owner = self._names(self.generation)

    def rang(self) -> None:
        """A wait ended because something can be claimed."""
        self._rung = True

    def claimed(self, entries: Sequence[bytes], now: float) -> None:
        """These are all that the owner holds now, oldest first."""
        self._stand()
        self._rung = False
        self._vain = 0 if entries else min(self._vain + 1, ASLEEP_AFTER)
        self._wakes_at = now + pace.CLAIM_AGAIN
        self._batch, self._position = entries, 0
        self._begun = self._began = now
        self._until = now + pace.PATIENCE

    def lost(self) -> None:
        """The owner is unknown: what it held was given to others. It is released all the same, for
        claims whose owner's count was deleted, or of a server that came back with older data."""
        self._former = self.owner
        self._disown()

    def released(self) -> None:
        if self._former:
            self._former = ""
        else:
            self._disown()

    def unheard(self, step: Step) -> None:
        """Something went wrong in this step. A request may have been carried out, or be so at any
        time; a claim may have been begun and not ended."""
        self._tried += 1
        self._vain = 0
        self._rung = False
        if not isinstance(step, Fail):
            self._batch = ()  # whatever it holds, the next claim returns
        if self._former:
            self._former = ""
        elif isinstance(step, Enroll):
            self.generation += 1  # nothing that comes late may bring back an owner that has ended
        elif isinstance(step, Release) and not self._releasing:
            self.owner = ""  # it leaves, and the housekeeper will see to it

    def interrupted(self) -> None:
        """It gave up waiting; the server may have claimed something for it all the same."""
        self._tried += 1
        self._vain = 0
        self._rung = False

    def _disown(self) -> None:
        self.owner = ""
        self.generation += 1
        self._releasing = self._rung = False
        self._vain = 0
        self._batch = ()

    # Running what was claimed.

    def begin(self) -> bytes | None:
        """The entry to run now, as claim number ``completed`` + 1; None where it is to ask again.

        An entry with a header may be what killed its last worker, or its host. With all before it
        settled and nothing held behind it, its next victim cannot be blamed on another task.
        """
        if not self._batch:
            return None
        raw = self._batch[self._position]
        self._careful = raw.startswith(RECORD_SEPARATOR)
        if self._careful and len(self._batch) > 1:
            self._forfeit(self._began)
            return None
        self._position += 1
        return raw

    def failed(self, verdict: Any) -> None:
        """The running claim failed; nothing else runs before Redis knows."""
        self._verdict = verdict

    def told(self, now: float, *, signalled: bool) -> None:
        """The running claim's failure is where it belongs."""
        self._stand()
        self.finish(now, signalled=signalled)

    def refused(self, now: float) -> None:
        """Its failure was told to a server that does not know the owner, or not so far. No server
        has ever seen the token of that request: none will settle what failed. The next claim tells
        the same, and the worker starts over."""
        self._stand()
        self.finish(now, signalled=True)

    def finish(self, now: float, *, signalled: bool) -> None:
        """The running claim is done. ``now`` is read after whoever looks can
        see that: the time it took is no shorter than others saw it running."""
        self._verdict = None
        self.completed += 1
        if (
            self._careful
            or self._position == len(self._batch)
            or now - self._began >= pace.LONG
            or now >= self._until
            or signalled
        ):
            self._forfeit(now)
        else:
            self._began = now

    def _stand(self) -> None:
        """A request was answered."""
        self._tried += 1
        self.token = self._tried

    def _forfeit(self, now: float) -> None:
        """Forget the rest of what was claimed: the next claim returns what is still its own."""
        ran = self._position
        self.want = 1 if self._careful else next_want(self.want, ran, now - self._begun)
        self._batch = ()


def next_want(want: int, tasks: int, seconds: float) -> int:
    """How many to claim next, after ``tasks`` took ``seconds``: what fits in AHEAD, but no more
    than twice as many as before, since the next tasks may be of another kind; and one where each
    would have the worker let go of the others."""
    if seconds >= pace.LONG * tasks:
        return 1
    fitting = pace.AHEAD * tasks / max(seconds, 1e-9)  # the clock's resolution
    return max(1, min(2 * want, int(fitting), MOST_AHEAD))
