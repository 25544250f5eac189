"""A Redis-backed pool of worker processes that loses no task.

Names are loaded when first used, so that ``python -m woodenwaiter.…`` runs each module once.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import woodenwaiter
    from .backoff import Backoff
    from .handling import Delivery, Reject, Retry, TaskTimeout, delivery
    from .woodenwaiter import (
        WoodenCooker,
        WoodenCustomer,
        WoodenManager,
        WoodenMenu,
        WoodenWaiter,
    )

__version__ = "1.0.0"

__all__ = [
    "Backoff",
    "Delivery",
    "Reject",
    "Retry",
    "TaskTimeout",
    "WoodenCooker",
    "WoodenCustomer",
    "WoodenManager",
    "WoodenMenu",
    "WoodenWaiter",
    "delivery",
    "woodenwaiter",
]

_HOMES = {"Backoff": "backoff"} | dict.fromkeys(
    ("Delivery", "Reject", "Retry", "TaskTimeout", "delivery"), "handling"
)


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "woodenwaiter":
        return import_module(f"{__name__}.woodenwaiter")
    home = import_module(f"{__name__}.{_HOMES.get(name, 'woodenwaiter')}")
    return getattr(home, name)
