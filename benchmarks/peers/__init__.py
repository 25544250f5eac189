"""The systems to compare: one module each, with

``PEER``
    what it is and how to start it;
``push(tasks)``
    puts tasks into its queue, in one request where it can.

Its workers call `benchmarks.task.handle` with each task. Settings are the system's own defaults,
but for what the module's first line says.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import pkgutil
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Peer:
    """title: for people.
    command: arguments to the Python interpreter; ``{processes}`` and ``{url}`` are filled in.
    package: whose version to note.
    pace: about how many no-ops it does a second; says how many are pushed.
    pool: whether one command starts all workers; else it is started once for each.
    """

    title: str
    command: tuple[str, ...]
    package: str = "redis"
    pace: int = 1000
    pool: bool = True


def names() -> list[str]:
    found = (module.name for module in pkgutil.iter_modules(__path__) if not module.ispkg)
    return sorted(name for name in found if not name.startswith("_"))


def describe(name: str) -> dict[str, object]:
    """The peer as JSON can hold it; raises whatever importing it raises."""
    peer: Peer = importlib.import_module(f"{__name__}.{name}").PEER
    return asdict(peer) | {"version": importlib.metadata.version(peer.package)}
