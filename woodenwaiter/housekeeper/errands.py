"""Does what people ask of this supervisor, beside all else: no look waits for it."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, TypeAlias

from .. import pace
from ..events import about
from ..logs import log
from ..protocol.errands import AT_ONCE, Answer, Errand, answering, errands_in, glance, taking
from ..protocol.link import Command
from ..protocol.replies import is_outage
from ..text import escaped

Job: TypeAlias = Generator[None, None, Answer]
"""Goes on at each look, and returns the answer when there is one."""

Verb: TypeAlias = Callable[[Errand], Job]
"""What was given with it may be anything."""

LONGEST_WHO = 200
"""Characters that are logged."""


class Errands:
    """Of the supervisor whose document has this name. ``send``: sends commands, and does not wait
    long for their outcomes. Times are monotonic seconds."""

    def __init__(
        self,
        name: str,
        verbs: Mapping[str, Verb],
        send: Callable[[Sequence[Command]], Sequence[Any]],
    ) -> None:
        self._name = name
        self._verbs = verbs
        self._send = send
        self._jobs: list[tuple[Errand, Job]] = []
        self._are_waiting = False
        self._looked_at = self._again_at = -math.inf

    def is_due(self, now: float, *, is_asking: bool) -> bool:
        """Whether to look for some. ``is_asking``: the server is asked for other things now."""
        every = pace.ERRANDS_ALONG if is_asking else pace.ERRANDS
        return now >= max(self._looked_at + every, self._again_at)

    def glance(self, now: float) -> Command:
        self._looked_at = now
        return glance(self._name)

    def heed(self, outcome: Any, now: float) -> None:
        """``outcome``: of the glance."""
        if isinstance(outcome, Exception):
            self._again_at = now + (pace.PUBLISH if is_outage(outcome) else pace.PUBLISH_AGAIN)
        else:
            self._are_waiting = bool(outcome)

    def attend(self) -> None:
        """Begin what waits, go on with what was begun, answer what is done."""
        room = AT_ONCE - len(self._jobs)
        if self._are_waiting and room:
            self._are_waiting = False
            [taken] = self._send([taking(self._name, room)])
            self._jobs += [(errand, self._begun(errand)) for errand in errands_in(taken)]
        if self._jobs and (done := [*self._done()]):
            self._send([answering(errand, answer) for errand, answer in done])

    def _begun(self, errand: Errand) -> Job:
        who, verb = escaped(errand.who[:LONGEST_WHO]), escaped(errand.verb[:LONGEST_WHO])
        log.info("%s asks for: %s", who, verb, extra=about("supervisor.asked"))
        do = self._verbs.get(errand.verb)
        return do(errand) if do else refuse(f"this release does not know {verb}")

    def _done(self) -> list[tuple[Errand, Answer]]:
        jobs, self._jobs, done = self._jobs, [], []
        for errand, job in jobs:
            try:
                next(job)
            except StopIteration as end:
                done.append((errand, end.value))
            else:
                self._jobs.append((errand, job))
        return done


def refuse(trouble: str) -> Job:
    return Answer({}, trouble)
    yield
