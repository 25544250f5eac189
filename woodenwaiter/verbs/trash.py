"""Throwing away what a queue has, and getting it back."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace

from ..protocol import trash
from ..protocol.trash import Kind, Trash
from .audit import audited
from .desk import Desk


@dataclass(frozen=True)
class Purged:
    """``number``: of entries; 0: there was nothing, and there is no such ``trash``. ``trouble``:
    why it stands in no audit, if it doesn't."""

    trash: str
    kind: Kind
    number: int
    trouble: str = ""


@dataclass(frozen=True)
class Restored:
    """So far: how many entries are back, how many are ``left`` in the trash. ``trouble``:
    likewise."""

    kind: Kind
    number: int
    left: int
    trouble: str = ""


def purge(desk: Desk, queue: str, kind: Kind = Kind.TASKS) -> Purged:
    """Move all that waits, or is delayed, to a trash, at one moment. What is claimed runs. Raises
    what is in `link.ServerTrouble`."""
    number = None
    with audited(desk, "purge", queue) as doing:
        while number is None:
            name = trash.new_name()
            doing.what = f"{kind.value}, to trash {name}"
            number = trash.purge(desk.link, queue, name, kind, desk.name)
        doing.count = number
    return Purged(name, kind, number, doing.trouble)


def restore(desk: Desk, queue: str, name: str) -> Generator[Restored, None, None]:
    """Put back what is in a trash, in portions; yields what has been done so far. Where it is left
    in between, the trash stays for another day, and the same again goes on; where there is no such
    trash, it yields nothing. Raises likewise."""
    so_far = None
    with audited(desk, "restore", queue, f"trash {name}") as doing:
        while portion := trash.restore(desk.link, queue, name):
            doing.count += portion.number
            so_far = Restored(portion.kind, doing.count, portion.left)
            if not portion.left:
                break
            yield so_far
    if so_far:  # and somebody else has put back the last ones, maybe
        yield replace(so_far, left=0, trouble=doing.trouble)


@dataclass(frozen=True)
class Emptied:
    """How many entries are gone for good. ``trouble``: why it stands in no audit, if it doesn't."""

    number: int
    trouble: str = ""


def empty(desk: Desk, trashes: Sequence[Trash]) -> Emptied:
    """Have these gone for good. Raises likewise."""
    number, trouble = 0, ""
    for each in trashes:
        with audited(desk, "empty trash", each.queue, f"{each.kind.value}, {each.name}") as doing:
            if trash.empty(desk.link, each.queue, each.name):
                doing.count = each.number
        number, trouble = number + doing.count, doing.trouble or trouble
    return Emptied(number, trouble)
