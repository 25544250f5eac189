"""``woodenwaiter dashboard`` and ``woodenwaiter alerts``: files for those who run Prometheus."""

from __future__ import annotations

import argparse
import pkgutil

from ..protocol.link import Link


def show_dashboard(given: argparse.Namespace, link: Link) -> int:
    return _print("grafana.json")


def show_alerts(given: argparse.Namespace, link: Link) -> int:
    return _print("alerts.yml")


def _print(name: str) -> int:
    """Also from a zip file. Nothing is asked of Redis."""
    content: bytes = pkgutil.get_data("woodenwaiter", f"operators/{name}")  # type: ignore[assignment]
    print(content.decode(), end="")
    return 0
