"""A clock for servers that can be set."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("clock.c")


def can_be_set() -> bool:
    return shutil.which("cc") is not None


class Clock:
    """Of the servers that have this ``environment``: it needs a C compiler."""

    def __init__(self, folder: Path) -> None:
        library, self._file = folder / "clock.so", folder / "ahead"
        subprocess.run(["cc", "-shared", "-fPIC", "-o", library, SOURCE], check=True)
        self.environment = {"LD_PRELOAD": str(library), "CLOCK_AHEAD": str(self._file)}
        self.ahead = 0
        self.set_ahead(0)

    def set_ahead(self, seconds: int) -> None:
        self.ahead = seconds
        new = self._file.with_suffix(".new")
        new.write_text(str(seconds))
        new.rename(self._file)
