"""Cancelling single tasks, wherever they are."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

from .. import pace
from ..names import without_token
from ..protocol import cancelling
from ..protocol.calls import answers_to
from ..protocol.cancelling import Became, Claim, Name, Taken
from ..protocol.errands import Answer, ask
from ..protocol.link import Link
from ..protocol.looks import Place, latest_letter
from ..protocol.published import INDEX, Index
from .audit import Doing, audited
from .desk import Desk

INLINE = re.compile(r"/inline\d+$")
"""With what the name of an owner ends that is no supervisor's."""

AGAIN = 0.1
"""Seconds until another look for a task that is about to move."""

LOOKS = 2
"""In vain, after which there is no such task: it may be on its way from one place to another."""


class Outcome(str, Enum):
    """What became of a task."""

    WAITING = "waiting"
    """It waited; it is a dead letter."""
    DELAYED = "delayed"
    """It was to be delivered again later; likewise."""
    ENDED = "ended"
    """It ran, and its handler ended, as TaskCancelled was raised in it; likewise."""
    KILLED = "killed"
    """It ran, and its worker was killed for it, or died; likewise."""
    OVER = "over"
    """Its handler ended by itself meanwhile."""
    HELD = "held"
    """A worker has it, and has not begun it."""
    UNSEEN = "unseen"
    """A supervisor has it that tells nothing of itself, and may be gone: ``why`` says which."""
    UNREACHABLE = "unreachable"
    """It runs, and whoever could end it does not answer, or cannot: ``why``."""
    AMBIGUOUS = "ambiguous"
    """Others are called so, too: ``why``."""
    UNKNOWN = "unknown"
    """There is none of this name."""

    @property
    def is_cancelled(self) -> bool:
        return self in (Outcome.WAITING, Outcome.DELAYED, Outcome.ENDED, Outcome.KILLED)


MOVING = (Outcome.OVER, Outcome.HELD, Outcome.UNSEEN, Outcome.UNKNOWN)
"""What may be otherwise in a moment."""

PLACES = {Place.WAITING: Outcome.WAITING, Place.DELAYED: Outcome.DELAYED}

TOLD = {
    Became.ENDED: Outcome.ENDED,
    Became.KILLED: Outcome.KILLED,
    Became.HELD: Outcome.HELD,
}
"""All else is over."""


@dataclass(frozen=True)
class Cancelled:
    """``task``: its name. ``letter``: the dead letter that it is, if it is one and that is known;
    ``seconds``: that it ran on; ``why``: in words. ``trouble``: why it stands in no audit."""

    outcome: Outcome
    task: str
    letter: str = ""
    seconds: float | None = None
    why: str = ""
    trouble: str = ""


def cancel(desk: Desk, queue: str, task: str) -> Cancelled:
    """Have a task run no more, nor again: it becomes a dead letter. ``task``: its id, the name of
    its claim, or that which `looks.Task` has of one that was not delivered. Where it runs, its
    handler is interrupted, and after TIMEOUT_GRACE killed: that takes as long. Raises what is in
    `link.ServerTrouble`."""
    with audited(desk, "cancel", queue, task) as doing:
        cancelled = _cancelled(desk, queue, Name.of(task), doing)
        if cancelled.outcome == Outcome.UNREACHABLE:  # whether it has heard, nobody knows
            doing.what = f"{task}: {cancelled.why}"
        else:
            doing.count = int(cancelled.outcome.is_cancelled)
    return replace(cancelled, trouble=doing.trouble)


def _cancelled(desk: Desk, queue: str, name: Name, doing: Doing) -> Cancelled:
    """Where it moves meanwhile, it is looked for again."""
    deadline, in_vain = time.monotonic() + pace.ERRAND_WAIT, 0
    last = Cancelled(Outcome.UNKNOWN, name.text)
    while in_vain < LOOKS:
        found = _found(desk, queue, name)
        if isinstance(found, Taken):
            return Cancelled(PLACES[found.place], name.text, found.letter)
        if len(found) > 1 and not name.digits:
            return Cancelled(Outcome.AMBIGUOUS, name.text, why=", ".join(c.name for c in found))
        in_vain = 0 if found else in_vain + 1
        if found:
            last = _ended(desk, queue, found[0], doing)
            name = name if name.digits else Name.of(found[0].task)
        if last.outcome not in MOVING or time.monotonic() > deadline:
            return last
        time.sleep(AGAIN)
    return last if last.outcome == Outcome.UNKNOWN else replace(last, outcome=Outcome.OVER)


def _found(desk: Desk, queue: str, name: Name) -> Taken | Sequence[Claim]:
    """It is taken if nobody has claimed it. What is called by its payload waits, most likely; what
    has another name may run, and the queue may be long."""
    if name.digits:
        taken = cancelling.take(desk.link, queue, name, desk.name)
        return taken or cancelling.claims_of(desk.link, queue, name)
    claims = cancelling.claims_of(desk.link, queue, name)
    return claims or cancelling.take(desk.link, queue, name, desk.name) or ()


def _ended(desk: Desk, queue: str, claim: Claim, doing: Doing) -> Cancelled:
    """A claim, by its host, if it runs."""
    process = _process_of(claim)
    if INLINE.search(claim.owner):
        why = f"call_waiter() runs it, in {process}: it ends with that program alone"
        return Cancelled(Outcome.UNREACHABLE, claim.task, why=why)
    if not (names := _documents_of(desk.link, claim)):
        return Cancelled(Outcome.UNSEEN, claim.task, why=process)
    doing.count = 1  # unless we hear otherwise
    arguments = {"owner": claim.owner, "seq": claim.seq}
    asked = ask(desk.link, names, "cancel", arguments, pace.CANCELLED_WITHIN, desk.name)
    answer = min(asked.values(), key=_rank)
    if answer.trouble:
        return Cancelled(Outcome.UNREACHABLE, claim.task, why=f"{process}: {answer.trouble}")
    return _told(desk.link, queue, claim, answer)


def _rank(answer: Answer) -> tuple[bool, bool]:
    """The lower, the more it says."""
    return bool(answer.trouble), answer.told.get("became") == Became.UNKNOWN


def _documents_of(link: Link, claim: Claim) -> Sequence[str]:
    """Of the supervisor of its worker, which may have several."""
    pool = claim.owner.partition("/")[0]
    written = Index.of(answers_to(link, INDEX)).written
    return [name for name in written if name.rpartition("/")[0] == pool]


def _told(link: Link, queue: str, claim: Claim, answer: Answer) -> Cancelled:
    became, seconds, how = (answer.told.get(name) for name in ("became", "seconds", "how"))
    outcome = next((outcome for each, outcome in TOLD.items() if each == became), Outcome.OVER)
    if not (outcome.is_cancelled and isinstance(seconds, int | float)):
        return Cancelled(outcome, claim.task)
    letter = latest_letter(link, queue, claim.task)
    return Cancelled(outcome, claim.task, letter, seconds, f"its worker {how}" if how else "")


def _process_of(claim: Claim) -> str:
    """In words: the supervisor of its worker, or the program."""
    host, _, pid = without_token(claim.owner).partition("/")[0].rpartition(".")
    return f"pid {pid} on {host}"
