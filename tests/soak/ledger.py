"""What happened to every task, in a file outside Redis; and whether it may have happened so."""

from __future__ import annotations

import json
import math
import os
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import astuple, dataclass, field
from pathlib import Path

SETTLED_WITHIN = 3.0
"""Seconds from a run's end until Redis knows of it, with a short outage between."""

Worker = tuple[int, int]  # the pid, and how many workers have had it so far


@dataclass(frozen=True, slots=True)
class Record:
    """One event, ``at`` monotonic seconds, and as much of the rest as ``what`` needs.

    ==========  ====================================================================================
    pushing     a producer is about to push ``task`` of this ``kind``
    pushed      Redis said that it has it; without this, the outcome is unknown
    born        a worker with this ``pid`` starts on this ``host``
    start       ``pid`` on ``host`` starts with ``task``, at its delivery ``number``
    end         ``pid`` is done with ``task``
    failing     ``pid`` is about to let ``task`` fail, maybe by its own death, or ``until`` then
    doomed      ``pid`` is about to die of what it ran, or of a fault
    orphaned    ``pid`` is about to lose its supervisor: what it runs may end uncharged
    stopped     ``pid`` is made to stand still ``until``, in the middle of a task with a time limit
    lapse       leases of ``host`` may run out ``until``, or it is dead
    kept        what comes from now on, the server may forget
    rollback    it has forgotten it; ``until`` then, everybody knows
    ==========  ====================================================================================
    """

    at: float
    what: str
    task: str = ""
    kind: str = ""
    pid: int = 0
    host: str = ""
    number: int = 0
    until: float = 0.0

    def dump(self) -> bytes:
        return json.dumps(astuple(self)).encode() + b"\n"


class Ledger:
    """The file, for any number of writers. It is opened for each record, as handlers may close all
    descriptors, and written to with one call, so that no death cuts a line."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def note(
        self,
        what: str,
        task: str = "",
        kind: str = "",
        *,
        pid: int = 0,
        host: str = "",
        number: int = 0,
        until: float = 0.0,
    ) -> None:
        record = Record(time.monotonic(), what, task, kind, pid, host, number, until)
        fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(fd, record.dump())
        finally:
            os.close(fd)

    def __iter__(self) -> Iterator[Record]:
        with self.path.open("rb") as lines:
            for line in lines:
                yield Record(*json.loads(line))


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter, as far as the ledger is concerned. ``is_cancelled``: by an operator."""

    task: str
    deliveries: int
    is_cancelled: bool = False


@dataclass(slots=True)
class Run:
    """One start of a task. ``finish``: when it was over, at the latest."""

    task: str
    worker: Worker
    host: str
    number: int
    start: float
    finish: float = math.inf
    ended: bool = False
    failed: bool = False

    def overlaps(self, period: Period) -> bool:
        return self.start <= period.until and self.finish + SETTLED_WITHIN >= period.at


@dataclass(frozen=True, slots=True)
class Period:
    at: float
    until: float


@dataclass(slots=True)
class Task:
    kind: str = ""
    pushing_at: float = math.inf
    pushed: bool = False
    runs: list[Run] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)

    @property
    def completed(self) -> bool:
        return any(run.ended for run in self.runs)


class History:
    """The records, sorted by what they are about."""

    def __init__(self, records: Iterable[Record], letters: Iterable[Letter]) -> None:
        self.tasks: dict[str, Task] = defaultdict(Task)
        self.last_run: dict[Worker, Run] = {}
        self.doomed: dict[Worker, float] = {}
        self.orphaned: set[Worker] = set()
        self.stopped: dict[Worker, list[Period]] = defaultdict(list)
        self.lapses: dict[str, list[Period]] = defaultdict(list)
        self.rollbacks: list[Period] = []
        self._births: Counter[int] = Counter()
        for record in records:
            getattr(self, f"_{record.what}")(record)
        for letter in letters:
            self.tasks[letter.task].letters.append(letter)

    def _worker(self, record: Record) -> Worker:
        return record.pid, self._births[record.pid]

    def _pushing(self, record: Record) -> None:
        task = self.tasks[record.task]
        task.kind, task.pushing_at = record.kind, record.at

    def _pushed(self, record: Record) -> None:
        self.tasks[record.task].pushed = True

    def _born(self, record: Record) -> None:
        self._births[record.pid] += 1

    def _start(self, record: Record) -> None:
        worker = self._worker(record)
        before = self.last_run.get(worker)
        if before and before.finish == math.inf:
            before.finish = record.at
        run = Run(record.task, worker, record.host, record.number, record.at)
        self.last_run[worker] = run
        self.tasks[record.task].runs.append(run)

    def _end(self, record: Record) -> None:
        run = self._current(record)
        run.ended, run.finish = True, record.at

    def _failing(self, record: Record) -> None:
        run = self._current(record)
        run.failed, run.finish = True, max(record.at, record.until)

    def _current(self, record: Record) -> Run:
        run = self.last_run[self._worker(record)]
        if run.task != record.task:
            raise ValueError(f"{record} is about another task than the worker's {run}")
        return run

    def _doomed(self, record: Record) -> None:
        self.doomed[self._worker(record)] = record.at

    def _orphaned(self, record: Record) -> None:
        self.orphaned.add(self._worker(record))

    def _stopped(self, record: Record) -> None:
        self.stopped[self._worker(record)].append(Period(record.at, record.until))

    def _kept(self, record: Record) -> None:
        self._kept_at = record.at

    def _rollback(self, record: Record) -> None:
        self.rollbacks.append(Period(self._kept_at, record.until))

    def was_forgotten(self, task: Task) -> bool:
        """Whether a server that was told of the task may not know it any more."""
        return any(p.at <= task.pushing_at <= p.until for p in self.rollbacks)

    def _lapse(self, record: Record) -> None:
        self.lapses[record.host].append(Period(record.at, record.until))


@dataclass
class Findings:
    """What the ledger shows: numbers, and what must not be."""

    tasks: int = 0
    unknown: int = 0
    runs: int = 0
    completed: int = 0
    buried: int = 0
    reruns: Counter[str] = field(default_factory=Counter)
    """Runs after which another one was all right, by their excuse; where there was another one."""
    problems: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Kinds of problems, and the tasks concerned."""


def check(
    records: Iterable[Record],
    letters: Iterable[Letter],
    *,
    fatal: Collection[str],
    max_deliveries: int,
) -> Findings:
    """Account for every task. ``fatal``: the kinds that are to end in the dead letters."""
    history = History(records, letters)
    findings = Findings()
    for name, task in history.tasks.items():
        excuses = [_excuse(run, history) for run in task.runs]
        _count(task, excuses, findings)
        for problem in _problems(task, excuses, history, fatal, max_deliveries):
            findings.problems[problem].append(name)
    return findings


FAILED = "the handler failed"


def _excuse(run: Run, history: History) -> str:
    """Why the task may have been run again after this run; "" for no reason."""
    fault = _fault(run, history)
    if run.failed:
        return f"{FAILED} amid a fault" if fault or _unsupervised(run, history) else FAILED
    return fault


def _fault(run: Run, history: History) -> str:
    if run.worker in history.doomed and history.last_run[run.worker] is run:
        return "the worker died"
    if any(run.overlaps(period) for period in history.stopped.get(run.worker, ())):
        return "the worker was stopped beyond the time limit"
    if any(run.overlaps(period) for period in history.lapses.get(run.host, ())):
        return "the host lost its leases"
    if any(run.overlaps(period) for period in history.rollbacks):
        return "the server came back with older data"
    return ""


def _unsupervised(run: Run, history: History) -> bool:
    return run.worker in history.orphaned and history.last_run[run.worker] is run


def _count(task: Task, excuses: list[str], findings: Findings) -> None:
    findings.tasks += 1
    findings.unknown += not task.pushed
    findings.runs += len(task.runs)
    findings.completed += task.completed
    findings.buried += bool(task.letters)
    findings.reruns.update(filter(None, excuses[:-1]))


def _problems(
    task: Task, excuses: list[str], history: History, fatal: Collection[str], max_deliveries: int
) -> Iterator[str]:
    if task.pushing_at == math.inf:
        yield "never pushed"
    is_known = (task.pushed or task.runs) and not history.was_forgotten(task)
    if is_known and not task.completed and not task.letters:
        yield "lost"
    if excuses.count("") > 1:
        yield "unexcused duplicate"
    if excuses.count(FAILED) > max_deliveries:
        yield "tried too often"
    if len(task.letters) > 1 + sum(excuse not in ("", FAILED) for excuse in excuses):
        yield "buried twice"
    is_doomed = task.kind in fatal or any(letter.is_cancelled for letter in task.letters)
    if task.letters and not is_doomed and len(task.runs) < max_deliveries:
        yield "buried without a cause"
    if any(letter.deliveries > max_deliveries for letter in task.letters):
        yield "buried too late"
    if task.completed and task.kind in fatal:
        yield "completed, though it cannot"
    if any(_overcharged(task, index, history) for index in range(len(task.runs))):
        yield "charged for what it did not do"


def _overcharged(task: Task, index: int, history: History) -> bool:
    """Whether more deliveries had failed before this run than there were runs. A worker may die
    when it has begun a task and not yet called the handler. When a host dies, nobody saw what it
    ran: then its oldest claims are charged, run or not."""
    run = task.runs[index]
    waited = Period(task.pushing_at, run.start)
    if run.number <= 1 + index + _deaths_between_runs(waited, history):
        return False
    lapses = [period for periods in history.lapses.values() for period in periods]
    return not any(p.at <= waited.until and waited.at <= p.until for p in lapses)


def _deaths_between_runs(period: Period, history: History) -> int:
    """How many workers died then that were not seen to run anything."""
    return sum(
        period.at <= at <= period.until
        and worker in history.last_run
        and history.last_run[worker].ended
        for worker, at in history.doomed.items()
    )
