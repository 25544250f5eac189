"""A view that is shown again and again."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from .table import is_screen, look_of_stdout

HOME, REST_OF_LINE, REST_OF_SCREEN = "\x1b[H", "\x1b[K", "\x1b[J"


def watch(view: Callable[[], Sequence[str]], seconds: float, is_plain: bool) -> int:
    """Show the lines that ``view`` returns, every so many seconds until Ctrl-C, behind the time: on
    a terminal in the same place, as many as it has room for; else below each other. ``is_plain``:
    these lines and nothing else."""
    with suppress(KeyboardInterrupt):
        while True:
            sys.stdout.write(_shown(view(), is_plain=is_plain))
            sys.stdout.flush()
            time.sleep(seconds)
    return 0


def _shown(lines: Sequence[str], *, is_plain: bool) -> str:
    if is_plain:
        return "".join(f"{line}\n" for line in lines)
    lines = [time.strftime("%H:%M:%S"), *lines]
    return _redrawn(lines) if is_screen() else "\n".join([*lines, "", ""])


def _redrawn(lines: Sequence[str]) -> str:
    room = look_of_stdout().lines - 1
    if len(lines) > room:
        lines = [*lines[: room - 1], f"… {len(lines) - room + 1} lines more"]
    return HOME + "".join(f"{line}{REST_OF_LINE}\n" for line in lines) + REST_OF_SCREEN
