"""``woodenwaiter dashboard`` and ``woodenwaiter alerts``: files for those who run Prometheus."""

from __future__ import annotations

import argparse
import pkgutil

from ..protocol.link import Link


def print_file(given: argparse.Namespace, _: Link) -> int:
    """Also from a zip file."""
    content = pkgutil.get_data("woodenwaiter", f"operators/{given.file}")
    print((content or b"").decode(), end="")
    return 0
