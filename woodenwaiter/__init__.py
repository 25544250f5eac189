"""A Redis-backed pool of worker processes that loses no task.

Names are loaded when first used, so that ``python -m woodenwaiter.…`` runs each module once.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import woodenwaiter
    from .backoff import Backoff
    from .errors import (
        AppError,
        BadEntry,
        LeaseLost,
        Misuse,
        NotReplicated,
        RedisUnusable,
        Reject,
        Retry,
        StartupError,
        TaskCancelled,
        TaskInterrupted,
        TaskStalled,
        TaskTimeout,
        WoodenError,
        WrongType,
        WrongValue,
    )
    from .hooks import Mishap
    from .woodenwaiter import (
        WoodenCooker,
        WoodenCustomer,
        WoodenManager,
        WoodenMenu,
        WoodenWaiter,
    )
    from .worker.handling import Delivery, delivery

__version__ = "1.0.0"

__all__ = [
    "AppError",
    "Backoff",
    "BadEntry",
    "Delivery",
    "LeaseLost",
    "Mishap",
    "Misuse",
    "NotReplicated",
    "RedisUnusable",
    "Reject",
    "Retry",
    "StartupError",
    "TaskCancelled",
    "TaskInterrupted",
    "TaskStalled",
    "TaskTimeout",
    "WoodenCooker",
    "WoodenCustomer",
    "WoodenError",
    "WoodenManager",
    "WoodenMenu",
    "WoodenWaiter",
    "WrongType",
    "WrongValue",
    "delivery",
    "woodenwaiter",
]

_CLASSES = ("WoodenCooker", "WoodenCustomer", "WoodenManager", "WoodenMenu", "WoodenWaiter")
_HOMES = (
    dict.fromkeys(__all__, "errors")
    | dict.fromkeys(_CLASSES, "woodenwaiter")
    | dict.fromkeys(("Delivery", "delivery"), "worker.handling")
    | {"Backoff": "backoff", "Mishap": "hooks"}
)


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "woodenwaiter":
        return import_module(f"{__name__}.woodenwaiter")
    home = import_module(f"{__name__}.{_HOMES[name]}")
    return getattr(home, name)
