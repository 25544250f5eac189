"""``woodenwaiter dead`` and ``show``."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import Any

from ...protocol.entry import excerpt
from ...protocol.letters import Filter, Outline, whole
from ...protocol.link import Link
from ...protocol.queue import Letter, Queue, fields_in
from ...text import escaped, escaped_lines, span
from ...verbs.letters import Group, Groups, groups, listed
from ..documents import document
from ..fitting import fitted
from ..known import require_known
from ..steps import seen_to
from ..table import Cell, Column, drawn, look_of_stdout, text_column
from ..terminal import moment
from .choosing import chosen, complain_of_missing, filter_of, require_some

NONE = "no dead letters"

COLUMNS = (
    text_column("group"),
    Column("letters"),
    Column("first"),
    Column("last"),
    text_column("what went wrong"),
)


def show_dead(given: argparse.Namespace, link: Link) -> int:
    """By groups, or one by one: those of one group are."""
    return _list_letters(given, link) if given.list or given.group else _show_groups(given, link)


def _require_some(given: argparse.Namespace, link: Link, what: Filter) -> None:
    require_known(Queue(link, given.queue, lease=1))
    require_some(given, what)


def _show_groups(given: argparse.Namespace, link: Link) -> int:
    what = filter_of(given)
    with seen_to() as progress:
        found = groups(link, given.queue, what, progress.show)
    if not found.groups:
        _require_some(given, link, what)
    if given.json:
        shown = found.groups[: given.most]
        print(document(queue=given.queue, groups=shown))
    else:
        for line in _lines(given, found):
            print(line)
    return 0


def _lines(given: argparse.Namespace, found: Groups) -> Iterator[str]:
    if not found.groups:
        yield NONE
        return
    shown, look = found.groups[: given.most], look_of_stdout()
    titles, *rows = drawn(COLUMNS, [_row(group, found.now) for group in shown], look)
    yield titles
    for row, group in zip(rows, shown, strict=True):
        example = escaped(f"    {group.letter}  {_told(group.reason, group.example)}")
        yield from (row, fitted(example, look.columns or WIDEST))
    left = len(found.groups) - len(shown)
    more = f"; {left:,} groups more: --most" if left else ""
    first = shown[0].group
    hint = f"woodenwaiter dead {given.queue} --group {first} lists those of the first"
    yield escaped(f"{found.letters:,} in all{more}; {hint}")


WIDEST = 200
"""Characters of an example, where no terminal sets a limit."""


def _row(group: Group, now: float) -> Sequence[Cell]:
    ages = (span(max(0.0, now - at)) + " ago" for at in (group.first, group.last))
    texts = (group.group, f"{group.count:,}", *ages, _told(group.reason, group.error))
    return [*map(Cell, texts)]


def _told(reason: str, error: str) -> str:
    return f"{reason}: {error}".strip(": ")


def _list_letters(given: argparse.Namespace, link: Link) -> int:
    what = filter_of(given)
    outlines = [*listed(link, given.queue, what, given.most)]
    if not outlines:
        _require_some(given, link, what)
    if given.json:
        _print_letters(given.queue, _letters(link, given.queue, [o.name for o in outlines]))
        return 0
    if not outlines:
        print(NONE)
    for outline in outlines:
        _print_outline(outline)
    return 0


def _print_outline(outline: Outline) -> None:
    reason, error = (
        excerpt(outline.fields.get(field, "").encode(errors="surrogateescape"), 1000)
        for field in ("reason", "error")
    )
    print(f"{outline.name}  {_told(reason, error)}")
    print(f"    {excerpt(outline.payload)}")


def _letters(link: Link, queue: str, names: Sequence[str]) -> Iterator[Letter]:
    for name, flat in whole(link, queue, names):
        yield name, fields_in(flat)


def _print_letters(queue: str, letters: Iterator[Letter]) -> None:
    print(document(queue=queue, letters=[*map(_plain, letters)]))


def _plain(letter: Letter) -> dict[str, Any]:
    name, fields = letter
    texts = {field: value.decode(errors="surrogateescape") for field, value in fields.items()}
    return {"letter": name, "fields": texts}


def show_letters(given: argparse.Namespace, link: Link) -> int:
    choice = chosen(given, link)
    letters = _letters(link, given.queue, [pick.name for pick in choice.picks])
    if given.json:
        _print_letters(given.queue, letters)
    else:
        for letter in letters:
            _print_whole(letter)
        if not (choice.picks or choice.missing):
            print(NONE)
    return complain_of_missing(given, choice)


def _print_whole(letter: Letter) -> None:
    name, fields = letter
    print(f"letter: {name}")
    for field, value in fields.items():
        text = escaped_lines(value.decode(errors="backslashreplace").rstrip())
        print(f"{escaped(field)}: {_moment(text) if field == 'first_failed' else text}")
    print()


def _moment(seconds: str) -> str:
    """Unix time as people read it; anything else as it is."""
    try:
        return moment(float(seconds))
    except (ValueError, OverflowError, OSError):
        return seconds
