"""What becomes of a delivery that failed: another one later, or the dead letters."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

from ..backoff import Backoff
from ..errors import BadEntry
from ..logs import log
from .entry import LONGEST_NAME, Entry, Suspicion, excerpt, load

LONGEST_TOLD = 1500
"""Bytes of an exception's message in one line of the log."""


@dataclass(frozen=True)
class Policy:
    """How often a task is tried, and how long apart."""

    max_deliveries: int = 5
    backoff: Backoff = field(default_factory=Backoff)


@dataclass(frozen=True)
class Failure:
    """Why a delivery failed. ``after``: seconds, not the backoff's; ``final``: no other follows;
    ``suspicion``: of the task, from now on."""

    reason: str
    error: str = ""
    traceback: str = ""
    after: float | None = None
    final: bool = False
    suspicion: Suspicion = Suspicion.NONE


@dataclass(frozen=True)
class Redeliver:
    """Deliver the claim again, ``after`` seconds from now: what comes after its first ``skip``
    bytes, behind this header. ``summary`` is for the log."""

    skip: int
    header: bytes
    after: float
    summary: str


@dataclass(frozen=True)
class DeadLetter:
    """Set the claim aside: what comes after its first ``skip`` bytes, with these fields.
    ``summary`` is for the log."""

    skip: int
    fields: dict[str, bytes]
    summary: str


Verdict = Redeliver | DeadLetter


def judge(raw: bytes, name: str, failure: Failure, policy: Policy, worker: str) -> Verdict:
    """Decide about the entry ``raw``, whose delivery to ``worker`` has just failed.

    ``raw`` may be just its first LONGEST_HEADER bytes. ``name``: of the claim; it becomes the
    task's id if it has none yet.
    """
    try:
        entry = load(raw)
    except BadEntry as bad:
        entry, failure = Entry(raw), Failure("unreadable entry", str(bad), final=True)
    failed = replace(
        entry,
        id=entry.id or excerpt(name.encode(errors="backslashreplace"), LONGEST_NAME),
        deliveries=entry.deliveries + 1,
        first_failed=entry.first_failed or time.time(),
        reason=failure.reason,
        suspicion=failure.suspicion,
    )
    skip = len(raw) - len(entry.payload)
    if failure.final or failed.deliveries >= policy.max_deliveries:
        summary = _summary(failed, name, failure, "buried")
        return DeadLetter(skip, _letter(failed, failure, worker), summary)
    after = failure.after
    if after is None:
        after = policy.backoff.jittered(failed.deliveries)
    following = f"delivery {failed.deliveries + 1} of {policy.max_deliveries} in {after:.1f} s"
    summary = _summary(failed, name, failure, following)
    return Redeliver(skip, failed.header, after, summary)


def announce(failure: Failure, verdict: Verdict, error: BaseException | None = None) -> None:
    """Log a failed delivery, with the traceback unless the handler meant it to fail."""
    if failure.traceback:
        log.error("%s", verdict.summary, exc_info=error)
    else:
        log.warning("%s", verdict.summary)


class Burial:
    """Of a worker's task that failed for good: it is told once it is done, or another's business,
    as a server may refuse it. Any other failure is told at once."""

    def __init__(self) -> None:
        self._untold: tuple[Failure, Verdict, BaseException] | None = None

    def note(self, failure: Failure, verdict: Verdict, error: BaseException) -> None:
        if isinstance(verdict, DeadLetter):
            self._untold = failure, verdict, error
        else:
            announce(failure, verdict, error)

    def announce(self) -> None:
        if self._untold:
            announce(*self._untold)
            self._untold = None


def _letter(failed: Entry, failure: Failure, worker: str) -> dict[str, bytes]:
    texts = {
        "id": failed.id,
        "reason": failure.reason,
        "error": failure.error,
        "traceback": failure.traceback,
        "deliveries": str(failed.deliveries),
        "first_failed": f"{failed.first_failed:.3f}",
        "worker": worker,
    }
    if failed.more:
        texts["more"] = f"{{{failed.more}}}"
    # An error may quote a lone surrogate, which JSON can carry and UTF-8 cannot.
    return {name: text.encode(errors="backslashreplace") for name, text in texts.items()}


def _summary(failed: Entry, name: str, failure: Failure, following: str) -> str:
    # A worker's death is told with the claim's name; the task has that of its first one.
    task = failed.id if failed.id == name else f"{failed.id}, claim {name}"
    error = excerpt(failure.error.encode(errors="backslashreplace"), LONGEST_TOLD)
    why = f"{failure.reason}: {error}" if error else failure.reason
    return f"task {task}: {why}; {following}: {excerpt(failed.payload)}"
