"""Dead letters: what they have in common, which are meant, and putting them back or throwing them
away."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from ..errors import EXIT_UNKNOWN, StartupError
from ..protocol import letters, trash
from ..protocol.alike import pattern_of
from ..protocol.letters import AT_ONCE, Filter, Outline, Pick
from ..protocol.link import Link
from ..text import span
from .audit import audited
from .desk import Desk

Hear = Callable[[int, int], None]
"""Is told how many letters were looked at, of how many."""

FEW = 5
"""Letters that are named in the audit."""


def unheard(looked: int, there: int) -> None:
    """Where nobody wants to know."""


class NoSuchLetter(StartupError):
    """The queue has no dead letter of that name, or none that is sought."""

    exit_code = EXIT_UNKNOWN


@dataclass(frozen=True)
class Group:
    """Dead letters that are alike: see `alike`. ``reason`` and ``error``: what they have in common;
    ``count``: how many they are; ``first`` and ``last``: when the oldest and the latest became
    so, Unix time in seconds by the server's clock; ``letter``: the latest's name, and its own
    error as the ``example``."""

    group: str
    reason: str
    error: str
    count: int
    first: float
    last: float
    letter: str
    example: str


class Groups(NamedTuple):
    """The largest first; of so many ``letters`` in all. ``now``: the server's time."""

    groups: list[Group]
    letters: int
    now: float


class Choice(NamedTuple):
    """Dead letters that something is to be done with, and how they were chosen, in words;
    ``missing``: names that were given, of letters that are not there."""

    picks: Sequence[Pick]
    what: str
    missing: Sequence[str] = ()

    @property
    def total(self) -> int:
        return len(self.picks)


class Stream(NamedTuple):
    """The same, of letters that are sought while something is done with them: of ``total`` that are
    there, nobody knows yet how many they are."""

    picks: Iterator[Pick]
    what: str
    total: int


@dataclass(frozen=True)
class Requeued:
    """So far: how many letters of ``total`` were ``looked`` at, how many are back; the names of
    those that were ``left``, as they have no payload; the others were gone. ``trouble``: why it
    stands in no audit, if it doesn't."""

    total: int
    looked: int = 0
    number: int = 0
    left: tuple[str, ...] = ()
    trouble: str = ""


@dataclass(frozen=True)
class Dropped:
    """So far: how many letters of ``total`` were ``looked`` at, how many are in the ``trash``.
    ``trouble``: likewise."""

    total: int
    trash: str
    looked: int = 0
    number: int = 0
    trouble: str = ""


def groups(link: Link, queue: str, sought: Filter, hear: Hear = unheard) -> Groups:
    """What the dead letters that are sought have in common. Raises what is in
    `link.ServerTrouble`."""
    if (extent := letters.extent_of(link, queue)) is None:
        return Groups([], 0, 0.0)
    found: dict[str, Group] = {}
    looked = number = 0
    for portion in letters.walk_through(link, queue, extent, sought):
        for outline in portion.found:
            _count(found, outline)
        looked, number = looked + portion.looked, number + len(portion.found)
        hear(looked, extent.number)
    return Groups(sorted(found.values(), key=lambda group: -group.count), number, extent.now)


def _count(found: dict[str, Group], outline: Outline) -> None:
    name, error = outline.group, outline.fields.get("error", "")
    group = found.get(name)
    if group is None:
        reason = pattern_of(outline.fields.get("reason", ""))
        group = Group(name, reason, pattern_of(error), 0, outline.time, 0.0, "", "")
    found[name] = replace(
        group, count=group.count + 1, last=outline.time, letter=outline.name, example=error
    )


def listed(link: Link, queue: str, sought: Filter, most: int) -> Iterator[Outline]:
    """The dead letters that are sought, the oldest first, and ``most`` of them. Raises likewise."""
    if (extent := letters.extent_of(link, queue)) is None:
        return
    for portion in letters.walk_through(link, queue, extent, sought, shown=SHOWN):
        yield from portion.found[:most]
        most -= len(portion.found)
        if most <= 0:
            return


SHOWN = 200
"""Bytes of a payload in a list."""


def named(link: Link, queue: str, names: Sequence[str]) -> Choice:
    """The dead letters of these names, in this order. Raises what is in `link.ServerTrouble`."""
    found = dict(zip(names, letters.outlines_of(link, queue, names, ["id"]), strict=True))
    picks = [_pick(outline) for outline in found.values() if outline]
    missing = [name for name, outline in found.items() if not outline]
    more = f" and {len(names) - FEW} more" if len(names) > FEW else ""
    return Choice([*dict.fromkeys(picks)], ", ".join(names[:FEW]) + more, missing)


def sought(link: Link, queue: str, what: Filter, hear: Hear = unheard) -> Choice:
    """The dead letters that are sought, of those that are there now. Raises likewise."""
    picks: list[Pick] = []
    looked = 0
    if extent := letters.extent_of(link, queue):
        for portion in letters.walk_through(link, queue, extent, what, ["id"]):
            picks += map(_pick, portion.found)
            looked += portion.looked
            hear(looked, extent.number)
    return Choice(picks, described(what))


def streamed(link: Link, queue: str, what: Filter, hear: Hear = unheard) -> Stream:
    """The dead letters that are sought, of those that are there now: however many they are, it
    takes no memory. Raises likewise, also later."""
    extent = letters.extent_of(link, queue)

    def picks(extent: letters.Extent) -> Iterator[Pick]:
        looked = 0
        for portion in letters.walk_through(link, queue, extent, what, ["id"]):
            looked += portion.looked
            hear(looked, extent.number)
            yield from map(_pick, portion.found)

    if extent is None:
        return Stream(iter(()), described(what), 0)
    return Stream(picks(extent), described(what), extent.number)


def _pick(outline: Outline) -> Pick:
    return Pick(outline.name, outline.size, outline.fields.get("id", ""))


def described(what: Filter) -> str:
    """As people would choose them."""
    parts = [
        f"older than {span(what.older)}" if what.older is not None else "",
        f"newer than {span(what.newer)}" if what.newer is not None else "",
        *(
            f"{field} {text!r}" if field != "group" else f"group {text}"
            for field in ("reason", "error", "text", "group")
            if (text := getattr(what, field))
        ),
    ]
    return ", ".join(filter(None, parts)) or "all"


def requeue(
    desk: Desk,
    queue: str,
    choice: Choice | Stream,
    *,
    delay: float = 0.0,
    payload: bytes = b"",
    at_once: int = AT_ONCE,
) -> Generator[Requeued, None, None]:
    """Put these back into the queue, as a producer would push them; or have them wait for ``delay``
    seconds, each with the id that its task had. ``payload``: instead of each one's own. In batches
    of ``at_once``; yields what has been done so far. Each is put back once, whoever else does the
    same, and however often. Raises what is in `link.ServerTrouble`."""
    so_far = Requeued(choice.total)
    how = [choice.what, f"after {span(delay)}" if delay else "", "edited" if payload else ""]
    with audited(desk, "requeue", queue, ", ".join(filter(None, how))) as doing:
        for batch in letters.batches(choice.picks, at_once):
            back = letters.requeue(desk.link, queue, batch, delay, payload)
            doing.count += back.number
            looked, left = so_far.looked + len(batch), (*so_far.left, *back.left)
            so_far = Requeued(so_far.total, looked, doing.count, left)
            yield so_far
    yield replace(so_far, trouble=doing.trouble)


def drop(desk: Desk, queue: str, choice: Choice | Stream) -> Generator[Dropped, None, None]:
    """Move these to a trash, from which they can be had back for a day; in batches; yields what has
    been done so far. Raises likewise."""
    so_far = Dropped(choice.total, trash.new_name())
    with audited(desk, "drop", queue, f"{choice.what}, to trash {so_far.trash}") as doing:
        for batch in letters.batches(choice.picks):
            names = [pick.name for pick in batch]
            doing.count += trash.discard(desk.link, queue, so_far.trash, names, desk.name)
            so_far = replace(so_far, looked=so_far.looked + len(batch), number=doing.count)
            yield so_far
    yield replace(so_far, trouble=doing.trouble)
