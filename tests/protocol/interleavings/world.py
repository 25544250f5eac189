"""What a moment consists of: the server's contents, the workers, what may still go wrong."""

from __future__ import annotations

import copy
from enum import Enum
from functools import cache
from types import ModuleType
from typing import Any, NamedTuple

from woodenwaiter.processes.books import Books
from woodenwaiter.processes.diary import DIARY_BYTES, Diary
from woodenwaiter.processes.row import ROW_BYTES, Cause, Row

from .server import Contents, Entries, Failed, Request, task_of

LATER = 1e9
"""When a sleeping worker claims, though nothing rang."""


class Minds:
    """The states that workers' `Claims` have been in, by number, and what they decided there.

    ``module``: the one whose class is explored: the product's, or a mutant of it.
    """

    def __init__(self, module: ModuleType) -> None:
        self._make = module.Claims
        constant = {"_names", "_most"}
        self._fields = [name for name in module.Claims.__slots__ if name not in constant]
        self._claims: list[Any] = []
        self._numbers: dict[tuple[Any, ...], int] = {}
        self._known: dict[tuple[Any, ...], tuple[Any, int]] = {}
        self._steps: dict[tuple[Any, ...], tuple[tuple[Any, ...], int]] = {}

    def new(self, letter: str, want: int) -> int:
        """Of a worker that has just begun, or has seen enough fast tasks to ask for several."""
        claims = self._make(lambda generation: letter + "'" * generation)
        claims.want = want
        return self._number(claims)

    def __getitem__(self, number: int) -> Any:
        """To be looked at, not to be changed."""
        return self._claims[number]

    def do(self, number: int, method: str, *given: Any, **flags: Any) -> tuple[Any, int]:
        """What a method returns, and the state after it."""
        key = (number, method, given, *flags.items())
        if key not in self._known:
            claims = copy.copy(self._claims[number])
            answer = getattr(claims, method)(*given, **flags)
            self._known[key] = answer, self._number(claims)
        return self._known[key]

    def steps(self, number: int, *, quiet: bool, leaving: bool) -> tuple[tuple[Any, ...], int]:
        """What it does next, now or when it wakes up by itself, and the state after asking."""
        key = (number, quiet, leaving)
        if key not in self._steps:
            flags = {"quiet": quiet, "leaving": leaving}
            steps = [self.do(number, "next", now, **flags) for now in (0.0, LATER)]
            self._steps[key] = tuple(dict.fromkeys(step for step, _ in steps)), steps[0][1]
        return self._steps[key]

    def with_tokens(self, number: int, token: int, tried: int) -> int:
        """The same state, but for the numbers of its tokens."""
        claims = copy.copy(self._claims[number])
        claims.token, claims._tried = token, tried
        return self._number(claims)

    def _number(self, claims: Any) -> int:
        if not claims._batch:  # what is said of the last one means nothing any more
            claims._position, claims._careful = 0, False
            claims._begun = claims._began = claims._until = 0.0
        state = (claims._names(0), *(getattr(claims, name) for name in self._fields))
        number = self._numbers.setdefault(state, len(self._claims))
        if number == len(self._claims):
            self._claims.append(claims)
        return number


class Words(NamedTuple):
    """What a row of the scoreboard says that matters here."""

    letter: str
    generation: int = 0
    started: int = 0
    completed: int = 0
    first: int = 0
    last: int = 0
    token: int = 0
    unwanted: int = 0

    @property
    def owner(self) -> str:
        return self.letter + "'" * self.generation


@cache
def row_of(words: Words) -> Row:
    """The product's own, with these words in it; not to be written to."""
    return new_row(words)


def new_row(words: Words) -> Row:
    diary = Diary(memoryview(bytearray(DIARY_BYTES)))
    row = _Row(memoryview(bytearray(ROW_BYTES)), "", diary, Books(queues=1))
    row.open(0, 0, 1)
    row.hold(words.first, words.last)
    row.begin(words.started, 0.0)
    row.finish(words.completed)
    row.stand_on(words.token)
    row.cancellation.ask(words.unwanted, "me")
    row.close(0, Cause.CHARGED)
    row.named = words.owner
    return row


class _Row(Row):
    named = ""

    @property
    def owner(self) -> str:
        return self.named


class Life(Enum):
    """Where a worker is. ``JUDGED``: dead, and its housekeeper knows what to charge; ``GONE``: and
    recovered; ``PERISHED``: with its host, row and all."""

    ALIVE = 1
    DEAD = 2
    JUDGED = 3
    GONE = 4
    PERISHED = 5


class Worker(NamedTuple):
    """``mind``: the number of its `Claims`' state; ``running``: the entry in its handler, or whose
    failure is yet to be told; ``took``: seconds for which that one was seen running;
    ``rung``: its wait has moved an entry, its claim is still to come; ``quiet``, ``leaving``: what
    it was told; ``lapsed``: its claims were given to others;
    ``moved``: what its commands in front of a claim have moved so far; None: it sends no such;
    ``through``: how many claims the last one that was answered brought it to; ``unsure``: the
    generation for which such commands may come late;
    ``failed``: the verdict of its housekeeper on what it died of.
    """

    row: Words
    mind: int
    life: Life = Life.ALIVE
    running: bytes | None = None
    took: float = 0.0
    rung: bool = False
    quiet: bool = False
    leaving: bool = False
    lapsed: bool = False
    failed: Failed | None = None
    moved: tuple[Any, ...] | None = None
    through: int = 0
    unsure: int = -1

    @property
    def letter(self) -> str:
        return self.row.letter


class Faults(NamedTuple):
    """How often each may happen on one path.

    ``crashes``: a worker is killed; ``hosts``: with its housekeeper;
    ``lost``: a script ran, but its caller saw an error, and asks again;
    ``late``: its caller saw an error, and the script runs at any time after;
    ``expiries``: of a lease whose worker lives; ``slow``: a task that two looks see running;
    ``failures``: of a handler; ``rests``: a worker is told to be quiet, and to go on;
    ``pushes``: tasks that come while others run already; ``drains``: workers told to leave;
    ``rollbacks``: the server comes back with what it had some steps ago; ``swaps``: another server
    answers, which has what this one had some steps ago, and the two change places;
    ``cancels``: of a task that runs; whoever is to end it may see that only when another does;
    ``moves``: claims with commands in front of them that move what seems to be large;
    ``pauses``: of the queue, which is resumed at any time after.
    """

    crashes: int = 0
    hosts: int = 0
    lost: int = 0
    late: int = 0
    expiries: int = 0
    slow: int = 0
    failures: int = 0
    rests: int = 0
    pushes: int = 0
    drains: int = 2
    rollbacks: int = 0
    swaps: int = 0
    moves: int = 0
    cancels: int = 0
    pauses: int = 0


class Task(NamedTuple):
    """What happened to a task, and what may. ``startable``: a first start, or an excused other one;
    ``charges``: failures that justify a delivery in its header; ``unwanted``: it was cancelled."""

    begun: bool = False
    handled: bool = False
    startable: bool = True
    charges: int = 0
    unwanted: bool = False


class Expiry(NamedTuple):
    """An owner whose lease ran out, as a housekeeper saw it a moment ago."""

    owner: str
    settled: int
    failed: Failed | None


class World(NamedTuple):
    contents: Contents
    workers: tuple[Worker, ...]
    tasks: tuple[Task, ...]
    faults: Faults
    late: tuple[Request, ...] = ()
    expiry: Expiry | None = None
    other: Contents | None = None
    deaths: int = 0  # of the host

    # Millions are made: `_replace` would take most of the time.

    def with_contents(self, contents: Contents) -> World:
        return World(contents, *self[1:])

    def with_workers(self, index: int, worker: Worker) -> World:
        workers = (*self.workers[:index], worker, *self.workers[index + 1 :])
        return World(self.contents, workers, *self[2:])

    def spend(self, fault: str) -> World:
        return self._replace(
            faults=self.faults._replace(**{fault: getattr(self.faults, fault) - 1})
        )

    def with_late(self, *requests: Request) -> World:
        return self._replace(late=tuple(sorted((*self.late, *requests), key=repr)))

    def with_worker(self, index: int, **changes: Any) -> World:
        return self.with_workers(index, self.workers[index]._replace(**changes))

    def ending(self, index: int, life: Life, failed: Failed | None = None) -> World:
        """What is left of a worker: the row."""
        worker = self.workers[index]
        row = worker.row._replace(first=0, last=0)
        return self.with_workers(index, Worker(row, 0, life, lapsed=worker.lapsed, failed=failed))

    def with_task(self, raw: bytes, **changes: Any) -> World:
        number = int(task_of(raw)) - 1
        tasks = list(self.tasks)
        tasks[number] = tasks[number]._replace(**changes)
        return self._replace(tasks=tuple(tasks))

    def task(self, raw: bytes) -> Task:
        return self.tasks[int(task_of(raw)) - 1]

    def charge(self, raw: bytes) -> World:
        return self.with_task(raw, charges=self.task(raw).charges + 1)

    def excuse(self, entries: Entries) -> World:
        """These may start once more."""
        world = self
        for raw in entries:
            world = world.with_task(raw, startable=True)
        return world
