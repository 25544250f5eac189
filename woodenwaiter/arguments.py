"""What the public classes ask of their arguments. Functions raise WrongType and WrongValue, which
name the argument."""

from __future__ import annotations

from typing import Any, TypeVar

from .errors import WrongType, WrongValue

LEAST_MEMORY = 1 << 20

MOST_WEIGHT = 1000
"""What is more, and what is as much less than 1, is hardly meant."""

Number = TypeVar("Number", int | None, float | None)


def require(value: object, kind: type, name: str) -> None:
    if not isinstance(value, kind):
        article = "an" if kind.__name__[0] in "aeiou" else "a"
        raise WrongType(f"{name} must be {article} {kind.__name__}, not {value!r:.100}")


def require_function(value: object, name: str, *arguments: Any, takes: str = "no argument") -> None:
    """Callable with these arguments, as far as can be told, and not a generator. ``takes``: what it
    is to take, in words."""
    import inspect

    require_callable(value, name)
    call = value if inspect.isroutine(value) else getattr(value, "__call__", value)  # noqa: B004
    if any(map(inspect.isgeneratorfunction, (value, call))) or any(
        map(inspect.isasyncgenfunction, (value, call))
    ):
        raise WrongType(f"{name} must not be a generator, which nobody would run: {value!r:.100}")
    try:
        inspect.signature(value).bind(*arguments)  # type: ignore[arg-type]
    except ValueError:
        pass  # of some that are written in C nothing is known
    except TypeError as error:
        raise WrongType(f"{name} must take {takes}: {value!r:.100}: {error}") from None


def require_number(value: object, name: str) -> None:
    if not isinstance(value, int | float):
        raise WrongType(f"{name} must be a number, not {value!r:.100}")


def require_callable(value: object, name: str) -> None:
    if not callable(value):
        raise WrongType(f"{name} must be callable, not {value!r:.100}")


def positive(value: Number, name: str) -> Number:
    if value is not None:
        require_number(value, name)
        if not value > 0:
            raise WrongValue(f"{name} must be more than 0, not {value!r}")
    return value


def weight(value: float, name: str) -> float:
    require_number(value, name)
    if not 1 / MOST_WEIGHT <= value <= MOST_WEIGHT:
        raise WrongValue(f"{name} must be from {1 / MOST_WEIGHT} to {MOST_WEIGHT}, not {value!r}")
    return float(value)


def number_of_bytes(value: int | None, name: str) -> int | None:
    if (positive(value, name) or LEAST_MEMORY) < LEAST_MEMORY:
        raise WrongValue(
            f"{name} is in bytes, and no process does with {value!r}: 500 MiB are 500 * 2**20"
        )
    return value


def queue_of(table: str, dish: str) -> str:
    try:
        return table + ":" + dish
    except TypeError:
        require(table, str, "table")
        require(dish, str, "dish")
        raise


def require_servable(table: str, dish: str) -> None:
    """A producer may push to a list of any name; a worker also has it in its process title."""
    queue = table + ":" + dish
    if not (table and dish):
        raise WrongValue(f"table and dish must not be empty: {queue!r:.100}")
    if any(c == "\0" or "\ud800" <= c <= "\udfff" for c in queue):
        raise WrongValue(f"table and dish must be UTF-8 without NUL, not {queue!r:.100}")
