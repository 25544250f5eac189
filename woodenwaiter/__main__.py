"""``python -m woodenwaiter``: what operators look at and put right."""

from __future__ import annotations

import signal

from .commands.hidden import leave_because_of


def main() -> int:
    """The command ``woodenwaiter``, which Ctrl-C ends at any moment, its imports among them."""
    try:
        try:
            from .commands.operate import main as operate
        except Exception as error:
            leave_because_of(error)
        return operate()
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


if __name__ == "__main__":
    raise SystemExit(main())
