"""Dead letters, many at once: found, put back, brought elsewhere and here again, trimmed."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from .. import pace
from . import scripts
from .calls import answers_to, read_all, run_all
from .entry import LATEST, LONGEST_ID, Entry, Suspicion
from .keys import Keys, text_of_name
from .link import Link
from .looks import Seen, look, looking, spellings

AT_ONCE = 200
"""Letters that are moved in one request, at most."""

ENOUGH_BYTES = 1 << 20
"""Of payloads, after which a request moves no more: the server does nothing else meanwhile."""

MOST_FIELDS = 1000
"""Of a letter that is imported: a script takes no more at once, and ours have ten."""

EVERY = 1000
"""Letters that one request looks at, at most, and returns."""

IMPORTS_KEPT = int(pace.TRASH_KEPT * 1000)
"""Milliseconds."""


@dataclass(frozen=True)
class Letter:
    """As far as it is told: the beginning of its ``payload``, which has ``size`` bytes, and of its
    other fields as texts, but for the traceback. ``at``: when it was buried, Unix time in seconds
    by the server's clock."""

    name: str
    payload: bytes
    size: int
    fields: Mapping[str, str] = field(default_factory=dict)

    @property
    def at(self) -> float:
        return int(self.name.partition("-")[0]) / 1000

    @property
    def reason(self) -> str:
        return self.fields.get("reason", "")

    @property
    def error(self) -> str:
        return self.fields.get("error", "")


class Portion(NamedTuple):
    """Of the letters: those that were found, and how many have been looked at so far, of how many
    that are there."""

    found: list[Letter]
    looked: int
    there: int


class Back(NamedTuple):
    """How many letters were put back; and the names of those that have no payload, and stay."""

    number: int
    left: list[str]


class Full(NamedTuple):
    """A letter with all that it has, in its order: a field may come again."""

    name: str
    fields: Sequence[tuple[bytes, bytes]]

    @property
    def size(self) -> int:
        return sum(len(value) for _, value in self.fields)


L = TypeVar("L", Letter, Full)


# Finding.


def portions(
    link: Link, queue: str, *, first: str = "-", last: str = "+", text: str = ""
) -> Iterator[Portion]:
    """The letters from ``first`` to ``last``, the oldest first, or those of them that have this
    text; in portions between which the server does other things. Raises what is in
    `link.ServerTrouble`."""
    texts = spellings(text) if text else ()
    looked, at = 0, first.encode()
    while (seen := look(link, Keys(queue).dead, "letters", at, EVERY, EVERY, texts)).looked:
        at, looked = seen.at, looked + seen.looked
        letters = [_letter(*told) for told in seen.found]
        yield Portion([one for one in letters if not _is_later(one.name, last)], looked, seen.there)
        if _is_later(at.decode(), last):
            return


def _is_later(name: str, last: str) -> bool:
    return last != "+" and _numbers(name) > _numbers(last)


def _numbers(name: str) -> tuple[int, int]:
    milliseconds, _, number = name.lstrip("(").partition("-")
    return int(milliseconds), int(number or 0)


def _letter(name: bytes, size: int, payload: bytes, *flat: bytes) -> Letter:
    texts = map(text_of_name, flat)
    fields = dict(zip(texts, texts, strict=True))
    return Letter(name.decode(), payload, size, fields)


def newest(link: Link, queue: str) -> str | None:
    """The name of the letter that came last; None: there is none. Raises likewise."""
    found = link.call("XREVRANGE", Keys(queue).dead, "+", "-", "COUNT", 1)
    return found[0][0].decode() if found else None


def excerpts(link: Link, queue: str, names: Sequence[str]) -> list[Letter]:
    """Those of these letters that are there, in one round trip. Raises likewise."""
    key = Keys(queue).dead
    replies = read_all(link, [looking(key, "letters", name.encode(), 1, 1) for name in names])
    found: list[Letter] = []
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
        found += [_letter(*told) for told in Seen(*reply).found]
    return [letter for letter in found if letter.name in names]


def named(link: Link, queue: str, names: Sequence[str]) -> list[Full]:
    """Those of these letters that are there, whole, in one round trip. Raises likewise."""
    key = Keys(queue).dead
    pages = answers_to(link, [("XRANGE", key, name, name) for name in names])
    return [_full(name, flat) for page in pages for name, flat in page]


def _full(name: bytes, flat: list[bytes]) -> Full:
    return Full(name.decode(), [*zip(flat[::2], flat[1::2], strict=True)])


def batches(letters: Iterable[L], most: int = AT_ONCE) -> Iterator[list[L]]:
    """What one request moves, of ``most`` letters."""
    batch: list[L] = []
    size = 0
    for letter in letters:
        batch.append(letter)
        size += letter.size
        if len(batch) == most or size >= ENOUGH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


# Putting back.


def requeue(link: Link, queue: str, letters: Sequence[Letter], delay: float = 0) -> Back:
    """Put the payloads of these letters, AT_ONCE at most, back into the queue, as a producer would;
    or after so many seconds. Each is put back once, whoever else does the same. Raises likewise."""
    milliseconds = int(delay * 1000)
    headers = (_header(queue, letter) if milliseconds else b"" for letter in letters)
    parts = zip((letter.name for letter in letters), headers, strict=True)
    return _requeue(link, queue, milliseconds, [(name, header, b"") for name, header in parts])


def requeue_changed(link: Link, queue: str, name: str, payload: bytes) -> Back:
    """Put this payload into the queue in the place of the letter's, if that is there still. Raises
    likewise."""
    return _requeue(link, queue, 0, [(name, b"", b"=" + payload)])


def _requeue(
    link: Link, queue: str, milliseconds: int, letters: list[tuple[str, bytes, bytes]]
) -> Back:
    arguments = [milliseconds, *(part for letter in letters for part in letter)]
    back, left = link.run(scripts.REQUEUE, Keys(queue).of_script(None), arguments)
    return Back(back, [name.decode() for name in left])


def _header(queue: str, letter: Letter) -> bytes:
    """What is delayed is told apart from others of the same payload by its id. Nobody is charged
    anew: the last delivery that is counted is that which did not happen, as of a suspect."""
    given = letter.fields.get("id", "")
    is_usable = given.isprintable() and 0 < len(given) <= LONGEST_ID
    name = given if is_usable else f"{queue}/{letter.name}"
    at = min(letter.at, LATEST / 2)
    return Entry(b"", name, 0, at, "put back by an operator", Suspicion.HELD).header


# Elsewhere, and here again.


class NoLetter(ValueError):
    """A line is no letter that was exported; says why."""


def exported(letter: Full) -> str:
    """A line of ASCII; bytes that are no UTF-8 are kept."""
    fields = [[_text(part) for part in pair] for pair in letter.fields]
    return json.dumps({"letter": letter.name, "fields": fields})


def _text(value: bytes) -> str:
    return value.decode(errors="surrogateescape")


def imported(line: str) -> Full:
    """The letter in such a line; raises NoLetter."""
    try:
        found = json.loads(line)
        fields = found["fields"]
        pairs = [*fields.items()] if isinstance(fields, dict) else [(n, v) for n, v in fields]
        letter = Full(str(found["letter"]), [(_bytes(n), _bytes(v)) for n, v in pairs])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise NoLetter("it is no letter that was exported") from None
    if not 0 < len(letter.fields) <= MOST_FIELDS:
        raise NoLetter(f"it has {len(letter.fields)} fields, not 1 to {MOST_FIELDS}")
    return letter


def _bytes(text: Any) -> bytes:
    if not isinstance(text, str):
        raise TypeError
    return text.encode(errors="surrogateescape")


def bring_in(link: Link, queue: str, letters: Sequence[Full]) -> int:
    """Add letters that were exported, AT_ONCE at most, to the dead letters, unless that was done
    in the last day; returns how many were. Raises likewise."""
    arguments: list[Any] = [IMPORTS_KEPT]
    for letter in letters:
        parts = [part for pair in letter.fields for part in pair]
        arguments += [_digest(letter), len(parts), *parts]
    added: int = link.run(scripts.IMPORT, Keys(queue).of_imports(), arguments)
    return added


def _digest(letter: Full) -> str:
    return hashlib.sha1(exported(letter).encode(), usedforsecurity=False).hexdigest()


# Trimming.


def trim(link: Link, queues: Sequence[str], most: int) -> list[int | Exception]:
    """Throw the oldest letters of each of these queues away, but for so many; returns how many they
    were, in one round trip; what is wrong with one queue alone is told in its place. Raises
    likewise."""
    return run_all(link, [(scripts.TRIM, Keys(q).of_script(None), [most]) for q in queues])


GROUPED = re.compile(
    r"""0x[0-9a-fA-F]+|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|'[^']*'|"[^"]*"|\d+"""
)
"""What tells errors of one kind from each other: numbers, addresses, ids, what is quoted."""

LONGEST_KIND = 200
"""Characters of an error that tell its kind."""


def kind_of(letter: Letter) -> str:
    """The same for letters that died of the same; for people, too."""
    error = letter.error.partition("\n")[0][:LONGEST_KIND]
    return ": ".join(filter(None, (letter.reason, GROUPED.sub("…", error))))


def name_of_kind(kind: str) -> str:
    """Short, and always the same."""
    encoded = kind.encode(errors="surrogateescape")
    return hashlib.sha1(encoded, usedforsecurity=False).hexdigest()[:6]
