"""The file that tells a supervisor's pid to who sends it signals.

Whoever has its lock is the supervisor that it is of. Locks of a process end with it, however it
ends, and another one that has its number later has none; its children do not have them either; and
they stay where it starts anew.
"""

from __future__ import annotations

import fcntl
import os
import stat
from contextlib import suppress

from ..errors import StartupError
from ..names import unique_name
from ..text import escaped

READ, MODE = 32, 0o644


class Pidfile:
    """At ``path``, of this process. Raises StartupError where it cannot be."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._draft = f"{path}.{unique_name()}"
        try:
            self._descriptor = self._place()
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise StartupError(f"{self._name} cannot be written: {why}") from None

    @property
    def _name(self) -> str:
        return f"the pidfile {escaped(self._path):.200}"

    def _place(self) -> int:
        """Written beside it, locked, and put there as a whole; returns the descriptor."""
        descriptor = os.open(self._draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, MODE)
        try:
            os.write(descriptor, b"%d\n" % os.getpid())
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            while not (self._is_first() or self._replaces()):
                pass  # the other one was removed just now
        except BaseException:
            os.close(descriptor)
            raise
        finally:
            with suppress(FileNotFoundError):
                os.unlink(self._draft)
        return descriptor

    def _is_first(self) -> bool:
        with suppress(FileExistsError):
            os.link(self._draft, self._path)
            return True
        return False

    def _replaces(self) -> bool:
        """Take the place of one that nobody has any more; with its lock, as others may try that,
        too. Raises StartupError where somebody has it, or where it is no pidfile."""
        try:
            stale = os.open(self._path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            return False
        try:
            pid = self._pid_in(stale)
            self._lock(stale, pid)
            if not self._is_at_path(stale):
                return False
            os.replace(self._draft, self._path)
        finally:
            os.close(stale)
        return True

    def _pid_in(self, descriptor: int) -> str:
        is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
        text = os.pread(descriptor, READ, 0) if is_file else b"?"
        if text.strip() and not text.strip().isdigit():
            raise StartupError(f"{self._name} is something else, and is left as it is")
        return text.decode().strip()

    def _lock(self, descriptor: int, pid: str) -> None:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            raise StartupError(
                f"{self._name} is that of another supervisor, pid {pid}, which runs: end it first, "
                "or name another file"
            ) from None

    def _is_at_path(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), os.lstat(self._path))
        except FileNotFoundError:
            return False

    def keep(self) -> int:
        """Leave it to the program that this process executes next; returns the descriptor, which
        that is to close once it has its own."""
        os.set_inheritable(self._descriptor, True)
        return self._descriptor

    def remove(self) -> None:
        """Unless somebody has put another one there."""
        with suppress(OSError):
            if self._is_at_path(self._descriptor):
                os.unlink(self._path)
        os.close(self._descriptor)
