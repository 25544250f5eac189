"""Where a process writes down what it is doing, for its parent to read."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from typing import IO

MOST = 1 << 20
"""Bytes of a traceback that are read."""


class Trace:
    """A file that is made before the fork and shared by both sides; none, where the system has no
    place for it."""

    def __init__(self) -> None:
        self._file = _file()

    def fileno(self) -> int:
        return self._file.fileno()

    def take(self) -> str:
        """What was written since it was last taken."""
        if self._file.name == os.devnull:
            return "nobody knows: there is neither memfd_create nor a folder for temporary files"
        text = os.pread(self.fileno(), MOST, 0).decode(errors="replace")
        self.clear()
        return text.rstrip()

    def clear(self) -> None:
        """Forget what was written: a worker that was stopped may have done so late."""
        if self._file.name != os.devnull:
            os.ftruncate(self.fileno(), 0)
            os.lseek(self.fileno(), 0, os.SEEK_SET)  # the writer's offset too: they share it

    def close(self) -> None:
        self._file.close()


def _file() -> IO[bytes]:
    with suppress(AttributeError, OSError):  # macOS; a sandbox
        return open(os.memfd_create("traceback"), "w+b", buffering=0)
    with suppress(OSError):  # folders may be read-only
        return tempfile.TemporaryFile(buffering=0)
    return open(os.devnull, "w+b", buffering=0)
