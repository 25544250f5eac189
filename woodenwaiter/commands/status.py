"""``woodenwaiter status``: how many tasks each queue holds."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from redis.exceptions import ResponseError

from ..errors import EXIT_REDIS, EXIT_UNKNOWN, RedisUnusable
from ..protocol.keys import REGISTRY
from ..protocol.link import Link, ServerTrouble, unusable
from ..protocol.queue import registered
from ..protocol.replies import is_outage, reply_of
from ..protocol.sizes import Sizes, sizes_of
from ..text import escaped, listed, span
from .documents import document
from .known import NoSuchQueue, known_to
from .table import Cell, drawn, look_of_stdout
from .terminal import complain
from .watching import watch


@dataclass(frozen=True)
class Status:
    """What there is to be seen of queues; ``troubles``: what is wrong, in lines; ``code``: of the
    worst, 0 for none."""

    queues: Sequence[Sizes]
    troubles: Sequence[str] = ()
    code: int = 0


Column = tuple[str, Callable[[Sizes], Cell]]
"""A title, and what stands below it."""


def _number(number: int, style: str = "") -> Cell:
    return Cell(f"{number}", style if number else "")


def _next_due(sizes: Sizes) -> Cell:
    if sizes.next_due is None:
        return Cell("-")
    return Cell(span(sizes.next_due) if sizes.next_due else "now")


def _workers(sizes: Sizes) -> Cell:
    is_left = not sizes.workers and sizes.waiting + sizes.claimed + sizes.delayed > 0
    return Cell(f"{sizes.workers}", "yellow" if is_left else "")


COLUMNS: Sequence[Column] = (
    ("queue", lambda of: Cell(escaped(of.queue))),
    ("waiting", lambda of: _number(of.waiting)),
    ("claimed", lambda of: _number(of.claimed)),
    ("delayed", lambda of: _number(of.delayed)),
    ("dead", lambda of: _number(of.dead, "red")),
    ("workers", _workers),
    ("next due", _next_due),
)


def show_status(given: argparse.Namespace, link: Link) -> int:
    names = [*given.queues, *given.named]
    status = status_of(link, names)
    if given.watch is not None and status.code != EXIT_UNKNOWN:
        return watch(lambda: _view(given, _later(link, names)), given.watch, is_plain=given.json)
    if given.json:
        print(_document(status))
        return status.code
    print(*_table(status), sep="\n")
    for trouble in status.troubles:
        complain(trouble)
    return status.code


def status_of(link: Link, names: Sequence[str]) -> Status:
    """The status of these queues, or of all that were ever served: two requests, however many they
    are. Raises what is in `link.ServerTrouble`, and RedisUnusable."""
    outcomes = sizes_of(link, queues := names or _all(link))
    sizes = [outcome for outcome in outcomes if isinstance(outcome, Sizes)]
    wrong: dict[str, list[str]] = {}
    for queue, outcome in zip(queues, outcomes, strict=True):
        if isinstance(outcome, Exception):
            wrong.setdefault(reply_of(outcome).whole, []).append(queue)
    unknown = _unknown(link, [each.queue for each in sizes if names and not _is_used(each)])
    return Status(
        [each for each in sizes if each.queue not in unknown],
        [
            *map(str, unknown.values()),
            *(f"{listed(there)}: {what}" for what, there in wrong.items()),
        ],
        EXIT_REDIS if wrong else EXIT_UNKNOWN if unknown else 0,
    )


def _all(link: Link) -> list[str]:
    try:
        return registered(link)
    except ResponseError as error:
        if is_outage(error):
            raise
        raise RedisUnusable(f"{REGISTRY}: {error}") from None


def _is_used(sizes: Sizes) -> bool:
    return any(sizes.by_state().values())


def _unknown(link: Link, empty: Sequence[str]) -> dict[str, NoSuchQueue]:
    """Those of the empty ones that nobody has ever served."""
    names = known_to(link) if empty else None
    return {} if names is None else {n: NoSuchQueue(n, names) for n in empty if n not in names}


def _later(link: Link, names: Sequence[str]) -> Status:
    """What there is, or what is the matter: who watches wants to see it come back."""
    try:
        return status_of(link, names)
    except ServerTrouble as error:
        return Status([], [str(unusable(link.address, error))], EXIT_REDIS)
    except RedisUnusable as error:
        return Status([], [str(error)], error.exit_code)


def _view(given: argparse.Namespace, status: Status) -> list[str]:
    """All of it, as there is nowhere else to complain; first what a small screen has to show."""
    if given.json:
        return [_document(status)]
    look = look_of_stdout()
    troubles = (look.styled(escaped(trouble), "red") for trouble in status.troubles)
    return [*troubles, *_table(status)]


def _document(status: Status) -> str:
    return document(queues=[*map(asdict, status.queues)], troubles=status.troubles)


def _table(status: Status) -> list[str]:
    rows = [[cell(each) for _, cell in COLUMNS] for each in status.queues]
    return drawn([title for title, _ in COLUMNS], rows, look_of_stdout())
