"""Files of an application that have the name of a package, and are imported in its place.

Imports little itself: it is to explain why that failed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from importlib.machinery import PathFinder
from types import TracebackType
from typing import NoReturn

from ..errors import EXIT_APP


def what_hides(error: BaseException) -> str:
    """What to say of a failed import that is due to such a file; nothing if it is not."""
    if not isinstance(error, ImportError | AttributeError):
        return ""
    for file in (*_files_in(error.__traceback__), *_files_named_in(error)):
        folder, name = os.path.split(file.removesuffix(os.sep + "__init__.py").removesuffix(".py"))
        if folder in _own_folders() and _is_elsewhere(name):
            return f"{file!r} is imported instead of the package {name!r}: give it another name"
    return ""


def leave_because_of(error: BaseException) -> NoReturn:
    """Say in one line why the command itself cannot be imported, where it is due to such a file."""
    reason = what_hides(error)
    if not reason:
        raise error
    sys.stderr.write(f"woodenwaiter: {reason}\n")
    raise SystemExit(EXIT_APP)


def _files_in(trace: TracebackType | None) -> Iterator[str]:
    while trace:
        yield trace.tb_frame.f_code.co_filename
        trace = trace.tb_next


def _files_named_in(error: BaseException) -> Iterator[str]:
    """Of the modules that the message is about."""
    text = str(error)
    for name, module in tuple(sys.modules.items()):
        if f"'{name}'" in text or f"'{name}." in text:
            yield getattr(module, "__file__", None) or ""


def _own_folders() -> list[str]:
    """Those that are searched before Python's own."""
    library = os.path.dirname(os.__file__)
    return sys.path[: sys.path.index(library)] if library in sys.path else sys.path[:1]


def _is_elsewhere(name: str) -> bool:
    others = [folder for folder in sys.path if folder not in _own_folders()]
    return name in sys.builtin_module_names or PathFinder.find_spec(name, others) is not None
