"""What the project wants of itself on this kind of machine."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass

from . import cpu, idle, latency, memory, recovery, throughput
from .harness import BRPOP, OURS, RPOP256, Metric, Results, is_peer

NOOP = "no-op, 2 workers"


@dataclass(frozen=True)
class Target:
    """``measure`` gives NaN where its figures were not taken."""

    text: str
    bound: float
    measure: Callable[[Results], float]
    at_least: bool = False

    @property
    def goal(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.bound:g}"

    def met_by(self, value: float) -> bool:
        return value >= self.bound if self.at_least else value <= self.bound


def _value(question: str, metric: Metric, case: str) -> Callable[[Results], float]:
    return lambda results: results.median(question, metric, case)


def _beside(question: str, metric: Metric, case: str, system: str) -> Callable[[Results], float]:
    """Ours, divided by the other's."""

    def ratio(results: Results) -> float:
        theirs = results.median(question, metric, case, system)
        return results.median(question, metric, case) / theirs

    return ratio


def _rate_beside_best_peer(results: Results) -> float:
    peers = [
        statistics.median(values)
        for (question, metric, case, system), values in results.values.items()
        if (question, metric, case) == ("throughput", throughput.RATE, NOOP) and is_peer(system)
    ]
    if not peers:
        return math.nan
    return results.median("throughput", throughput.RATE, NOOP) / max(peers)


def _each_further_worker(results: Results) -> float:
    few, many = (results.median("memory", memory.WHOLE, f"{n} workers") for n in (2, 8))
    return (many - few) / 6


def _first_task_allowance(results: Results) -> float:
    """What the first task took, less what the import of dependencies allows it."""
    first = results.median("recovery", recovery.SECONDS, "start to first task")
    return first - 1.5 * results.median("recovery", recovery.SECONDS, "import of dependencies")


def _idle(metric: Metric) -> Callable[[Results], float]:
    """With as many workers as there were."""

    def value(results: Results) -> float:
        cases = {c for q, m, c, s in results.values if q == "idle" and s == OURS}
        return results.median("idle", metric, cases.pop()) if cases else math.nan

    return value


TARGETS = [
    Target(
        "no-ops, times the RPOP loop",
        12,
        _beside("throughput", throughput.RATE, NOOP, "plain_rpop"),
        at_least=True,
    ),
    Target("no-ops, times the best peer", 30, _rate_beside_best_peer, at_least=True),
    Target(
        "no-ops, times the RPOP 256 loop",
        0.4,
        _beside("throughput", throughput.RATE, NOOP, RPOP256),
        at_least=True,
    ),
    Target("CPU efficiency at 10 ms", 0.99, _value("cpu", cpu.EFFICIENCY, "10 ms"), at_least=True),
    Target("CPU efficiency at 1 ms", 0.97, _value("cpu", cpu.EFFICIENCY, "1 ms"), at_least=True),
    Target(
        "µs of CPU a no-op, server included",
        8,
        _value("throughput", throughput.COST, NOOP),
    ),
    Target(
        "idle p50, times the BRPOP loop",
        1.15,
        _beside("latency", latency.METRICS[50], "idle", BRPOP),
    ),
    Target(
        "idle p99, times the BRPOP loop",
        1.5,
        _beside("latency", latency.METRICS[99], "idle", BRPOP),
    ),
    Target(
        "p99 of fast tasks among slow ones, ms",
        250,
        _value("latency", latency.METRICS[99], "mixed, the fast ones"),
    ),
    Target("MiB of the pool of two", 36, _value("memory", memory.WHOLE, "2 workers")),
    Target("MiB of each further worker", 4, _each_further_worker),
    Target(
        "seconds from a death to its replacement's first task",
        0.030,
        _value("recovery", recovery.SECONDS, "death to replacement's first task"),
    ),
    Target("seconds to the first task, less 1.5 x imports", 0.050, _first_task_allowance),
    Target(
        "seconds to drain an idle pool", 0.1, _value("recovery", recovery.SECONDS, "drain, idle")
    ),
    Target(
        "requests a second of an idle worker",
        1,
        _idle(idle.REQUESTS),
    ),
    Target("% of a CPU of an idle worker", 0.2, _idle(idle.CPU)),
]
