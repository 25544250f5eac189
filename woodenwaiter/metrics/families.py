"""Metrics, by Prometheus' rules: what their names and labels are, and what they mean."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate

import redis
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.utils import floatToGoString

from .. import __version__
from ..processes.ends import End
from ..processes.footprint import Use
from ..processes.row import DOINGS
from ..processes.times import ENDS
from ..protocol.history import Range
from ..protocol.overview import Overview
from .queues import Served
from .servers import Told

OUTCOMES = ("done", "failed", "retried", "buried", "timed_out", "killed")
"""Those of `Tally`."""

BUCKETS = tuple(floatToGoString(end) for end in (*ENDS, float("inf")))

CAUSES = [end for end in End if end.is_replaced]

HELD = {
    "waiting": "Tasks that wait in the queue, whoever is to run them.",
    "claimed": "Tasks that workers of any host have claimed and not settled.",
    "delayed": "Tasks that wait for another delivery.",
    "dead": "Dead letters of the queue.",
}
"""Of `Sizes`."""

ROLES = ("supervisor", "housekeeper", "metrics")
"""Whose CPU is told: that of workers is told by queue, and counts those that are no more."""


def of_build() -> Iterator[Metric]:
    versions = {
        "version": __version__,
        "python": platform.python_version(),
        "redis_py": redis.__version__,
    }
    yield InfoMetricFamily("woodenwaiter_build", "What this supervisor runs on.", versions)


def of_tasks(queues: Mapping[str, Served]) -> Iterator[Metric]:
    tasks = CounterMetricFamily(
        "woodenwaiter_tasks",
        "Deliveries that this supervisor's workers ended, by what became of them. Of the failed, "
        "some are retried, buried, timed_out, killed.",
        labels=["queue", "outcome"],
    )
    seconds = HistogramMetricFamily(
        "woodenwaiter_task_seconds", "How long handlers took.", labels=["queue"]
    )
    cpu = CounterMetricFamily(
        "woodenwaiter_cpu_seconds", "CPU that workers have used in all.", labels=["queue"]
    )
    for queue, (tally, effort, times) in ((name, each.totals) for name, each in queues.items()):
        for outcome in OUTCOMES:
            tasks.add_metric([queue, outcome], getattr(tally, outcome))
        counts = zip(BUCKETS, accumulate(times), strict=True)
        seconds.add_metric([queue], list(counts), effort.busy)
        cpu.add_metric([queue], effort.cpu)
    yield from (tasks, seconds, cpu)


def of_workers(queues: Mapping[str, Served]) -> Iterator[Metric]:
    workers = GaugeMetricFamily(
        "woodenwaiter_workers",
        "This supervisor's workers, by what they are doing.",
        labels=["queue", "state"],
    )
    running = GaugeMetricFamily(
        "woodenwaiter_running",
        "Tasks that this supervisor's workers are running.",
        labels=["queue"],
    )
    restarts = CounterMetricFamily(
        "woodenwaiter_restarts",
        "Workers that ended and were to be replaced, by why they ended.",
        labels=["queue", "cause"],
    )
    for queue, each in queues.items():
        for doing in DOINGS:
            workers.add_metric([queue, doing], each.doing[doing])
        running.add_metric([queue], each.doing["running"])
        for end in CAUSES:
            restarts.add_metric([queue, end.name.lower()], each.ends[end])
    yield from (workers, running, restarts)


def of_processes(uses: Mapping[str, Use]) -> Iterator[Metric]:
    resident = GaugeMetricFamily(
        "woodenwaiter_resident_memory_bytes",
        "Resident memory; that which processes share counts for each.",
        labels=["role"],
    )
    own = GaugeMetricFamily(
        "woodenwaiter_own_memory_bytes", "Memory that no other process has.", labels=["role"]
    )
    cpu = CounterMetricFamily(
        "woodenwaiter_overhead_cpu_seconds",
        "CPU of the processes that run no tasks.",
        labels=["role"],
    )
    for role, use in uses.items():
        resident.add_metric([role], use.resident)
        if use.own is not None:
            own.add_metric([role], use.own)
        if role in ROLES:
            cpu.add_metric([role], use.cpu)
    yield from (resident, own, cpu)


def of_housekeeper(looked: float, answered: float | None) -> Iterator[Metric]:
    """Seconds since; None: never."""
    yield GaugeMetricFamily(
        "woodenwaiter_housekeeper_look_age_seconds",
        "Since the housekeeper last looked after the workers.",
        looked,
    )
    if answered is not None:
        yield GaugeMetricFamily(
            "woodenwaiter_redis_answer_age_seconds",
            "Since all of the queues' servers last answered the housekeeper, or later.",
            answered,
        )


def of_servers(answers: Iterable[tuple[str, Told | None]]) -> Iterator[Metric]:
    """By address; None: it did not tell."""
    is_up = GaugeMetricFamily(
        "woodenwaiter_redis_up",
        "Whether the server told of its queues just now.",
        labels=["server"],
    )
    known: dict[str, list[Overview]] = {}
    for address, told in answers:
        is_up.add_metric([address], told is not None)
        for queue, overview in (told or {}).items():
            known.setdefault(queue, []).append(overview)
    yield is_up
    yield from _of_queues(known)


def _of_queues(known: Mapping[str, list[Overview]]) -> Iterator[Metric]:
    """One of a name may be on several servers."""
    for state, meaning in HELD.items():
        family = GaugeMetricFamily(f"woodenwaiter_{state}", meaning, labels=["queue"])
        for queue, seen in known.items():
            family.add_metric([queue], sum(getattr(each.sizes, state) for each in seen))
        yield family
    paused = GaugeMetricFamily(
        "woodenwaiter_paused",
        "1 while somebody has paused the queue, else 0.",
        labels=["queue"],
    )
    for queue, seen in known.items():
        paused.add_metric([queue], any(each.sizes.paused for each in seen))
    yield paused
    oldest = GaugeMetricFamily(
        "woodenwaiter_oldest_seconds",
        "How long that task has waited which waits longest, at least and at most; 0: none waits; "
        "without a bound, there is no telling.",
        labels=["queue", "bound"],
    )
    for queue, seen in known.items():
        ages = [each.summary.oldest or Range(0, 0) for each in seen if each.summary]
        if len(ages) < len(seen):
            continue
        oldest.add_metric([queue, "least"], max(age.least for age in ages))
        most = [age.most for age in ages if age.most is not None]
        if len(most) == len(ages):
            oldest.add_metric([queue, "most"], max(most))
    yield oldest
