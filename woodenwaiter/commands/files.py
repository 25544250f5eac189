"""``woodenwaiter dashboard`` and ``woodenwaiter alerts``: files for those who run Prometheus."""

from __future__ import annotations

import argparse
import pkgutil

from ..protocol.link import Link
from .parsers import Commands, Parents


def add_files(commands: Commands, _: Parents) -> None:
    """What is the same for everybody."""
    for name, file, summary in (
        ("dashboard", "grafana.json", "print a dashboard for Grafana, of what --metrics tells"),
        ("alerts", "alerts.yml", "print alerting rules for Prometheus, likewise"),
    ):
        command = commands.add_parser(name, help=summary)
        command.set_defaults(run=_print_file, file=file, is_local=True)


def _print_file(given: argparse.Namespace, _: Link) -> int:
    """Also from a zip file."""
    content = pkgutil.get_data("woodenwaiter", f"operators/{given.file}")
    print((content or b"").decode(), end="")
    return 0
