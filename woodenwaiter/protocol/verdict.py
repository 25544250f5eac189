"""What becomes of a delivery that failed: another one later, or the dead letters."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

from ..backoff import Backoff
from ..errors import BadEntry
from ..events import about
from ..logs import log
from .entry import LONGEST_NAME, Entry, Suspicion, excerpt, load

CANCELLED = "cancelled"
"""The reason of a failure that is none of the task's: somebody wants it to be no more."""

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
    ``suspicion``: of the task, from now on; ``worker_pid``: where it was this host's; ``seconds``:
    that the handler took, as far as it is known."""

    reason: str
    error: str = ""
    traceback: str = ""
    after: float | None = None
    final: bool = False
    suspicion: Suspicion = Suspicion.NONE
    worker_pid: int | None = None
    seconds: float | None = None


NOTHING = Entry(b"")


@dataclass(frozen=True)
class Redeliver:
    """Deliver the claim again, ``after`` seconds from now: what comes after its first ``skip``
    bytes, behind this header. ``summary`` is for the log; ``failed``: the task as it is now."""

    skip: int
    header: bytes
    after: float
    summary: str
    failed: Entry = field(default=NOTHING, compare=False)


@dataclass(frozen=True)
class DeadLetter:
    """Set the claim aside: what comes after its first ``skip`` bytes, with these fields.
    ``summary`` is for the log; ``failed``: the task as it is now."""

    skip: int
    fields: dict[str, bytes]
    summary: str
    failed: Entry = field(default=NOTHING, compare=False)


Verdict = Redeliver | DeadLetter


def is_cancelled(verdict: Verdict) -> bool:
    """Whether it is so as somebody wants it."""
    return isinstance(verdict, DeadLetter) and verdict.failed.reason == CANCELLED


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
        return DeadLetter(skip, letter_of(failed, failure, worker), summary, failed)
    after = failure.after
    if after is None:
        after = policy.backoff.jittered(failed.deliveries)
    following = f"delivery {failed.deliveries + 1} of {policy.max_deliveries} in {after:.1f} s"
    summary = _summary(failed, name, failure, following)
    return Redeliver(skip, failed.header, after, summary, failed)


@dataclass(frozen=True)
class Setback:
    """A failed delivery of a task of this queue, and what becomes of it; ``error``: where it was
    raised in this process."""

    queue: str
    failure: Failure
    verdict: Verdict
    error: BaseException | None = None

    @property
    def is_final(self) -> bool:
        return isinstance(self.verdict, DeadLetter)

    def announce(self) -> None:
        """Log it, with the traceback unless the handler, or somebody else, meant it to fail."""
        failure, failed = self.failure, self.verdict.failed
        extra = about(
            "task.buried" if self.is_final else "task.retry",
            queue=self.queue,
            task=failed.id,
            delivery=failed.deliveries,
            seconds=failure.seconds,
            cause=failure.reason,
            error=failure.error,
            worker_pid=failure.worker_pid,
        )
        if failure.traceback and failure.reason != CANCELLED:
            log.error("%s", self.verdict.summary, exc_info=self.error, extra=extra)
        else:
            log.warning("%s", self.verdict.summary, extra=extra)


def letter_of(failed: Entry, failure: Failure, worker: str) -> dict[str, bytes]:
    """The fields of a dead letter, but for the payload."""
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
