"""``python -m woodenwaiter.health``: whether the supervisors here answer, and serve.

Imports little, as probes run every few seconds.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from contextlib import suppress

from .. import pace
from ..errors import EXIT_UNWELL
from ..processes.meeting import ask, find_supervisors, folders, objection_to
from .brief import BriefParser

DESCRIPTION = """\
Ask this user's supervisors on this machine, or in this container, how they fare: exit code 0 if all
that there are answer, else 1, and a line that says why. A long task does no harm, nor does a Redis
that is away.
"""

LONGEST = 3600.0
"""Seconds to wait for an answer."""


def parser() -> argparse.ArgumentParser:
    parser = BriefParser(
        prog="python -m woodenwaiter.health", description=DESCRIPTION, allow_abbrev=False
    )
    parser.add_argument(
        "--ready",
        action="store_true",
        help="they must serve, too: Redis has answered lately, and each queue has a worker that "
        "is up; while they drain they do not",
    )
    parser.add_argument("--pid", type=_pid, help="of the only one to ask (all)")
    parser.add_argument(
        "--timeout",
        type=_seconds,
        default=pace.ANSWER,
        metavar="SECONDS",
        help=f"for an answer ({pace.ANSWER:g})",
    )
    return parser


def _pid(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"the number of a process, not {text!r:.50}")
    return int(text)


def _seconds(text: str) -> float:
    with suppress(ValueError):
        if 0 < float(text) <= LONGEST:
            return float(text)
    raise argparse.ArgumentTypeError(f"seconds, up to {LONGEST:g}, not {text!r:.50}")


def main(arguments: Sequence[str] | None = None) -> int:
    given = parser().parse_args(arguments)
    is_well, line = examine(given.pid, given.timeout, is_to_be_ready=given.ready)
    with suppress(OSError):  # nobody reads it: the exit code is what matters
        os.write(1, f"{line}\n".encode(errors="backslashreplace"))
    return 0 if is_well else EXIT_UNWELL


def examine(pid: int | None, seconds: float, *, is_to_be_ready: bool) -> tuple[bool, str]:
    """Whether all that are found are well, or the one with this pid; and a line on them."""
    answers: dict[int, str] = {}
    for each, path in find_supervisors():
        if pid not in (None, each):
            continue
        try:
            answer = ask(path, seconds)
        except TimeoutError:
            why = f"does not answer within {seconds:g} s: it is stopped, or hangs"
            return False, f"supervisor {each} {why}"
        except OSError as error:
            return False, f"supervisor {each} cannot be asked: {error.strerror or error}"
        if is_to_be_ready and answer and not answer.startswith("ready"):
            return False, f"supervisor {each} is {answer}"
        if answer:
            answers[each] = answer
    return bool(answers), _told_of(answers, is_to_be_ready) if answers else _nobody(pid)


def _told_of(answers: dict[int, str], is_to_be_ready: bool) -> str:
    if len(answers) == 1:
        [(pid, answer)] = answers.items()
        return f"supervisor {pid} is {'' if is_to_be_ready else 'live; '}{answer}"
    state = "ready" if is_to_be_ready else "live"
    return f"{len(answers)} supervisors are {state}: {', '.join(map(str, answers))}"


def _nobody(pid: int | None) -> str:
    wanted = "supervisor" if pid is None else f"supervisor {pid}"
    where = ", ".join(
        f"{folder} ({objection})" if (objection := objection_to(folder)) else folder
        for folder in folders()
    )
    return (
        f"no {wanted} is found in {where}: none runs as user {os.geteuid()}, or it still loads its "
        "application"
    )
