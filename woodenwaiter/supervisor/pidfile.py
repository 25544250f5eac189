"""A file with the supervisor's pid, which no other supervisor has at the same time.

A lock decides who has it, not the number, which may be another process's by now. The lock is the
supervisor's alone, and goes when that does, however it ends; whoever it becomes when it starts anew
keeps it.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from ..errors import StartupError

HELD = "WOODENWAITER_HELD_PIDFILE"
"""In the environment of a supervisor that starts anew: the number of the locked descriptor."""

MOST = 64
"""Bytes of a pid, and more."""

_held: set[int] = set()
"""Descriptors that no child is to have: the lock would last as long as that."""


@contextmanager
def pidfile(path: str, held: str = "") -> Iterator[PidFile | None]:
    """Have this file, if there is to be one, and remove it at the end. ``held``: what HELD said.

    Raises StartupError where another supervisor has it, or it cannot be written.
    """
    if not path:
        yield None
        return
    try:
        taken = PidFile(path, _kept(path, held) or _taken(path))
    except OSError as error:
        raise StartupError(f"the pidfile {path} cannot be used: {error.strerror}") from None
    try:
        yield taken
    finally:
        taken.remove()


class PidFile:
    """One that this process has: ``fd`` is locked."""

    def __init__(self, path: str, fd: int) -> None:
        self._path = path
        self._fd = fd
        _held.add(fd)

    def bequest(self) -> Mapping[str, str]:
        """For the environment of what this process is to become next."""
        os.set_inheritable(self._fd, True)
        return {HELD: str(self._fd)}

    def remove(self) -> None:
        if _is_at(self._path, self._fd):
            with suppress(OSError):
                os.unlink(self._path)
        _held.discard(self._fd)
        os.close(self._fd)


def _kept(path: str, held: str) -> int | None:
    """The descriptor that this process had before it started anew."""
    if not held.isdecimal():
        return None
    fd = int(held)
    if _is_at(path, fd):
        os.set_inheritable(fd, False)
        return fd
    with suppress(OSError):
        os.close(fd)
    return None


def _is_at(path: str, fd: int) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path, follow_symlinks=False))
    except OSError:
        return False


def _taken(path: str) -> int:
    """Whoever comes at the same time finds it locked, or comes again: what is at the path is
    replaced only by who has locked it, and nothing is put there where something is."""
    while True:
        former = _former(path)
        fd, new = _written(path)
        try:
            if former is None:
                os.link(new, path)
            else:
                os.replace(new, path)
        except OSError as error:
            os.close(fd)
            if not isinstance(error, FileExistsError):
                raise
        else:
            return fd
        finally:
            with suppress(FileNotFoundError):
                os.unlink(new)
            if former is not None:
                os.close(former)


def _former(path: str) -> int | None:
    """What is there, locked; None: there is nothing."""
    while True:
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
        try:
            _lock(path, fd)
            if _is_at(path, fd):
                _require_pid(path, fd)
                return os.dup(fd)
        finally:
            os.close(fd)


def _lock(path: str, fd: int) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid = os.pread(fd, MOST, 0).decode(errors="replace").strip()
        raise StartupError(
            f"another supervisor, pid {pid}, has the pidfile {path}: end that, or name another file"
        ) from None


def _require_pid(path: str, fd: int) -> None:
    """It may be a file of another kind, and a slip of the pen."""
    is_file = stat.S_ISREG(os.fstat(fd).st_mode)
    if not (is_file and re.fullmatch(rb"\s*[0-9]*\s*", os.pread(fd, MOST, 0))):
        raise StartupError(f"{path} is no pidfile: there is something else in it")


def _written(path: str) -> tuple[int, str]:
    """A new file with this process's pid, locked, beside the path; and its name."""
    folder, name = os.path.split(path)
    fd, new = tempfile.mkstemp(prefix=f".{name}.", dir=folder or os.curdir)
    try:
        os.fchmod(fd, 0o644)
        fcntl.flock(fd, fcntl.LOCK_EX)
        os.write(fd, f"{os.getpid()}\n".encode())
    except OSError:
        os.close(fd)
        os.unlink(new)
        raise
    return fd, new


def _let_go() -> None:
    while _held:
        os.close(_held.pop())


os.register_at_fork(after_in_child=_let_go)
