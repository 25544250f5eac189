"""What a supervisor tells of itself to whoever looks: a document, in JSON.

All times in it are seconds before it was written: hosts' clocks differ, and the server says when it
was. What a later release adds, this one leaves out; where it means something else, VERSION is
another.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, replace
from itertools import accumulate
from typing import Any, NoReturn, TypeVar

VERSION = 1

MOST_BYTES = 1 << 16
"""Of a document: what has no room is counted, queues first, then who runs the newest tasks."""

MOST_NUMBER = 1 << 53
"""What JSON's readers agree on. No NaN is as small."""


class Unreadable(ValueError):
    """This is no such document, or one that a later release wrote; it says which."""


@dataclass(frozen=True)
class Crew:
    """The workers of one queue: from how many to how many there may be, and how many are in which
    state. ``running``: a task; the others have none, and are ``quiet`` where they are told to take
    no more."""

    queue: str
    least: int
    most: int
    starting: int = 0
    idle: int = 0
    running: int = 0
    quiet: int = 0
    leaving: int = 0

    @property
    def workers(self) -> int:
        return self.starting + self.idle + self.running + self.quiet + self.leaving


@dataclass(frozen=True)
class Running:
    """A worker that runs a task.

    ``claim``: what the log calls the task; ``seconds``: since it began; ``done``: tasks that the
    worker has done before; ``is_leaving``: whether this is its last. Of the task's progress:
    ``fraction`` and ``text``, and the seconds since it was ``told``. ``memory``: resident bytes,
    what it shares with others among them; ``cpu``: per cent of one, since the document before;
    None: nobody knows.
    """

    queue: str
    slot: int
    pid: int
    claim: str
    seconds: float
    done: int
    is_leaving: bool = False
    fraction: float | None = None
    text: str = ""
    told: float | None = None
    memory: int | None = None
    cpu: float | None = None

    @property
    def essence(self) -> Running:
        """But for what changes all the time."""
        return replace(self, seconds=0.0, done=0, told=None, memory=None, cpu=None)


@dataclass(frozen=True)
class Host:
    """A supervisor and its workers for one server.

    ``host``: where it runs; ``pid``: its own; ``release``: of this package; ``up``: seconds since
    it began; ``settings``: by name; ``started``: workers so far, for all of its queues, ``alive``:
    of these; ``cpu`` and ``memory``: as in `Running`, of all its processes together, and of the
    largest, as far as they were measured; ``workers``: those that run a task, the longest running
    one first. So many queues and workers more had no room in the document.
    """

    host: str
    pid: int
    release: str
    up: float
    started: int
    alive: int
    settings: Mapping[str, Any] = field(default_factory=dict)
    cpu: float | None = None
    memory: int | None = None
    queues: tuple[Crew, ...] = ()
    workers: tuple[Running, ...] = ()
    more_queues: int = 0
    more_workers: int = 0

    @property
    def essence(self) -> Host:
        """But for what changes all the time."""
        workers = tuple(worker.essence for worker in self.workers)
        return replace(self, up=0.0, cpu=None, memory=None, workers=workers)


T = TypeVar("T", Crew, Running)


def encoded(host: Host) -> bytes:
    """As JSON, in no more than MOST_BYTES."""
    text = _json({"version": VERSION, **_sparse(host)})
    if len(text) <= MOST_BYTES or not (host.queues or host.workers):
        return text
    bare = replace(host, queues=(), workers=())
    room = MOST_BYTES - len(encoded(bare)) - len(str(MOST_NUMBER)) * 2
    queues = _fitting(host.queues, room // 2)
    workers = _fitting(host.workers, room - len(_json(queues)))
    return encoded(
        replace(
            bare,
            queues=queues,
            workers=workers,
            more_queues=host.more_queues + len(host.queues) - len(queues),
            more_workers=host.more_workers + len(host.workers) - len(workers),
        )
    )


def _fitting(items: Sequence[T], room: int) -> tuple[T, ...]:
    """The first of them that take no more bytes."""
    ends = accumulate(len(_json(item)) + 1 for item in items)
    return tuple(item for item, end in zip(items, ends, strict=True) if end <= room)


def _json(value: object) -> bytes:
    return json.dumps(value, default=_sparse, separators=(",", ":")).encode()


def _sparse(part: Host | Crew | Running) -> dict[str, Any]:
    """But for what is as it is by default: it takes up half of a document."""
    defaults = DEFAULTS[type(part)]
    return {
        name: value
        for name, value in vars(part).items()
        if name not in defaults or value != defaults[name]
    }


def decoded(raw: bytes) -> Host:
    """Raises Unreadable."""
    if len(raw) > MOST_BYTES:
        raise Unreadable(f"no document of a host: it has {len(raw):,} bytes")
    try:
        found = json.loads(raw, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise Unreadable("no document of a host: it is no JSON") from None
    version = found.get("version") if isinstance(found, dict) else None
    if not isinstance(version, int) or version < 1:
        raise Unreadable("no document of a host: it has no version")
    if version > VERSION:
        raise Unreadable("a later release has written it, in another way")
    return _read(Host, found)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


NUMBERS = (int, float)

KINDS: Mapping[str, tuple[type, ...]] = {
    "str": (str,),
    "bool": (bool,),
    "int": (int,),
    "int | None": (int, type(None)),
    "float": NUMBERS,
    "float | None": (*NUMBERS, type(None)),
    "Mapping[str, Any]": (dict,),
}
"""What JSON may have for a field of this type."""

PARTS: Mapping[str, type[Crew] | type[Running]] = {
    "tuple[Crew, ...]": Crew,
    "tuple[Running, ...]": Running,
}

TYPES: Mapping[type, Mapping[str, str]] = {
    kind: {each.name: str(each.type) for each in fields(kind)} for kind in (Host, Crew, Running)
}
"""Of the fields of each."""

DEFAULTS: Mapping[type, Mapping[str, Any]] = {
    kind: {each.name: each.default for each in fields(kind) if each.default is not MISSING}
    for kind in (Host, Crew, Running)
}

Document = TypeVar("Document", bound=Host | Crew | Running)


def _read(kind: type[Document], given: object) -> Document:
    if not isinstance(given, dict):
        raise Unreadable(f"no document of a host: {kind.__name__} is none")
    known = [(name, of) for name, of in TYPES[kind].items() if name in given]
    try:
        return kind(**{name: _value(name, of, given[name]) for name, of in known})
    except TypeError:
        raise Unreadable(f"no document of a host: {kind.__name__} lacks something") from None


def _value(name: str, kind: str, given: object) -> Any:
    if kind in PARTS and isinstance(given, list):
        return tuple(_read(PARTS[kind], each) for each in given)
    is_possible = isinstance(given, KINDS.get(kind, ()))
    if not is_possible or (isinstance(given, NUMBERS) and not abs(given) <= MOST_NUMBER):
        raise Unreadable(f"no document of a host: {name} is no such thing")
    return given
