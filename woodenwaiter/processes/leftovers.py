"""What a fork would break."""

from __future__ import annotations

import os
import re
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from ..text import listed

NAMELESS = re.compile(
    r"([^/\n]+/lib(?:gomp|i?omp|tbb|mkl|[a-z_]*openblas)[^-./\n]*)[^/\n]*$", re.MULTILINE
)
"""Libraries whose threads have no name of their own, in the folder of the package with them."""


def leftovers() -> Iterator[str]:
    """What an import left behind that a fork would break: threads, connections that are not
    `open_connections`."""
    for thread in python_threads():
        yield f"the thread {thread!r}"
    for connection in _connections():
        if not _is_open_stream(connection):
            yield f"a connection to {_peer(connection)}"


def python_threads() -> list[str]:
    """The names of this process's other threads that Python knows."""
    this = threading.current_thread()
    return [thread.name for thread in threading.enumerate() if thread is not this]


def open_connections() -> dict[int, str]:
    """The peers of streams that are open, by descriptor: whoever shares one gets others' answers.
    None where processes are hidden."""
    return {each.fd: _peer(each) for each in _connections() if _is_open_stream(each)}


def native_threads() -> list[str]:
    """This process's threads that Python knows nothing of, by their names, if the system tells: an
    import's libraries made them, and will wait for them in forked processes, where they are not."""
    own = {str(thread.native_id) for thread in threading.enumerate()}
    own.add(str(os.getpid()))  # of the main thread, which Python may not learn of at a fork
    names: Counter[str] = Counter()
    with suppress(OSError):
        for task in Path("/proc/self/task").iterdir():
            if task.name not in own:
                names[(task / "comm").read_text(errors="replace").strip()] += 1
    nameless = sum(names.pop(name) for name in [*names] if name.startswith("woodenwaiter: "))
    told = [f"{name} ({number})" if number > 1 else name for name, number in names.items()]
    return [*told, f"{nameless} without a name{_maybe_of()}"] if nameless else told


def _maybe_of() -> str:
    """Of what threads may be that are called as this process was when they began."""
    try:
        found = set(NAMELESS.findall(Path("/proc/self/maps").read_text(errors="replace")))
    except OSError:
        return ""
    return f" (of {listed(sorted(found))}?)" if found else ""


def waited_seconds(pid: int) -> float:
    """That a process had something to do and no CPU to do it on; 0 where nobody tells."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


def user_seconds(pid: int) -> float:
    """That a process has computed; 0 where it is gone, or hidden."""
    try:
        seconds: float = psutil.Process(pid).cpu_times().user
    except (psutil.Error, OSError):
        return 0.0
    return seconds


def _connections() -> list[Any]:
    try:
        connections = psutil.Process().net_connections()
    except (psutil.Error, OSError):  # processes are hidden
        return []
    return [connection for connection in connections if connection.raddr]


def _is_open_stream(connection: Any) -> bool:
    is_open: bool = connection.status == psutil.CONN_ESTABLISHED
    return is_open and connection.type == socket.SOCK_STREAM


def _peer(connection: Any) -> str:
    return ":".join(map(str, connection.raddr))
