"""``woodenwaiter top``: queues, hosts and tasks, live, on a whole screen."""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys

from ...errors import StartupError
from ...protocol.link import Link
from ...protocol.queue import Queue
from ..known import require_known
from ..table import look_of_stdout
from .sight import Wanted, Watcher


def show_top(given: argparse.Namespace, link: Link) -> int:
    """Until somebody leaves. Raises StartupError where that cannot be shown or nobody knows a
    queue, and what is in `link.ServerTrouble` where there is no server to begin with."""
    _require_screen()
    from .reader import Reader
    from .screen import Top

    watcher = Watcher(link, given.queues)
    first = watcher.look(Wanted())
    for queue in given.queues:
        require_known(Queue(link, queue, lease=1))
    reader = Reader(watcher.look_again, given.watch)
    is_coloured = look_of_stdout().is_coloured
    os.environ.pop("NO_COLOR", None)  # textual would show black on black
    return Top(reader, first, given.watch, is_coloured=is_coloured).run(mouse=False) or 0


def _require_screen() -> None:
    streams = (sys.stdin, sys.stdout, sys.stderr)
    if not all(stream and stream.isatty() for stream in streams):
        raise StartupError("top needs a terminal; elsewhere, use: woodenwaiter status --watch")
    if os.environ.get("TERM", "dumb") in ("dumb", "unknown"):
        raise StartupError("top needs a terminal that can move its cursor; TERM says it cannot")
    if importlib.util.find_spec("textual") is None:
        raise StartupError("top needs a package more: pip install 'woodenwaiter[top]'")
