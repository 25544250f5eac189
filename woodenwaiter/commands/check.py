"""``woodenwaiter check``: what is wrong, or will be, and what to do."""

from __future__ import annotations

import argparse
import os
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import asdict

from ..consumer import Consumer
from ..findings import Finding, Grade, warning
from ..protocol.ailments import queue_findings
from ..protocol.checkup import out_of_reach, server_findings
from ..protocol.link import Link, ServerTrouble
from ..settings import Settings
from ..supervisor.trial import Trial, try_out
from ..text import escaped, listed
from .application import load_customers
from .documents import document
from .project import project_here
from .table import Look, look_of_stdout

STYLES = {Grade.OK: "", Grade.WARNING: "yellow", Grade.TROUBLE: "red"}

EXIT_TROUBLE = 1

WIDEST = 100
"""Characters of a line where no terminal sets a limit."""


def check_all(given: argparse.Namespace, link: Link) -> int:
    found: list[Finding] = []
    for finding in _findings(given, link):
        found.append(finding)
        if not given.json:
            _print(finding, look_of_stdout())
    if given.json:
        print(document(findings=[*map(asdict, found)]))
    return EXIT_TROUBLE if any(each.grade is Grade.TROUBLE for each in found) else 0


def _findings(given: argparse.Namespace, link: Link) -> Iterator[Finding]:
    trial = _trial(given)  # first: it forks, and no connection is open yet
    yield from trial.findings
    others = {q: address for q, address in trial.queues.items() if address != link.address}
    if others:
        told = f"{listed(others)}: on {listed({*others.values()})}, which is not looked at"
        yield warning("app", told, "Name it with --redis")
    reached = True
    for finding in server_findings(link):
        reached = reached and not (finding.about == "reach" and finding.grade is Grade.TROUBLE)
        yield finding
    if reached:
        try:
            yield from queue_findings(link, [q for q in trial.queues if q not in others])
        except ServerTrouble as error:
            yield out_of_reach(link.address, error)


def _trial(given: argparse.Namespace) -> Trial:
    if not given.app:
        return Trial((), {})
    if not getattr(sys.flags, "safe_path", False):
        sys.path.insert(0, os.getcwd())  # where python -m woodenwaiter.supervisor looks
    names = {"redis", "redis_password_file"}.intersection(vars(given))
    options = {name: getattr(given, name) for name in names}
    settings = Settings.from_environment(weaker=project_here().beside(options), **options)
    return try_out(given.app, lambda: _load(given.app), settings)


def _load(app: str) -> list[Consumer]:
    return [customer.consumer for customer in load_customers(app)]


def _print(finding: Finding, look: Look) -> None:
    grade, about = f"{finding.grade.value:<8}", f"{finding.about:<12}"
    margin = " " * (len(grade) + len(about))
    columns = (look.columns or WIDEST) - len(margin)
    parts = [escaped(part) for part in (finding.text, finding.remedy) if part]
    lines = [n for part in parts for n in textwrap.wrap(part, columns, break_on_hyphens=False)]
    print(look.styled(grade, STYLES[finding.grade]) + about + lines[0])
    for line in lines[1:]:
        print(margin + line)
