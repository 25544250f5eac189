"""Whether somebody really wants what cannot be taken back."""

from __future__ import annotations

import argparse
import sys

from ..errors import StartupError
from ..text import escaped


def require_consent(given: argparse.Namespace, what: str) -> None:
    """Return where ``--yes`` was given, or where who sits at a terminal says so now. ``what`` will
    be done, and to how many, as a clause: "drop 3 dead letters of t:d". Raises StartupError where
    there is nobody to be asked, and where the answer is another one."""
    if given.yes:
        return
    if given.json or not (sys.stdin and sys.stdin.isatty() and sys.stderr and sys.stderr.isatty()):
        raise StartupError(f"this would {what}: say --yes, as there is nobody here to be asked")
    sys.stderr.write(f"This will {escaped(what)}. Go on? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise StartupError("nothing was done")
