"""``woodenwaiter requeue`` and ``drop``."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

from ...errors import EXIT_USAGE, StartupError
from ...protocol.letters import AT_ONCE
from ...protocol.link import Link
from ...protocol.trash import Kind
from ...text import escaped, span
from ...verbs.desk import desk_of_this_process
from ...verbs.letters import Choice, Dropped, NoSuchLetter, Requeued, drop, requeue
from ...verbs.words import counted
from ..asking import require_consent
from ..documents import document
from ..steps import last_of
from ..terminal import complain
from .choosing import chosen, complain_of_missing
from .editing import Editing

BATCHES = 4
"""A second, where there is a rate: no burst of more than a quarter of it."""

MOST_NAMED = 8
"""Letters that are left."""


def requeue_letters(given: argparse.Namespace, link: Link) -> int:
    choice = chosen(given, link)
    if given.edit:
        return _edit(given, link, choice)
    code = _print_requeued(given, _requeue(given, link, choice))
    return complain_of_missing(given, choice) or code


def _requeue(
    given: argparse.Namespace, link: Link, choice: Choice, payload: bytes = b""
) -> Requeued:
    at_once = max(1, min(AT_ONCE, int((given.rate or AT_ONCE * BATCHES) / BATCHES)))
    steps = requeue(
        desk_of_this_process(link),
        given.queue,
        choice,
        delay=given.delay,
        payload=payload,
        at_once=at_once,
    )
    done = last_of(
        steps,
        lambda so_far: (
            f"{so_far.number:,} of {so_far.total:,} are back in {given.queue}: "
            "the same again goes on"
        ),
        _extent,
        _rest(given.rate),
    )
    return done or Requeued(0)


def _extent(step: Requeued | Dropped) -> tuple[int, int]:
    return step.looked, step.total


def _rest(rate: float | None) -> Callable[[Requeued], float]:
    """How long to wait until so many letters are due."""
    began = time.monotonic()

    def rest(so_far: Requeued) -> float:
        is_done = rate is None or so_far.looked >= so_far.total
        return 0.0 if is_done else began + so_far.looked / (rate or 1) - time.monotonic()

    return rest


def _edit(given: argparse.Namespace, link: Link, choice: Choice) -> int:
    """One letter, before it is put back."""
    if code := complain_of_missing(given, choice):
        return code
    if len(choice.picks) != 1:
        raise StartupError(f"--edit is for one dead letter, not {len(choice.picks):,}")
    [pick] = choice.picks
    with Editing(link, given.queue, pick.name) as editing:
        done = _requeue(given, link, choice, editing.payload)
        if not done.number:
            raise NoSuchLetter(
                f"dead letter {pick.name} is no longer in {given.queue}: nothing was put back"
            )
    return _print_requeued(given, done)


def _print_requeued(given: argparse.Namespace, done: Requeued) -> int:
    gone = done.total - done.number - len(done.left)
    if given.json:
        print(document(queue=given.queue, requeued=done.number, left=done.left))
    else:
        waits = f"{done.number:,} in {given.queue} {span(given.delay)} from now"
        back = f"{done.number:,} back in {given.queue}"
        print(escaped(waits if given.delay else back))
    if gone:
        complain(f"{gone:,} were gone already: somebody else has put them back, or dropped them")
    for name in done.left[:MOST_NAMED]:
        complain(f"dead letter {name} in {given.queue} is left: it has no field payload")
    if len(done.left) > MOST_NAMED:
        complain(f"and so are {len(done.left) - MOST_NAMED:,} others")
    if done.trouble:
        complain(done.trouble)
    return EXIT_USAGE if done.left else 0


def drop_letters(given: argparse.Namespace, link: Link) -> int:
    choice = chosen(given, link)
    if choice.picks:
        letters = counted(len(choice.picks), Kind.LETTERS)
        require_consent(given, f"drop {letters} of {given.queue}, to its trash, for a day")
    done = last_of(
        drop(desk_of_this_process(link), given.queue, choice),
        lambda so_far: (
            f"{so_far.number:,} of {so_far.total:,} are dropped{_undo(given.queue, so_far)}"
        ),
        _extent,
    )
    _print_dropped(given, done or Dropped(0, ""))
    return complain_of_missing(given, choice)


def _undo(queue: str, done: Dropped) -> str:
    how = f"; to undo it: woodenwaiter restore {queue} {done.trash}"
    return how if done.number else ""


def _print_dropped(given: argparse.Namespace, done: Dropped) -> None:
    if given.json:
        trash = done.trash if done.number else None
        print(document(queue=given.queue, dropped=done.number, trash=trash))
    else:
        line = f"{done.number:,} dropped from {given.queue}{_undo(given.queue, done)}"
        print(escaped(line))
    if gone := done.total - done.number:
        complain(f"{gone:,} were gone already: somebody else has put them back, or dropped them")
    if done.trouble:
        complain(done.trouble)
