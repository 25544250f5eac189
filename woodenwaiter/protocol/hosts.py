"""What a supervisor tells of itself to whoever looks: a document, in JSON.

All times in it are seconds before it was written: hosts' clocks differ, and the server says when it
was. What a later release adds, this one leaves out; where it means something else, VERSION is
another.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields, replace
from itertools import accumulate
from typing import Any, NoReturn, TypeVar

VERSION = 1

MOST_BYTES = 1 << 16
"""Of a document. What has no room is left out: the last hour, then what happened of late; of the
last queues what was done, then they themselves, then who runs the newest tasks. Queues and tasks
that are left out are counted."""

HOUR = 60
"""Minutes, of which a document tells what was used."""

MOST_EVENTS = 20

MOST_TEXT = 200
"""Characters of what is told of one."""

MOST_NUMBER = 1 << 53
"""What JSON's readers agree on."""


class Unreadable(ValueError):
    """This is no such document, or one that a later release wrote; it says which."""


@dataclass(frozen=True)
class Crew:
    """The workers of one queue: from how many to how many there may be, and how many are in which
    state. ``running``: a task; the others have none, and are ``quiet`` where they are told to take
    no more.

    Of all that its supervisor has had, since that began: ``restarts``, how many were replaced, by
    why; ``tally``, what became of their tasks, by name; the ``busy`` seconds in these, the ``cpu``
    seconds in all; and ``times``, how many handlers took how long: the counts of the first ranges,
    each of which ends at twice the microseconds of the one before, and the first at one. What is
    zero is left out."""

    queue: str
    least: int
    most: int
    starting: int = 0
    idle: int = 0
    running: int = 0
    quiet: int = 0
    leaving: int = 0
    restarts: Mapping[str, int] = field(default_factory=dict)
    tally: Mapping[str, int] = field(default_factory=dict)
    busy: float = 0.0
    cpu: float = 0.0
    times: tuple[int, ...] = ()

    @property
    def workers(self) -> int:
        return self.starting + self.idle + self.running + self.quiet + self.leaving

    @property
    def bare(self) -> Crew:
        """Without what they did."""
        return replace(self, tally={}, busy=0.0, cpu=0.0, times=())


@dataclass(frozen=True)
class Running:
    """A worker that runs a task.

    ``claim``: what the log calls the task; ``seconds``: since it began; ``done``: tasks that the
    worker has done before; ``is_leaving``: whether this is its last. Of the task's progress:
    ``fraction`` and ``text``, and the seconds since it was ``told``. ``memory``: resident bytes,
    what it shares with others among them; ``cpu``: per cent of one, since the document before;
    ``children``: processes that it has; None: nobody knows.
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
    children: int | None = None

    @property
    def essence(self) -> Running:
        """But for what changes all the time."""
        return replace(self, seconds=0.0, done=0, told=None, memory=None, cpu=None, children=None)


@dataclass(frozen=True)
class Hour:
    """What a supervisor's processes used in each of the last minutes, HOUR at most: the latest one
    last, and the one in which it told so not among them. None: nobody knows. As in `Host`, but in
    whole numbers: ``cpu`` on average, and of ``memory`` the most, in MiB."""

    cpu: tuple[int | None, ...] = ()
    memory: tuple[int | None, ...] = ()


@dataclass(frozen=True)
class Event:
    """What happened to a supervisor, or happened again, so many ``seconds`` before it told of it.
    ``level``: info, warning or error; ``text``: of MOST_TEXT characters at most, fit to be shown if
    a supervisor wrote it."""

    seconds: float
    level: str
    text: str

    @property
    def essence(self) -> Event:
        """But for what changes all the time."""
        return replace(self, seconds=0.0)


@dataclass(frozen=True)
class Host:
    """A supervisor and its workers for one server.

    ``host``: where it runs; ``pid``: its own; ``release``: of this package; ``up``: seconds since
    it began; ``settings``: by name; ``started``: workers so far, for all of its queues, ``alive``:
    of these; ``cpu`` and ``memory``: as in `Running`, of all its processes together, and of the
    largest, as far as they were measured; ``workers``: those that run a task, the longest running
    one first. So many queues and workers more had no room in the document. ``state``: serving,
    quiet, where no worker is to claim anything for now, or draining; empty where an earlier release
    does not tell. ``hour``: what it used of late; ``events``: what happened, the latest one first,
    MOST_EVENTS at most.
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
    state: str = ""
    hour: Hour = field(default_factory=Hour)
    events: tuple[Event, ...] = ()

    @property
    def essence(self) -> Host:
        """But for what changes all the time."""
        return replace(
            self,
            up=0.0,
            cpu=None,
            memory=None,
            queues=tuple(crew.bare for crew in self.queues),
            workers=tuple(worker.essence for worker in self.workers),
            hour=Hour(),
            events=tuple(event.essence for event in self.events),
        )


T = TypeVar("T", Crew, Running)


def encoded(host: Host) -> bytes:
    """As JSON, in no more than MOST_BYTES."""
    text = _json({"version": VERSION, **vars(host)})
    if len(text) <= MOST_BYTES:
        return text
    if host.hour != Hour():
        return encoded(replace(host, hour=Hour()))
    if host.events:
        return encoded(replace(host, events=()))
    if not (host.queues or host.workers):
        return text
    bare = replace(host, queues=(), workers=())
    room = MOST_BYTES - len(encoded(bare)) - len(str(MOST_NUMBER)) * 2
    queues = _fitting_crews(host.queues, max(room // 2, room - len(_json(host.workers))))
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


def _fitting_crews(crews: Sequence[Crew], room: int) -> tuple[Crew, ...]:
    """The first of them, and what the first of these did, that take no more bytes."""
    bare = _fitting([crew.bare for crew in crews], room)
    left = room - sum(len(_json(crew)) + 1 for crew in bare)
    more = accumulate(len(_json(w)) - len(_json(b)) for w, b in zip(crews, bare, strict=False))
    return tuple(w if m <= left else b for w, b, m in zip(crews, bare, more, strict=False))


def _json(value: object) -> bytes:
    return json.dumps(value, default=_told, separators=(",", ":")).encode()


def _told(part: Crew | Running | Hour | Event) -> dict[str, Any]:
    """But for what a reader takes it to be that is not told."""
    usual = USUAL[type(part)]
    return {name: value for name, value in vars(part).items() if value != usual[name]}


def _usual(of: Field[Any]) -> Any:
    return of.default if of.default_factory is MISSING else of.default_factory()


USUAL: Mapping[type, Mapping[str, Any]] = {
    kind: {each.name: _usual(each) for each in fields(kind)}
    for kind in (Crew, Running, Hour, Event)
}


def decoded(raw: bytes) -> Host:
    """Raises Unreadable."""
    return _read(Host, parsed(raw))


def parsed(raw: bytes) -> dict[str, Any]:
    """A document of this version, whatever it says. Raises Unreadable."""
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
    return dict(found)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


KINDS: Mapping[str, Collection[type]] = {
    "str": {str},
    "bool": {bool},
    "int": {int},
    "int | None": {int, type(None)},
    "float": {int, float},
    "float | None": {int, float, type(None)},
    "Mapping[str, Any]": {dict},
    "Mapping[str, int]": {dict},
    "Hour": {dict},
    "tuple[int, ...]": {list},
    "tuple[int | None, ...]": {list},
    "tuple[Event, ...]": {list},
    "tuple[Crew, ...]": {list},
    "tuple[Running, ...]": {list},
}
"""What JSON may have for a field of this type."""

FIELDS: Mapping[type, Mapping[str, str]] = {
    kind: {each.name: str(each.type) for each in fields(kind)}
    for kind in (Host, Crew, Running, Hour, Event)
}
"""Their types, by their names."""

Document = TypeVar("Document", bound=Host | Crew | Running | Hour | Event)


def _read(kind: type[Document], given: object) -> Document:
    if not isinstance(given, dict):
        raise Unreadable(f"no document of a host: {kind.__name__} is none")
    types = FIELDS[kind]
    known = {name: value for name, value in given.items() if name in types}
    for name, value in known.items():
        its = type(value)
        if its not in KINDS[types[name]] or (
            (its is int or its is float) and not -MOST_NUMBER <= value <= MOST_NUMBER
        ):
            raise Unreadable(f"no document of a host: {name} is no such thing")
        if its is list or its is dict:
            known[name] = _parts(types[name], value)
    try:
        return kind(**known)
    except TypeError:
        raise Unreadable(f"no document of a host: {kind.__name__} lacks something") from None


def _parts(kind: str, given: Any) -> Any:
    return PARTS[kind](given) if kind in PARTS else given


def _crews(given: Sequence[Any]) -> tuple[Crew, ...]:
    return tuple(_read(Crew, each) for each in given)


def _tasks(given: Sequence[Any]) -> tuple[Running, ...]:
    return tuple(_read(Running, each) for each in given)


def _by_name(given: Mapping[str, Any]) -> Mapping[str, int]:
    require_counts(given.values())
    return given


def _counts(given: Sequence[Any]) -> tuple[int, ...]:
    require_counts(given)
    return tuple(given)


def _minutes(given: Sequence[Any]) -> tuple[int | None, ...]:
    require_counts([number for number in given if number is not None])
    if len(given) > HOUR:
        raise Unreadable("no document of a host: an hour has no such minutes")
    return tuple(given)


def _events(given: Sequence[Any]) -> tuple[Event, ...]:
    events = tuple(_read(Event, each) for each in given[: MOST_EVENTS + 1])
    if len(events) > MOST_EVENTS or any(len(event.text) > MOST_TEXT for event in events):
        raise Unreadable("no document of a host: there are no such events")
    return events


PARTS: Mapping[str, Callable[[Any], Any]] = {
    "tuple[Crew, ...]": _crews,
    "tuple[Running, ...]": _tasks,
    "tuple[Event, ...]": _events,
    "Hour": lambda given: _read(Hour, given),
    "Mapping[str, int]": _by_name,
    "tuple[int, ...]": _counts,
    "tuple[int | None, ...]": _minutes,
}
"""What reads what a field of this type has, where that has parts. Each raises Unreadable."""


def require_counts(given: Collection[Any]) -> None:
    """Raises Unreadable for anything else."""
    if not (
        {*map(type, given)} <= {int}
        and min(given, default=0) >= 0
        and max(given, default=0) <= MOST_NUMBER
    ):
        raise Unreadable("no document of a host: there are no such counts")
