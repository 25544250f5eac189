"""What commands have in common: how they read a command line, complain, and print on what cannot
show everything."""

from __future__ import annotations

import argparse
import io
import math
import os
import re
import sys
from contextlib import suppress
from datetime import datetime

from .. import pace
from ..backoff import LONGEST
from ..stderr import Stderr
from ..text import escaped
from .brief import BriefParser as BriefParser  # noqa: PLC0414 - one of them

UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}

MOST_TASKS = 10_000
"""To be shown at once: nobody reads more, and each takes some memory."""


def number(text: str) -> int:
    """From 1 on."""
    if not re.fullmatch("0*[1-9][0-9]*", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"a number from 1 on, not {text!r:.50}")
    return int(text[:18])  # there are not as many


def number_of_tasks(text: str) -> int:
    """From 1 to MOST_TASKS."""
    if (value := number(text)) > MOST_TASKS:
        raise argparse.ArgumentTypeError(f"a number from 1 to {MOST_TASKS}, not {text!r:.50}")
    return value


def seconds(text: str) -> float:
    """From LEAST_WATCH on."""
    with suppress(ValueError):
        if pace.LEAST_WATCH <= (value := float(text)) < math.inf:
            return value
    raise argparse.ArgumentTypeError(f"seconds from {pace.LEAST_WATCH:g} on, not {text!r:.50}")


def duration(text: str) -> float:
    """In seconds: a number of them, or of minutes, hours or days."""
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)([smhd]?)", text, re.ASCII)
    if found and 0 < (value := float(found[1]) * UNITS[found[2]]) < LONGEST:
        return value
    raise argparse.ArgumentTypeError(f"a time as 90, 90s, 10m, 2h or 1d, not {text!r:.50}")


def per_second(text: str) -> float:
    """As 10/s; or as many a minute, or an hour."""
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)/([smh])", text, re.ASCII)
    if found and (value := float(found[1]) / UNITS[found[2]]) > 0:
        return value
    raise argparse.ArgumentTypeError(f"a rate as 10/s, 30/m or 100/h, not {text!r:.50}")


def queue_name(text: str) -> str:
    """Of a queue that there may be."""
    if not text:
        raise argparse.ArgumentTypeError("a queue's name, as in images:resize, not an empty one")
    return text


def some_text(text: str) -> str:
    """Which everything would have, were it empty."""
    if not text:
        raise argparse.ArgumentTypeError("a text to look for, not an empty one")
    return text


def open_standard_descriptors() -> None:
    """Else what is opened next becomes stdin, stdout or stderr, and the log is written into it."""
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(fd, True)
    os.close(fd)


def print_anything() -> None:
    """Let what stdout and stderr have no bytes for be shown as backslash sequences."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def moment(seconds: float) -> str:
    """Unix time as people here read it; raises what `datetime.fromtimestamp` does."""
    return datetime.fromtimestamp(seconds).astimezone().isoformat(" ", "seconds")


def complain(trouble: object) -> None:
    """In one line, on stderr, if that can take it."""
    line = f"woodenwaiter: {escaped(str(trouble))}\n"
    if sys.stderr is sys.__stderr__:
        Stderr().write(line.encode(errors="backslashreplace"))
    else:
        print(line, end="", file=sys.stderr)
