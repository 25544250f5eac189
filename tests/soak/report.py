"""What a soak has shown, as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from .ledger import Findings
from .watch import MOST_DESCRIPTORS, MOST_MEMORY, Growth

SHOWN = 5
"""Tasks that are named for each kind of problem."""


def row(name: str, value: object) -> str:
    return f"  {name:<44}{value:>12}"


def faults_table(injected: Counter[str]) -> list[str]:
    rows = [row(name, injected[name]) for name in sorted(injected)]
    return ["faults injected", *rows]


def kinds_table(kinds: Counter[str]) -> list[str]:
    return ["tasks by kind", *(row(name, kinds[name]) for name in sorted(kinds))]


def tasks_table(findings: Findings) -> list[str]:
    problems = findings.problems
    return [
        "tasks",
        row("pushed, or perhaps pushed", findings.tasks),
        row("of these with an unknown outcome", findings.unknown),
        row("runs", findings.runs),
        row("completed", findings.completed),
        row("in the dead letters", findings.buried),
        row("lost", len(problems.get("lost", ()))),
        row("unexcused duplicates", len(problems.get("unexcused duplicate", ()))),
        *(row(f"reruns, as {why}", n) for why, n in sorted(findings.reruns.items())),
    ]


def growth_table(role: str, growths: Sequence[Growth]) -> list[str]:
    memory = max((growth.memory for growth in growths), default=0)
    descriptors = max((growth.descriptors for growth in growths), default=0)
    return [
        f"{role}s watched: {len(growths)}",
        row("most growth of memory, in KiB", memory // 1024),
        row("most growth of descriptors", descriptors),
    ]


def growth_problems(role: str, growths: Sequence[Growth]) -> list[str]:
    problems = []
    for growth in growths:
        if growth.memory > MOST_MEMORY:
            problems.append(f"a {role} grew by {growth.memory // 1024} KiB")
        if growth.descriptors > MOST_DESCRIPTORS:
            problems.append(f"a {role} gained {growth.descriptors} descriptors")
    return problems


def task_problems(findings: Findings) -> list[str]:
    return [
        f"{problem}: {len(tasks)}, such as {', '.join(tasks[:SHOWN])}"
        for problem, tasks in sorted(findings.problems.items())
    ]
