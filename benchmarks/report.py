"""Results on a terminal, and as JSON."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from .harness import OURS, Metric, Results, spread
from .system import System
from .targets import TARGETS

Column = tuple[Metric, str]


def show(
    console: Console, results: Results, systems: dict[str, System], machine: dict[str, str]
) -> None:
    for name, text in machine.items():
        console.print(f"[dim]{name}:[/dim] {text}", highlight=False)
    for question in dict.fromkeys(key[0] for key in results.values):
        for title, columns in _tables(results, question):
            console.print(f"\n[bold]{question}[/bold]: {title}", highlight=False)
            console.print(_table(results, systems, question, columns))
    console.print("nx: so many times better is WoodenWaiter; then the median ± half the spread")
    _show_delivery(console, results, systems)
    _show_failures(console, results)
    if any(not math.isnan(target.measure(results)) for target in TARGETS):
        console.print("\n[bold]targets[/bold]")
        console.print(_targets(results))


def _tables(results: Results, question: str) -> Iterator[tuple[str, list[Column]]]:
    """A table for each metric with cases as its columns; just one where there is but one case."""
    columns = list(dict.fromkeys(key[1:3] for key in results.values if key[0] == question))
    metrics = list(dict.fromkeys(metric for metric, _ in columns))
    if len(metrics) == len(columns) > 1:
        yield columns[0][1], columns
        return
    for metric in metrics:
        better = "more" if metric.more_is_better else "less"
        yield f"{metric.name} ({better} is better)", [c for c in columns if c[0] == metric]


def _table(
    results: Results, systems: dict[str, System], question: str, columns: list[Column]
) -> Table:
    by_metric = len({metric for metric, _ in columns}) > 1
    names = list(dict.fromkeys(k[3] for k in results.values if k[0] == question))
    table = Table(highlight=False)
    table.add_column("")
    for metric, case in columns:
        table.add_column(metric.name if by_metric else case, justify="right", max_width=24)
    for name in names:
        cells = [_cell(results, question, column, name) for column in columns]
        table.add_row(systems[name].peer.title, *cells, style="bold" if name == OURS else "")
    return table


def _cell(results: Results, question: str, column: Column, name: str) -> str:
    metric, case = column
    values = results.values.get((question, metric, case, name))
    if not values:
        return "-"
    text = figure(statistics.median(values))
    if len(values) > 1 and not math.isnan(spread(values)):
        text += f" ±{spread(values) / 2:.0%}"
    ours = results.values.get((question, metric, case, OURS))
    if ours and name != OURS:
        text = f"{ratio(metric, ours, values):>6}  {text}"
    return text


def ratio(metric: Metric, ours: list[float], theirs: list[float]) -> str:
    """How many times better ours is."""
    better, worse = statistics.median(ours), statistics.median(theirs)
    if not metric.more_is_better:
        better, worse = worse, better
    if math.isnan(better) or math.isnan(worse) or not worse:
        return ""
    return f"{better / worse:.3g}x" if better / worse < 100 else f"{better / worse:.0f}x"


def figure(value: float) -> str:
    """With as many digits as one can use."""
    if math.isnan(value):
        return "never"
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _show_delivery(console: Console, results: Results, systems: dict[str, System]) -> None:
    if results.delivery:
        console.print("\nDelivery, where nothing was killed:", style="bold")
    for name, delivery in results.delivery.items():
        faults = f"{delivery.lost:,} lost, {delivery.repeated:,} run more than once"
        exact = not (delivery.lost or delivery.repeated)
        verdict = "each exactly once" if exact else faults
        console.print(f"  {systems[name].peer.title}: {delivery.tasks:,} tasks, {verdict}")


def _show_failures(console: Console, results: Results) -> None:
    for (question, system, label), reason in results.failures.items():
        console.print(f"failed: {question}, {system}, {label}: {reason}", style="red")
    for name, reason in results.absent.items():
        console.print(f"left out: {name}: {reason}", style="yellow")


def _targets(results: Results) -> Table:
    table = Table(highlight=False)
    for column in ("", "goal", "found", ""):
        table.add_column(column)
    for target in TARGETS:
        value = target.measure(results)
        if not math.isnan(value):
            verdict = "[green]met[/green]" if target.met_by(value) else "[red]missed[/red]"
            table.add_row(target.text, target.goal, f"{value:.3g}", verdict)
    return table


def save(path: Path, results: Results, systems: dict[str, System], machine: dict[str, str]) -> None:
    figures = [
        {
            "question": question,
            "metric": metric.name,
            "more_is_better": metric.more_is_better,
            "case": case,
            "system": system,
            "median": _finite(statistics.median(values)),
            "spread": _finite(spread(values)),
            "rounds": list(map(_finite, values)),
        }
        for (question, metric, case, system), values in results.values.items()
    ]
    document: dict[str, Any] = {
        "machine": machine,
        "systems": {
            name: {"title": system.peer.title, "version": system.version}
            for name, system in systems.items()
        },
        "figures": figures,
        "delivery": {name: asdict(delivery) for name, delivery in results.delivery.items()},
        "targets": [
            {"target": t.text, "goal": t.goal, "found": _finite(t.measure(results))}
            for t in TARGETS
        ],
        "failures": [[*where, reason] for where, reason in results.failures.items()],
        "left_out": results.absent,
    }
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def _finite(value: float) -> float | None:
    """JSON has no NaN."""
    return None if math.isnan(value) else value
