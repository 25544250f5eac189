"""Dead letters as lines of JSON, and back."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from ..errors import BadEntry
from ..protocol import letters
from ..protocol.keys import text_of_name
from ..protocol.letters import Imported, mark_of
from ..protocol.link import Link
from .audit import audited
from .desk import Desk
from .letters import Choice, Stream

VERSION = 1

MOST_FIELDS = 1000
"""Of a letter: no letter of ours has a dozen."""

LONGEST_MARK = 1000


@dataclass(frozen=True)
class Added:
    """So far: how many lines of ``total`` were ``looked`` at; how many became dead letters; the
    others had been added within a day. ``trouble``: why it stands in no audit, if it doesn't."""

    total: int
    looked: int = 0
    number: int = 0
    trouble: str = ""


def exported(link: Link, queue: str, choice: Choice | Stream) -> Iterator[str]:
    """A line for each of these that is still there. Raises what is in `link.ServerTrouble`."""
    for name, flat in letters.whole(link, queue, (pick.name for pick in choice.picks)):
        yield line_of(queue, name, flat)


def line_of(queue: str, name: str, flat: list[bytes]) -> str:
    """The letter whole: bytes that are no UTF-8 as lone surrogates, and all that is not ASCII as
    JSON has it."""
    fields: dict[str, Any] = {}
    texts = [*map(text_of_name, flat)]
    for field, value in zip(texts[::2], texts[1::2], strict=True):
        fields[field] = [*fields[field], value] if field in fields else [value]
    fields = {field: some if len(some) > 1 else some[0] for field, some in fields.items()}
    return json.dumps({"version": VERSION, "queue": queue, "letter": name, "fields": fields})


def letter_in(line: bytes) -> Imported:
    """What `line_of` made of a letter; raises BadEntry if it is none."""
    try:
        told = json.loads(line)
    except RecursionError:
        raise BadEntry("nested too deeply") from None
    except ValueError as error:
        raise BadEntry(f"no JSON: {error!s:.200}") from None
    if not isinstance(told, dict) or told.get("version") != VERSION:
        raise BadEntry(f"no dead letter of version {VERSION}")
    fields = told.get("fields")
    if not isinstance(fields, dict) or not fields:
        raise BadEntry("no fields")
    return Imported(mark_of(line.strip()), [*_flat(fields)])


def _flat(fields: dict[str, Any]) -> Iterator[bytes]:
    number = 0
    for field, given in fields.items():
        for value in given if isinstance(given, list) else [given]:
            number += 1
            if not isinstance(value, str):
                raise BadEntry(f"the field {field!r:.100} is no text")
            if number > MOST_FIELDS:
                raise BadEntry(f"more than {MOST_FIELDS} fields")
            yield _bytes(field)
            yield _bytes(value)


def _bytes(text: str) -> bytes:
    try:
        return text.encode(errors="surrogateescape")
    except UnicodeEncodeError as error:
        raise BadEntry(f"{text[error.start]!r} stands for no byte") from None


def checked(lines: Iterable[bytes]) -> int:
    """How many letters there are in these lines, of which some may be empty; raises BadEntry, which
    names the line, for one that is none."""
    total = 0
    for number, line in enumerate(lines, 1):
        try:
            if line.strip():
                letter_in(line)
                total += 1
        except BadEntry as error:
            raise BadEntry(f"line {number}: {error}") from None
    return total


def add(desk: Desk, queue: str, lines: Iterable[bytes], total: int) -> Generator[Added, None, None]:
    """Make dead letters of these lines, which were `checked`, so many; in batches; yields what has
    been done so far. The same lines again add what was not added within a day. Raises what is in
    `link.ServerTrouble`."""
    so_far = Added(total)
    given = (letter_in(line) for line in lines if line.strip())
    with audited(desk, "import", queue) as doing:
        for batch in letters.batches(given):
            doing.count += letters.add(desk.link, queue, batch)
            so_far = replace(so_far, looked=so_far.looked + len(batch), number=doing.count)
            yield so_far
    yield replace(so_far, trouble=doing.trouble)
