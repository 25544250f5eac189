"""What commands have in common: how they read a command line, complain, and print on what cannot
show everything."""

from __future__ import annotations

import argparse
import io
import os
import sys
from typing import NoReturn

from ..stderr import Stderr
from ..text import escaped


class Parser(argparse.ArgumentParser):
    """Echoes what it does not understand as text."""

    def error(self, message: str) -> NoReturn:
        super().error(escaped(message))


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


def complain(trouble: object) -> None:
    """In one line, on stderr, if that can take it."""
    line = f"woodenwaiter: {escaped(str(trouble))}\n"
    if sys.stderr is sys.__stderr__:
        Stderr().write(line.encode(errors="backslashreplace"))
    else:
        print(line, end="", file=sys.stderr)
