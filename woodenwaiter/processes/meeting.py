"""Where supervisors are found by who asks after them: in a folder of their user's own, each by a
socket. Imports little, as probes run every few seconds."""

from __future__ import annotations

import errno
import os
import stat
import time
from socket import AF_UNIX, SOCK_STREAM, socket

from .. import pace

FOLDER = "WOODENWAITER_HEALTH_FOLDER"
"""The environment variable with the only folder to meet in, where several are not to meet."""

LONGEST_ANSWER = 4096
"""Bytes; a socket that has just been opened takes as much at once."""


def folders() -> list[str]:
    """Where such a folder may be, the first choice first. The last is what containers have whose
    other files are read-only."""
    if chosen := os.environ.get(FOLDER):
        return [chosen]
    own = os.environ.get("XDG_RUNTIME_DIR", "")
    name = f"woodenwaiter-{os.geteuid()}"
    of_all = [os.path.join(folder, name) for folder in ("/tmp", "/dev/shm")]  # noqa: S108
    return [os.path.join(own, "woodenwaiter"), *of_all] if os.path.isabs(own) else of_all


def objection_to(folder: str) -> str:
    """Why it is not to be trusted, if it is there: others can put there what they like, or listen.
    Nothing if it is this user's, and closed to all others."""
    try:
        found = os.lstat(folder)
    except OSError:
        return ""
    if not stat.S_ISDIR(found.st_mode):
        return "is no folder"
    if found.st_uid != os.geteuid():
        return "belongs to another user"
    return "is open to others: chmod 700 makes it private" if found.st_mode & 0o077 else ""


def name_of(pid: int) -> str:
    """Of a supervisor's socket. Containers may share the folder, and have the same pids."""
    return f"{pid}.{_namespace()}"


def _namespace() -> int:
    """Of this process's pids, where there are several."""
    try:
        return os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        return 0


def sockets_in(folder: str) -> list[str]:
    """The names of supervisors' sockets; those that were killed have left theirs."""
    try:
        return [name for name in os.listdir(folder) if name.replace(".", "", 1).isdecimal()]
    except OSError:
        return []


def find_supervisors() -> list[tuple[int, str]]:
    """The pids and the sockets of this user's, as far as their pids mean something here."""
    return sorted(
        (pid, os.path.join(folder, name))
        for folder in folders()
        if not objection_to(folder)
        for name in sockets_in(folder)
        if name == name_of(pid := int(name.partition(".")[0]))
    )


def ask(path: str, seconds: float) -> str:
    """What the supervisor answers; nothing if it is no more. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    with socket(AF_UNIX, SOCK_STREAM) as asker:
        asker.setblocking(False)
        while trouble := asker.connect_ex(path):
            if trouble in (errno.ECONNREFUSED, errno.ENOENT):
                return ""
            if trouble != errno.EAGAIN:
                raise OSError(trouble, os.strerror(trouble))
            if time.monotonic() >= deadline:  # so many ask before us
                raise TimeoutError
            time.sleep(pace.ASK_AGAIN)
        asker.settimeout(max(pace.ASK_AGAIN, deadline - time.monotonic()))
        try:
            return asker.recv(LONGEST_ANSWER).decode(errors="replace")
        except ConnectionError:
            return ""


def is_left_over(path: str) -> bool:
    """Whether nobody listens there any more."""
    with socket(AF_UNIX, SOCK_STREAM) as asker:
        asker.setblocking(False)
        return asker.connect_ex(path) == errno.ECONNREFUSED
