"""Where a process writes down what it is doing, for its parent to read."""

from __future__ import annotations

import os
import tempfile
from typing import IO

MOST = 1 << 20
"""Bytes of a traceback that are read."""


class Trace:
    """A file that is made before the fork and shared by both sides."""

    def __init__(self) -> None:
        self._file: IO[bytes]
        if hasattr(os, "memfd_create"):  # a container's folders may be read-only
            self._file = open(os.memfd_create("traceback"), "w+b", buffering=0)
        else:
            self._file = tempfile.TemporaryFile(buffering=0)

    def fileno(self) -> int:
        return self._file.fileno()

    def take(self) -> str:
        """What was written since it was last taken."""
        text = os.pread(self.fileno(), MOST, 0).decode(errors="replace")
        os.ftruncate(self.fileno(), 0)
        os.lseek(self.fileno(), 0, os.SEEK_SET)  # the writer's offset too: they share it
        return text.rstrip()

    def close(self) -> None:
        self._file.close()
