"""What is wrong, the worst first, in words, with the verb that helps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...findings import Finding, Grade
from ...processes.ends import End
from ...protocol.ailments import Ailment, Lack, Neglect, neglects
from ...protocol.hosts import Host
from ...protocol.overview import Overview
from ...text import escaped, listed, span
from .queues import named

MOST_NAMED = 8
"""Queues."""

FAILING = 0.1
"""Of the deliveries, above which a queue is told of: as the alerts in woodenwaiter/operators."""

ROUTINE = {f"{end}" for end in (End.LEFT, End.MAX_TASKS, End.MAX_MEMORY)}
"""Why workers are replaced by their own limits."""

VERBS = {Lack.LEAVE: "resume", Lack.CARE: "dead"}
"""That help, where a page has one."""

GRAVE = (Lack.WORKERS, Lack.RECOVERY)


@dataclass(frozen=True)
class Known:
    """What there is to judge by. ``served``: queues, by supervisors that are seen; ``restarts``: of
    late, by queue and cause; ``gone``: supervisors; ``unreadable``: what is wrong with documents;
    ``late``: seconds that a task may wait."""

    queues: Mapping[str, Overview | Exception]
    ailments: Sequence[Ailment]
    findings: Sequence[Finding]
    served: Collection[str]
    restarts: Counter[tuple[str, str]]
    gone: Sequence[Host]
    unreadable: Sequence[str]
    late: float


def troubles(known: Known) -> list[dict[str, Any]]:
    """As viewers are told."""
    found = [*_of_server(known), *_of_queues(known), *_of_hosts(known)]
    return sorted(found, key=lambda each: each["grade"] != Grade.TROUBLE.value)


def _told(
    grade: Grade,
    text: str,
    remedy: str,
    queues: Sequence[str] = (),
    verb: str = "",
    about: str = "queues",
) -> dict[str, Any]:
    """``queues`` are named behind the text."""
    return {
        "grade": grade.value,
        "about": about,
        "text": escaped(text),
        "remedy": escaped(remedy),
        "queues": [*map(named, queues[:MOST_NAMED])],
        "more": max(0, len(queues) - MOST_NAMED),
        "verb": verb,
    }


def _of_server(known: Known) -> Iterator[dict[str, Any]]:
    for each in known.findings:
        text = f"Redis, {each.about}: {each.text}"
        yield _told(each.grade, text, each.remedy, about=each.about)


def _of_queues(known: Known) -> Iterator[dict[str, Any]]:
    well = [each for each in known.queues.values() if isinstance(each, Overview)]
    for each in neglects([overview.sizes for overview in well], known.ailments):
        yield from _neglected(each, known.served)
    if late := [*_late(well, known.late)]:
        text = f"tasks have waited for more than {span(known.late)} in"
        remedy = "More comes than the workers do, or they are stuck: have more of them, or a look"
        yield _told(Grade.WARNING, text, remedy, late, "queue")
    if failing := [*_failing(well)]:
        text = f"of all deliveries, more than {FAILING:.0%} fail in"
        remedy = "See what the dead letters and the log say"
        yield _told(Grade.WARNING, text, remedy, failing, "dead")
    replaced: Counter[str] = Counter()
    causes: Counter[str] = Counter()
    for (queue, cause), number in known.restarts.items():
        if cause not in ROUTINE:
            replaced[queue] += number
            causes[cause] += number
    if replaced:
        why = listed([f"{cause}: {number}" for cause, number in causes.items()])
        text = f"workers were replaced lately ({why}), of"
        most_first = [queue for queue, _ in replaced.most_common()]
        yield _told(Grade.WARNING, text, "See the events of their hosts", most_first, "hosts")


def _neglected(neglect: Neglect, served: Collection[str]) -> Iterator[dict[str, Any]]:
    """Where a supervisor serves the queue, it is its workers that are missing."""
    if neglect.lack is Lack.WORKERS:
        if down := [queue for queue in neglect.queues if queue in served]:
            remedy = "They end as soon as they begin: see why in the events of their hosts"
            yield _told(Grade.TROUBLE, "no worker is up of", remedy, down, "hosts")
        neglect = neglect._replace(queues=[q for q in neglect.queues if q not in served])
        if not neglect.queues:
            return
    grade = Grade.TROUBLE if neglect.lack in GRAVE else Grade.WARNING
    remedy = "" if neglect.lack in VERBS else neglect.remedy
    verb = VERBS.get(neglect.lack, "")
    yield _told(grade, neglect.what, remedy, neglect.queues, verb)


def _late(well: Iterable[Overview], late: float) -> Iterator[str]:
    """Where somebody could do something about it: others are told of otherwise."""
    for each in well:
        oldest = each.summary.oldest if each.summary else None
        if oldest and oldest.least > late and each.sizes.workers and not each.sizes.paused:
            yield each.sizes.queue


def _failing(well: Iterable[Overview]) -> Iterator[str]:
    for each in well:
        rates = each.summary.rates if each.summary else None
        if rates and rates.failed >= 1 and rates.failed > FAILING * (rates.done + rates.failed):
            yield each.sizes.queue


def _of_hosts(known: Known) -> Iterator[dict[str, Any]]:
    if known.gone:
        them = listed([f"{host.host}, pid {host.pid}" for host in known.gone])
        remedy = "Their tasks come back when their leases have run out; start others in their place"
        yield _told(Grade.TROUBLE, f"nothing is heard any more of {them}", remedy, verb="hosts")
    if known.unreadable:
        them = listed(known.unreadable)
        text = f"what supervisors tell of themselves cannot be read: {them}"
        yield _told(Grade.WARNING, text, "Update this page's release", verb="hosts", about="hosts")
