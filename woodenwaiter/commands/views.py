"""What is looked at once, or again and again: as a table for people, or as JSON for programs."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

from ..errors import EXIT_REDIS, RedisUnusable
from ..protocol.link import Link, ServerTrouble, unusable
from ..text import escaped
from .documents import document
from .table import Cell, Column, drawn, look_of_stdout
from .terminal import complain
from .watching import watch


class View(NamedTuple):
    """``parts``: of what programs read. ``columns`` and ``rows``: of what people do, or a text,
    ``nothing``, where there is no row; ``below``: lines that follow each row, as they are.
    ``troubles``: what is wrong, in lines; ``code``: of the worst, 0 for none."""

    parts: Mapping[str, Any]
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    nothing: str = ""
    below: Sequence[Sequence[str]] = ()
    troubles: Sequence[str] = ()
    code: int = 0

    @property
    def document(self) -> str:
        return document(**self.parts, troubles=self.troubles)

    @property
    def table(self) -> list[str]:
        if not self.rows:
            return [self.nothing] if self.nothing else []
        titles, *rows = drawn(self.columns, self.rows, look_of_stdout())
        with_others = zip_longest(rows, self.below, fillvalue=())
        return [titles, *(line for row, others in with_others for line in (row, *others))]


def show(given: argparse.Namespace, link: Link, look: Callable[[], View]) -> int:
    """Show it, and return the exit code. Raises what ``look`` does the first time; later, that is
    shown: who watches wants to see it come back."""
    view = look()
    if given.watch is not None and view.code in (0, EXIT_REDIS):
        empty = View({name: [] for name in view.parts}, view.columns, [], code=EXIT_REDIS)
        return watch(lambda: _lines(given, _later(link, look, empty)), given.watch, given.json)
    if given.json:
        print(view.document)
        return view.code
    for line in view.table:
        print(line)
    for trouble in view.troubles:
        complain(trouble)
    return view.code


def _later(link: Link, look: Callable[[], View], empty: View) -> View:
    try:
        return look()
    except ServerTrouble as error:
        return empty._replace(troubles=[str(unusable(link.address, error))])
    except RedisUnusable as error:
        return empty._replace(troubles=[str(error)])


def _lines(given: argparse.Namespace, view: View) -> list[str]:
    """All of it, as there is nowhere else to complain; first what a small screen has to show."""
    if given.json:
        return [view.document]
    look = look_of_stdout()
    return [*(look.styled(escaped(trouble), "red") for trouble in view.troubles), *view.table]
