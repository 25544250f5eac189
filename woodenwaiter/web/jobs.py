"""What viewers have set off: each is done in a thread of its own, and all see how far it is."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

from .. import pace
from ..errors import WoodenError, text_of
from ..logs import log
from ..protocol.link import ServerTrouble, unusable
from ..text import escaped
from ..verbs.desk import Desk
from .boards import Board
from .links import Links
from .names import key_of

AT_ONCE = 8
"""Jobs. One more is refused."""

MOST_TOLD = 100
"""That have ended."""


class Step(NamedTuple):
    """How far a job is: ``looked`` at so many of ``total``, 0: no telling; what there is to be
    ``said``, and what is not as it should be; and what would ``undo`` it, as it is asked for."""

    looked: int = 0
    total: int = 0
    said: str = ""
    troubles: Sequence[str] = ()
    undo: Mapping[str, Any] | None = None


class Stopped(Exception):
    """Somebody wants the job to go no further."""


Hear = Callable[[int, int], None]
"""Is told how far a job is, before there is a `Step`; raises Stopped."""

Task = Callable[[Desk, Hear], Generator[Step, None, None]]
"""Does it; it may be ended after each step."""


Then = Callable[[], object]


@dataclass(frozen=True)
class Job:
    """As viewers are told. Times are Unix time, in seconds."""

    id: str
    verb: str
    queue: str
    key: str
    who: str
    began: float
    state: str = "running"
    looked: int = 0
    total: int = 0
    said: str = ""
    troubles: Sequence[str] = ()
    undo: Mapping[str, Any] | None = None
    ended: float | None = None


class TooMany(WoodenError):
    """There are AT_ONCE jobs already."""


class Jobs:
    """All that there are. ``board``: where they are told."""

    def __init__(self, links: Links) -> None:
        self.board = Board()
        self._links = links
        self._jobs: dict[str, Job] = {}
        self._stopped: set[str] = set()
        self._told_at: dict[str, float] = {}
        self._lock = threading.Lock()
        self._threads: dict[str, threading.Thread] = {}
        self._is_closed = False

    def begin(self, verb: str, queue: str, desk: tuple[str, str], task: Task, then: Then) -> Job:
        """``desk``: who does it, and where they sit; ``then`` is called when it has ended. Raises
        TooMany."""
        now = time.time()
        job = Job(secrets.token_hex(8), verb, queue, key_of(queue), desk[0], now)
        work = threading.Thread(
            target=self._do, args=(job.id, desk, task, then), name=f"job {verb}", daemon=True
        )
        with self._lock:
            self._forget(now)
            if self._is_closed or len(self._threads) >= AT_ONCE:
                raise TooMany("too much is being done at once: wait for some of it, or stop it")
            self._jobs[job.id] = job
            self._tell(job)  # first: it may end at once
            try:
                work.start()
            except RuntimeError:  # no more of them can be had
                del self._jobs[job.id]
                self.board.put(f"job/{job.id}", None)
                raise TooMany("this machine has no thread left for it") from None
            self._threads[job.id] = work
        return job

    def close(self) -> None:
        """Stop all, and wait a moment for them: what they have done is to stand in the audit."""
        with self._lock:
            self._is_closed = True
            self._stopped.update(self._jobs)
            threads = [*self._threads.values()]
        until = time.monotonic() + pace.JOBS_END
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))

    def of(self, name: str) -> Job | None:
        """As far as it is."""
        return self._jobs.get(name)

    def stop(self, name: str) -> Job | None:
        """Have it go no further; what is done stays done."""
        with self._lock:
            if job := self._jobs.get(name):
                self._stopped.add(name)
            return job

    def _forget(self, now: float) -> None:
        ended = [job for job in self._jobs.values() if job.ended is not None]
        for place, job in enumerate(reversed(ended)):
            if place >= MOST_TOLD or now > (job.ended or now) + pace.JOB_TOLD:
                del self._jobs[job.id]
                self._told_at.pop(job.id, None)
                self._stopped.discard(job.id)
                self.board.put(f"job/{job.id}", None)

    def _do(self, name: str, desk: tuple[str, str], task: Task, then: Then) -> None:
        try:
            with self._links.lent() as link:
                self._go_through(name, Desk(link, *desk), task)
        except Stopped:
            self._end(name, "stopped")
        except ServerTrouble as error:
            self._end(name, "failed", str(unusable(self._links.address, error)))
        except WoodenError as error:
            self._end(name, "failed", str(error))
        except Exception as error:  # a defect: whoever waits for it is told
            log.exception("%s from the page failed", self._jobs[name].verb)
            self._end(name, "failed", f"{type(error).__name__}: {text_of(error)}")
        else:
            self._end(name, "done")
        finally:
            with self._lock:
                del self._threads[name]
                self._forget(time.time())
            then()

    def _go_through(self, name: str, desk: Desk, task: Task) -> None:
        def hear(looked: int, total: int) -> None:
            if name in self._stopped:
                raise Stopped
            self._note(name, looked=looked, total=total)

        with closing(task(desk, hear)) as steps:  # it leaves its line in the audit then
            for step in steps:
                self._note(name, **step._asdict())
                if name in self._stopped and not self._is_over(step):
                    raise Stopped

    def _is_over(self, step: Step) -> bool:
        return bool(step.total) and step.looked >= step.total

    def _note(self, name: str, **changes: Any) -> None:
        before = self._jobs[name]
        looked = max(before.looked, changes["looked"])  # at what is sought, or at what was found
        self._jobs[name] = job = replace(before, **{**changes, "looked": looked})
        if time.monotonic() - self._told_at.get(name, 0.0) >= pace.PROGRESS:
            self._tell(job)

    def _end(self, name: str, state: str, trouble: str = "") -> None:
        job = self._jobs[name]
        troubles = [*job.troubles, *filter(None, (trouble,))]
        self._jobs[name] = replace(job, state=state, troubles=troubles, ended=time.time())
        self._tell(self._jobs[name])

    def _tell(self, job: Job) -> None:
        self._told_at[job.id] = time.monotonic()
        self.board.put(f"job/{job.id}", told(job))


def told(job: Job) -> dict[str, Any]:
    """As viewers are told."""
    texts = {name: escaped(getattr(job, name)) for name in ("queue", "who", "said")}
    return {**asdict(job), **texts, "troubles": [*map(escaped, job.troubles)]}
