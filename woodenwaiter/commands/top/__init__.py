"""``woodenwaiter top``: queues, hosts and tasks, live, on a whole screen."""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys

from ...errors import StartupError
from ...protocol.link import Link
from .sight import Wanted, Watcher


def show_top(given: argparse.Namespace, link: Link) -> int:
    """Until somebody leaves. Raises StartupError where that cannot be shown, and what is in
    `link.ServerTrouble` where there is no server to begin with."""
    _require_screen()
    from .reader import Reader
    from .screen import Top

    watcher = Watcher(link, given.queues)
    first = watcher.look(Wanted())
    reader = Reader(watcher.look_again, given.watch)
    return Top(reader, first, given.watch).run(mouse=False) or 0


def _require_screen() -> None:
    streams = (sys.stdin, sys.stdout, sys.stderr)
    if not all(stream and stream.isatty() for stream in streams):
        raise StartupError("top needs a terminal; elsewhere, use: woodenwaiter status --watch")
    if os.environ.get("TERM", "dumb") in ("dumb", "unknown"):
        raise StartupError("top needs a terminal that can move its cursor; TERM says it cannot")
    if importlib.util.find_spec("textual") is None:
        raise StartupError("top needs a package more: pip install 'woodenwaiter[top]'")
