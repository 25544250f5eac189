"""Dead letters: sorted by what they died of, put back, thrown away, brought elsewhere and here."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from ..protocol import letters, trash
from ..protocol.letters import Full, Letter, Portion, kind_of, name_of_kind
from ..protocol.link import Link
from .audit import audited
from .desk import Desk


@dataclass(frozen=True)
class Selection:
    """Of a queue's letters: those of these names, or else all that are there when it is looked for
    them; and of these, those that are ``older`` or ``newer`` than so many seconds, whose
    reason, or error, has this text, which have a text anywhere, and are of the kind, by its name.
    """

    names: Sequence[str] = ()
    older: float | None = None
    newer: float | None = None
    reason: str = ""
    error: str = ""
    text: str = ""
    kind: str = ""

    @property
    def is_all(self) -> bool:
        return self == Selection()

    def has(self, letter: Letter) -> bool:
        """As far as that is not asked for by the times and the text."""
        return (
            self.reason in letter.reason
            and self.error in letter.error
            and (not self.kind or name_of_kind(kind_of(letter)) == self.kind)
        )

    @property
    def described(self) -> str:
        """For the audit."""
        if self.names:
            return ", ".join(self.names)
        told = {name: value for name, value in vars(self).items() if value}
        return ", ".join(f"{name} {value}" for name, value in told.items()) or "all"


NAME = re.compile(r"\d{1,20}-\d{1,20}", re.ASCII)
"""Of a letter."""


@dataclass
class Group:
    """Letters that died of the same ``kind``; ``name``: its own, which stays. ``first`` and
    ``last``: when they were buried, Unix time in seconds by the server's clock; ``example``: the
    last one."""

    name: str
    kind: str
    count: int
    first: float
    last: float
    example: Letter


@dataclass(frozen=True)
class Step:
    """How far it has come: so many letters were looked at, of how many; of these ``done``.
    ``missing``: names that were selected, and are not there; ``left``: of letters that stay, as
    they have no payload. ``trash``: where they are now. ``trouble``: why it stands in no audit, if
    it doesn't."""

    looked: int = 0
    there: int = 0
    done: int = 0
    missing: Sequence[str] = ()
    left: Sequence[str] = ()
    trash: str = ""
    trouble: str = ""


def portions(link: Link, queue: str, selection: Selection = Selection()) -> Iterator[Portion]:
    """The letters that are selected, the oldest first. Raises what is in `link.ServerTrouble`."""
    if selection.names:
        yield from _named(link, queue, selection)
    elif last := letters.newest(link, queue):
        first = "-" if selection.newer is None else _name_at(link, selection.newer)
        if selection.older is not None:
            last = min(last, _name_at(link, selection.older), key=_numbers)
        for portion in letters.portions(link, queue, first=first, last=last, text=selection.text):
            yield portion._replace(found=[*filter(selection.has, portion.found)])


def _name_at(link: Link, ago: float) -> str:
    """That of a letter would be greater which was buried later than so many seconds ago."""
    seconds, _ = link.call("TIME")
    return f"{max(0, int(seconds) - ago) * 1000:.0f}-0"


def _numbers(name: str) -> tuple[int, ...]:
    return tuple(map(int, name.split("-")))


def _named(link: Link, queue: str, selection: Selection) -> Iterator[Portion]:
    for start in range(0, len(selection.names), letters.AT_ONCE):
        names = selection.names[start : start + letters.AT_ONCE]
        found = letters.excerpts(link, queue, names)
        yield Portion(found, start + len(names), len(selection.names))


def groups(link: Link, queue: str, selection: Selection = Selection()) -> list[Group]:
    """The letters that are selected, by what they died of; the most frequent first. Raises
    likewise."""
    found: dict[str, Group] = {}
    for portion in portions(link, queue, selection):
        for letter in portion.found:
            kind = kind_of(letter)
            group = found.setdefault(
                kind, Group(name_of_kind(kind), kind, 0, letter.at, letter.at, letter)
            )
            group.count += 1
            group.last, group.example = letter.at, letter
    return sorted(found.values(), key=lambda group: -group.count)


def requeue(
    desk: Desk, queue: str, selection: Selection, delay: float = 0, rate: float = 0
) -> Iterator[Step]:
    """Put the letters that are selected back into the queue, in portions, ``delay`` seconds from
    now, and no more than ``rate`` a second, 0 for any; yields what has been done so far. What comes
    meanwhile is not among them. The same again does what was left. Raises likewise."""
    began = time.monotonic()
    what = ", ".join([selection.described, *([f"in {delay:g} s"] if delay else [])])
    step = Step()
    with audited(desk, "requeue", queue, what) as doing:
        for portion in portions(desk.link, queue, selection):
            step = _looked(step, portion, selection)
            for batch in letters.batches(portion.found, _at_once(rate)):
                back = letters.requeue(desk.link, queue, batch, delay)
                doing.count += back.number
                step = replace(step, done=doing.count, left=[*step.left, *back.left])
                yield step
                if rate:
                    time.sleep(max(0.0, began + doing.count / rate - time.monotonic()))
    yield replace(step, trouble=doing.trouble)


def _looked(step: Step, portion: Portion, selection: Selection) -> Step:
    there = {letter.name for letter in portion.found}
    seen = selection.names[step.looked : portion.looked]
    missing = [*step.missing, *(name for name in seen if name not in there)]
    return replace(step, looked=portion.looked, there=portion.there, missing=missing)


def _at_once(rate: float) -> int:
    """Letters of a batch, so that there is one every half second or so."""
    return max(1, min(letters.AT_ONCE, int(rate / 2))) if rate else letters.AT_ONCE


def requeue_changed(desk: Desk, queue: str, name: str, payload: bytes) -> Step:
    """Put this payload into the queue in the place of a letter's. Raises likewise."""
    with audited(desk, "requeue", queue, f"{name}, changed") as doing:
        back = letters.requeue_changed(desk.link, queue, name, payload)
        doing.count = back.number
    missing = [] if back.number or back.left else [name]
    return Step(1, 1, doing.count, missing, back.left, trouble=doing.trouble)


def drop(desk: Desk, queue: str, selection: Selection) -> Iterator[Step]:
    """Move the letters that are selected to a trash, in portions; likewise."""
    name = trash.new_name()
    step = Step(trash=name)
    who = f"{desk.who} at {desk.where}"
    with audited(desk, "drop", queue, f"{selection.described}, to trash {name}") as doing:
        for portion in portions(desk.link, queue, selection):
            step = _looked(step, portion, selection)
            for batch in letters.batches(portion.found):
                names = [letter.name for letter in batch]
                doing.count += trash.discard(desk.link, queue, name, names, who)
                step = replace(step, done=doing.count)
                yield step
    yield replace(step, trouble=doing.trouble)


def whole(link: Link, queue: str, selection: Selection) -> Iterator[list[Full]]:
    """The letters that are selected, with all that they have, in portions. Raises likewise."""
    for portion in portions(link, queue, selection):
        for batch in letters.batches(portion.found):
            yield letters.named(link, queue, [letter.name for letter in batch])


@dataclass(frozen=True)
class Imported:
    """So far: how many lines were seen to, and how many letters came of them; the others were here
    already."""

    seen: int = 0
    added: int = 0
    trouble: str = ""


def bring_in(desk: Desk, queue: str, found: Iterable[Full], source: str) -> Iterator[Imported]:
    """Add letters that were exported, from this ``source``, in portions; likewise."""
    so_far = Imported()
    with audited(desk, "import", queue, f"from {source}") as doing:
        for batch in letters.batches(found):
            doing.count += letters.bring_in(desk.link, queue, batch)
            so_far = Imported(so_far.seen + len(batch), doing.count)
            yield so_far
    yield replace(so_far, trouble=doing.trouble)
