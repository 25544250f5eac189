"""Finding the customers that a command line names."""

from __future__ import annotations

import importlib
import importlib.util
import os
import select
import sys
import traceback
from collections.abc import Iterable
from contextlib import suppress
from types import FrameType
from typing import Any

from ..errors import AppError, text_of
from ..processes.signals import in_main_thread
from ..supervisor import hosts
from ..woodenwaiter import WoodenCustomer, WoodenManager
from .hidden import what_hides


def load_customers(spec: str) -> list[WoodenCustomer]:
    """`find_customers` for the process that is to run them: the application must neither do that
    itself, whatever becomes of the exception, nor take away what it needs."""
    try:
        with hosts.loading():
            customers = find_customers(spec)
    finally:
        if hosts.refusals:
            raise AppError(f"{spec}: {hosts.refusals[0]}") from None
    if not (in_main_thread() and hasattr(select, "poll")):
        raise AppError(
            f"{spec}: importing it replaces Python's threads and select, as eventlet.monkey_patch()"
            " does, and no supervisor can run on those. Leave it out; gevent's can stay"
        )
    return customers


def find_customers(spec: str) -> list[WoodenCustomer]:
    """The customers that ``module``, ``module:name`` or ``module:factory()`` stands for.

    A module alone stands for its WoodenManager, or for the customers in it. Raises AppError.
    """
    module_name, _, name = spec.partition(":")
    if not all(part.isidentifier() for part in module_name.split(".")):
        raise _no_module(module_name, spec)
    module = _import(module_name, spec)
    if not name:
        return _customers_in(module, spec)
    factory = name.endswith("()")
    try:
        found = getattr(module, name.removesuffix("()"))
    except AttributeError:
        raise AppError(f"{spec}: module {module_name} has no {name.removesuffix('()')!r}") from None
    if factory:
        found = _call(found, spec)
    return _as_customers(found, spec)


def folder_of(spec: str) -> str:
    """From which the module, or its package, is to be imported, which is not done; the current one
    where that cannot be told."""
    places: list[str | None] = []
    with suppress(ImportError, ValueError):
        if found := importlib.util.find_spec(spec.partition(":")[0].partition(".")[0]):
            places = [*(found.submodule_search_locations or ()), found.origin]
    folder = os.path.dirname(os.path.realpath(places[0])) if places and places[0] else ""
    return folder if os.path.isdir(folder) else os.getcwd()


def _import(name: str, spec: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(error.name + ".")):
            raise _no_module(name, spec) from None
        raise AppError(f"{spec}: importing it fails: {error}{_where(error)}") from error
    except (Exception, SystemExit) as error:
        raise AppError(f"{spec}: importing it fails: {_what(error)}") from error


def _what(error: BaseException) -> str:
    return f"{type(error).__name__}: {text_of(error)}{_where(error)}"


def _where(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return ""  # its message says it
    if reason := what_hides(error):
        return f" ({reason})"
    last = _steps(error)[-1]
    called = f": {name}()" if (name := _called(error)) else ""
    return f" ({last.filename}, line {last.lineno}{called})"


def _steps(error: BaseException) -> traceback.StackSummary:
    """How it came about, without our own last steps: where an argument is wrong, they are not."""
    steps = list(traceback.walk_tb(error.__traceback__))
    theirs = [n for n, (frame, _) in enumerate(steps, 1) if not is_own(frame)]
    return traceback.StackSummary.extract(iter(steps[: max(theirs, default=len(steps))]))


def _called(error: BaseException) -> str:
    """What of ours was called there; nothing where it is not our complaint."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    theirs = [n for n, frame in enumerate(frames, 1) if not is_own(frame)]
    if not theirs or theirs[-1] == len(frames):
        return ""
    frame = frames[theirs[-1]]
    is_class = frame.f_code.co_name in ("__init__", "__post_init__") and "self" in frame.f_locals
    return type(frame.f_locals["self"]).__name__ if is_class else frame.f_code.co_name


def is_own(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__")).partition(".")[0] == "woodenwaiter"


def _no_module(name: str, spec: str) -> AppError:
    return AppError(
        f"{spec}: there is no module {name!r} here; APP is a module's dotted name, such as tasks "
        f"or shop.tasks:manager, and is looked for {_where_it_is_looked_for()}"
    )


def _where_it_is_looked_for() -> str:
    with suppress(OSError):  # the current folder may be gone
        if {"", os.getcwd()} & set(sys.path):
            return f"from the current folder, {os.getcwd()}"
    return (
        "in PYTHONPATH and among installed packages; not in the current folder, as -P, -I or "
        "PYTHONSAFEPATH says"
    )


def _call(factory: Any, spec: str) -> Any:
    try:
        return factory()
    except Exception as error:
        raise AppError(f"{spec}: calling it fails: {_what(error)}") from error


def _customers_in(module: Any, spec: str) -> list[WoodenCustomer]:
    values = vars(module).values()
    managers = list({id(v): v for v in values if isinstance(v, WoodenManager)}.values())
    if len(managers) > 1:
        raise AppError(f"{spec}: there is more than one WoodenManager; name one: {spec}:NAME")
    if managers:
        return _as_customers(managers[0], spec)
    return _as_customers([v for v in values if isinstance(v, WoodenCustomer)], spec)


def _as_customers(found: Any, spec: str) -> list[WoodenCustomer]:
    if isinstance(found, WoodenManager):
        found = found.customers
    elif isinstance(found, WoodenCustomer):
        found = [found]
    if not isinstance(found, Iterable) or isinstance(found, str | bytes):
        raise AppError(f"{spec} is a {type(found).__name__}, not a WoodenManager or customers")
    customers = list(found)
    for customer in customers:
        if not isinstance(customer, WoodenCustomer):
            raise AppError(f"{spec} holds a {type(customer).__name__}, which is no WoodenCustomer")
    if not customers:
        raise AppError(f"{spec}: there is no WoodenCustomer in it")
    return customers
