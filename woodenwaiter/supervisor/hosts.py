"""The program that a supervisor is launched from: whether it may, and whether its end is the end of
its workers, too."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from psutil import Error, Process

from ..errors import Misuse

PACKAGE = os.path.dirname(os.path.dirname(__file__)) + os.sep

TITLE = "woodenwaiter: supervisor of"
"""How a supervisor's process title begins."""

NOT_THE_CALLER = (PACKAGE, threading.__file__)

REMEDY = 'Move the call under if __name__ == "__main__"'

RELOADED = ("WERKZEUG_RUN_MAIN", "RUN_MAIN")
"""In the environment of what the reloaders of Werkzeug and Django start. Who starts it has imported
the same application, and launched, and does nothing more but wait for changes."""

refusals: list[str] = []
"""Why calls were refused in this process, whatever became of the exception."""

_loads_application = 0  # the pid of who does


@contextmanager
def loading() -> Iterator[None]:
    """This process loads an application in order to supervise it, or to work for it."""
    global _loads_application
    _loads_application = os.getpid()
    try:
        yield
    finally:
        _loads_application = 0


def require_own_program(call: str) -> None:
    """Raise Misuse where nobody who imports a module expects it to start processes."""
    if _loads_application == os.getpid():
        who = "python -m woodenwaiter.supervisor, which runs the workers itself"
    elif _is_preparing_child():
        who = "a child process, which multiprocessing starts"
    else:
        return
    refusals.append(f"{call} is called while the module is imported by {who}. {REMEDY}{_where()}")
    raise Misuse(refusals[-1])


def _where() -> str:
    frame = next((f for f in _stack() if not f.f_code.co_filename.startswith(NOT_THE_CALLER)), None)
    return f" ({frame.f_code.co_filename}, line {frame.f_lineno})" if frame else ""


def _stack() -> Iterator[FrameType]:
    frame: FrameType | None = sys._getframe()
    while frame:
        yield frame
        frame = frame.f_back


def _multiprocessing() -> Any:
    """The module that knows of this process; not imported for that."""
    return sys.modules.get("multiprocessing.process")


def _is_preparing_child() -> bool:
    """As multiprocessing itself knows it, which refuses to start processes then."""
    process = _multiprocessing()
    return process is not None and hasattr(process.current_process(), "_inheriting")


def _is_child() -> bool:
    process = _multiprocessing()
    return process is not None and process.parent_process() is not None


def _is_imported_by_tool() -> bool:
    """Whether a module is being imported, and by a program that was installed, as servers are."""
    modules = (f.f_globals.get("__name__") for f in _stack() if f.f_code.co_name == "<module>")
    main = getattr(sys.modules.get("__main__"), "__file__", None) or ""
    is_tool = os.path.dirname(main).startswith(tuple(_tools()))
    return is_tool and next(modules, "__main__") != "__main__"


def _tools() -> Iterator[str]:
    import sysconfig  # it takes memory, and is needed once

    for scheme in (sysconfig.get_default_scheme(), sysconfig.get_preferred_scheme("user")):
        for name in ("scripts", "purelib", "platlib", "stdlib"):
            yield sysconfig.get_path(name, scheme)


def is_hosted(own_handler: object) -> bool:
    """Whether somebody else's program runs the application: a server, a test, a shell. What ends it
    is meant for all of it, and may never come to the handler that would drain."""
    return (
        owns_termination(own_handler)
        or is_interactive()
        or "_pytest" in sys.modules
        or _is_child()
        or _is_imported_by_tool()
    )


def owns_termination(own_handler: object) -> bool:
    """Whether a SIGTERM comes to a handler of the program's."""
    handler = signal.getsignal(signal.SIGTERM)
    return handler not in (signal.SIG_DFL, signal.SIG_IGN, own_handler)


def is_interactive() -> bool:
    """Whether SIGINT is for the line or the cell that a person has typed."""
    return hasattr(sys, "ps1") or bool(sys.flags.interactive)


def relieve_reloader() -> None:
    """Drain what the reloader that started this program has launched: this one takes its place."""
    if not any(os.environ.get(name) == "true" for name in RELOADED):
        return
    with suppress(Error):
        parent = Process(os.getppid())
        if parent.cmdline()[-len(sys.argv) :] != sys.orig_argv[-len(sys.argv) :]:
            return  # this program inherits the variable, and is another one
        for process in parent.children():
            if " ".join(process.cmdline()).startswith(TITLE):
                process.terminate()
