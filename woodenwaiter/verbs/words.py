"""What became of verbs, in words: the same for all who are told. None is made fit to be shown."""

from __future__ import annotations

import time

from ..protocol.pausing import Pause
from ..protocol.trash import Kind
from ..text import span
from .cancelling import Cancelled, Outcome

NOUNS = {Kind.TASKS: "task", Kind.DELAYED: "delayed task", Kind.LETTERS: "dead letter"}

HEARD = {
    "quiet": "takes no new tasks",
    "continue": "takes tasks again",
    "drain": "leaves after its running tasks",
    "restart": "tries the new code, and goes on with that if it can be loaded",
    "grow": "has one worker more for each dish, if it may",
    "shrink": "has one worker fewer for each dish, if it has several",
}
"""Of a supervisor that has heard it."""


def counted(number: int, kind: Kind) -> str:
    """So many of these."""
    return f"{number:,} {NOUNS[kind]}{'s' * (number != 1)}"


def of_pause(pause: Pause | None) -> str:
    """What there is to tell of a pause in a line: who began it when, until when, and why."""
    if pause is None:
        return "not paused"
    lasts = "until it is resumed" if pause.left is None else f"for {span(pause.left)} more"
    ago = f"{span(max(0.0, time.time() - pause.since))} ago" if pause.since else ""
    since = " ".join(filter(None, (ago, f"by {pause.who}" if pause.who else "")))
    return f"paused {lasts}" + f" ({since})" * bool(since) + f": {pause.why}" * bool(pause.why)


def of_cancelled(cancelled: Cancelled) -> str:
    """What became of it, in a line."""
    letter = f": dead letter {cancelled.letter}" if cancelled.letter else ""
    seconds, why = span(cancelled.seconds or 0), cancelled.why
    words = {
        Outcome.WAITING: f"cancelled while waiting{letter}",
        Outcome.DELAYED: f"cancelled while delayed{letter}",
        Outcome.ENDED: f"ended in {seconds}{letter}",
        Outcome.KILLED: f"killed after {seconds}{letter}; {why}",
        Outcome.OVER: "it has ended meanwhile",
        Outcome.HELD: "a worker holds it, and has not begun it: try again",
        Outcome.UNSEEN: f"{why} has it, and is not to be seen: should it be gone, the task comes "
        "back to its queue when the lease has run out",
        Outcome.UNREACHABLE: f"not known to be cancelled: {why}",
        Outcome.AMBIGUOUS: f"several are called so; give the name whole: {why}",
        Outcome.UNKNOWN: f"no such task: {cancelled.task}",
    }
    return words[cancelled.outcome]
