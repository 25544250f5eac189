"""A terminal for programs that draw on it, and a look at what stands there."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from select import select

import pyte

from .support import eventually

ON_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, "-m", "woodenwaiter", *sys.argv[1:]])
"""


class Terminal:
    """On which a command of ``woodenwaiter`` runs."""

    def __init__(
        self, *arguments: str, columns: int = 80, lines: int = 24, **environment: str
    ) -> None:
        self._screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self._screen)
        self.written = b""
        self._fd, inside = pty.openpty()
        self._set_size(columns, lines)
        inherited = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}
        self.process = subprocess.Popen(
            [sys.executable, "-c", ON_TERMINAL, *arguments],
            stdin=inside,
            stdout=inside,
            stderr=inside,
            env={**inherited, "TERM": "xterm-256color", **environment},
            start_new_session=True,
        )
        os.close(inside)

    def _set_size(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def resize(self, columns: int, lines: int) -> None:
        self._screen.resize(lines, columns)
        self._set_size(columns, lines)

    def read(self) -> bool:
        """Take what was written; whether there may be more."""
        while select([self._fd], [], [], 0.02)[0]:
            try:
                written = os.read(self._fd, 1 << 16)
            except OSError:  # of a terminal that the last program has left
                return False
            self.written += written
            self._stream.feed(written)
        return True

    @property
    def lines(self) -> list[str]:
        """As they stand there now."""
        self.read()
        return [line.rstrip() for line in self._screen.display]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def colours(self) -> set[str]:
        """Of all that stands there."""
        return {cell.fg for row in self._screen.buffer.values() for cell in row.values()}

    def shows(self, *texts: str, seconds: float = 20) -> str:
        """Wait until all of them stand there at once; returns the line with the first one."""

        def line() -> str | None:
            lines = self.lines
            if not all(any(text in line for line in lines) for text in texts):
                return None
            return next(line for line in lines if texts[0] in line)

        try:
            return eventually(line, seconds=seconds)
        except AssertionError:
            raise AssertionError(f"not within {seconds:g} s: {texts}; but:\n{self.text}") from None

    def shows_no(self, text: str) -> None:
        eventually(lambda: text not in self.text, f"{text!r} gone")

    def type(self, keys: str) -> None:
        os.write(self._fd, keys.encode())

    def end(self) -> int:
        """The exit code."""
        eventually(lambda: not self.read(), "the end of the command", 60)
        return self.process.wait(20)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._fd)
