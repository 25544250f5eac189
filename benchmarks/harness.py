"""What all questions share: steps to run, and what they found."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .server import Server
from .system import Run, Stuck, System

OURS = "woodenwaiter"
PURE = f"{OURS}_pure"
LOOP = "plain_"
BRPOP, RPOP256 = f"{LOOP}brpop", f"{LOOP}rpop256"
LOOPS = (BRPOP, RPOP256, f"{LOOP}rpop", f"{LOOP}lmove")
WORKERS = 2
MANY = 1_000
"""Rounds: as many as asked for."""


@dataclass(frozen=True)
class Metric:
    """What is counted, and whether more of it is better."""

    name: str
    more_is_better: bool = False


@dataclass(frozen=True)
class Finding:
    """One figure: how a system, its step's where none is given, did in one case. NaN is "never"."""

    metric: Metric
    case: str
    value: float
    system: str = ""


@dataclass(frozen=True)
class Step:
    """One run, of ``seconds`` or so. At most ``rounds`` times, where once is enough, say."""

    system: str
    label: str
    run: Callable[[], Iterable[Finding]]
    seconds: float = 5.0
    rounds: int = MANY


@dataclass
class Delivery:
    """How exactly a system's tasks were run."""

    tasks: int = 0
    lost: int = 0
    repeated: int = 0


@dataclass
class Results:
    """All figures, of all rounds."""

    values: dict[tuple[str, Metric, str, str], list[float]] = field(default_factory=dict)
    delivery: dict[str, Delivery] = field(default_factory=dict)
    failures: dict[tuple[str, str, str], str] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)

    def add(self, question: str, finding: Finding, system: str) -> None:
        key = (question, finding.metric, finding.case, finding.system or system)
        self.values.setdefault(key, []).append(finding.value)

    def median(self, question: str, metric: Metric, case: str, system: str = OURS) -> float:
        """NaN if it was not measured."""
        return statistics.median(self.values.get((question, metric, case, system), [math.nan]))


class Bench:
    """What a question needs to make its steps.

    ``named``: the systems were named by the user, so that all are wanted everywhere.
    """

    def __init__(
        self,
        server: Server,
        systems: dict[str, System],
        folder: Path,
        *,
        quick: bool = False,
        named: bool = False,
    ) -> None:
        self.server = server
        self.systems = systems
        self.folder = folder
        self.quick = quick
        self.named = named
        self.results = Results()

    def systems_for(self, *others: str, peers: bool = True) -> list[System]:
        """Ours first, these others, and peers if wanted.

        A full run of everything should not take an hour, and a quick one but minutes.
        """
        ordered = sorted(self.systems.values(), key=lambda s: (s.name != OURS, s.name))
        if self.named:
            return ordered
        return [s for s in ordered if s.name in (OURS, *others) or (peers and is_peer(s.name))]

    def either(self, full: Any, quick: Any) -> Any:
        return quick if self.quick else full

    def run(self, system: System, tasks: int, **options: Any) -> Run:
        return Run(system, self.server, self.folder, tasks, **options)

    def check(self, run: Run) -> None:
        """Note how exactly the run's tasks were delivered."""
        delivery = self.results.delivery.setdefault(run.system.name, Delivery())
        delivery.tasks += run.ledger.tasks
        delivery.lost += run.ledger.tasks - run.ledger.count_done()
        delivery.repeated += run.ledger.count_repeated()

    def do(self, question: str, step: Step) -> None:
        """Run a step. One that fails leaves its reason, and the rest goes on."""
        try:
            for finding in step.run():
                self.results.add(question, finding, step.system)
        except Exception as error:
            self.fail(question, step.system, step.label, error)

    def fail(self, question: str, system: str, label: str, error: Exception) -> None:
        reason = str(error) if isinstance(error, Stuck) else f"{type(error).__name__}: {error}"
        self.results.failures[question, system, label] = reason


def is_peer(name: str) -> bool:
    return not name.startswith((OURS, LOOP))


def few_rounds(system: System) -> int:
    """One for a peer: what differs by a factor needs no three."""
    return 1 if is_peer(system.name) else MANY


def spread(values: list[float]) -> float:
    """The distance between the largest and the smallest, as a part of the median."""
    middle = statistics.median(values)
    return (max(values) - min(values)) / middle if middle else 0.0


def percentile(values: list[float], percent: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def settle(seconds: float) -> None:
    """Let a system be for a while, to see what it does by itself."""
    time.sleep(seconds)
