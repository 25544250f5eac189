"""Where tasks are now, as their hosts answer who asks."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import NamedTuple

from ..protocol.errands import NO_ANSWER, Answer, ask
from ..protocol.link import Link
from ..protocol.published import Task

ENDED = "it has ended meanwhile"

OURS = re.compile(r"^  File \".*/woodenwaiter/worker/\w+\.py\", line .*\n(  .*\n)*", re.MULTILINE)
"""Of a thread's frames, what has called the handler: the same for all."""


class Trace(NamedTuple):
    """The traceback of a task, as ``text``; or why there is none."""

    text: str = ""
    trouble: str = ""

    @property
    def of_handler(self) -> str:
        """The same without what leads to its handler."""
        return OURS.sub("", f"{self.text}\n").rstrip()


def traces(link: Link, tasks: Collection[Task], queue: str | None) -> list[Trace]:
    """Of these, which are all of this queue, if one is named."""
    names = sorted({task.seen.name for task in tasks})
    arguments = {"queue": queue} if queue else {}
    answers = ask(link, names, "trace", arguments)
    return [_trace(task, answers[task.seen.name]) for task in tasks]


def _trace(task: Task, answer: Answer) -> Trace:
    if answer.trouble == NO_ANSWER:
        return Trace(trouble=f"no answer from {task.host.host}")
    if answer.trouble:
        return Trace(trouble=f"{task.host.host}: {answer.trouble}")
    found = answer.told.get("traces")
    if not isinstance(found, Mapping) or task.worker.claim not in found:
        return Trace(trouble=ENDED)
    text = str(found[task.worker.claim])
    return Trace(text) if text else Trace(trouble=f"no answer from pid {task.worker.pid}")
