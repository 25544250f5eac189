"""The program that a supervisor is launched from: whether it may, and whether its end is the end of
its workers, too."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from types import FrameType
from typing import Any

import psutil

from ..errors import Misuse

PACKAGE = os.path.dirname(os.path.dirname(__file__)) + os.sep

TITLE = "woodenwaiter: supervisor of"
"""How a supervisor's process title begins."""

REMEDY = 'Move the call under if __name__ == "__main__"'

RELOADED = ("WERKZEUG_RUN_MAIN", "RUN_MAIN")
"""In the environment of what the reloaders of Werkzeug and Django start. Who starts it has imported
the same application, and launched, and does nothing more but wait for changes."""

refusals: list[str] = []
"""Why calls were refused in this process, whatever became of the exception."""

_loads_application = 0  # the pid of who does


def begin_loading() -> None:
    """This process loads an application in order to supervise it."""
    global _loads_application
    _loads_application = os.getpid()


def require_own_program(call: str) -> None:
    """Raise Misuse where nobody who imports a module expects it to start processes."""
    if _loads_application == os.getpid():
        who = "python -m woodenwaiter.supervisor, which runs the workers itself"
    elif getattr(_multiprocess(), "_inheriting", False):  # as multiprocessing itself knows it
        who = "a child process, which multiprocessing starts"
    else:
        return
    refusals.append(f"{call} is called while the module is imported by {who}. {REMEDY}{_where()}")
    raise Misuse(refusals[-1])


def _where() -> str:
    frame: FrameType | None = sys._getframe()
    while frame and frame.f_code.co_filename.startswith(PACKAGE):
        frame = frame.f_back
    return f" ({frame.f_code.co_filename}, line {frame.f_lineno})" if frame else ""


def _multiprocess() -> Any:
    """This process's object, if multiprocessing has started it."""
    module: Any = sys.modules.get("multiprocessing.process")
    return module.current_process() if module and module.parent_process() else None


def is_hosted(own_handler: object) -> bool:
    """Whether somebody else's program runs the application: a server, a test, a shell. What ends it
    is meant for all of it, and may never come to the handler that would drain."""
    handler = signal.getsignal(signal.SIGTERM)
    return (
        handler not in (signal.SIG_DFL, signal.SIG_IGN, own_handler)
        or is_interactive()
        or _multiprocess() is not None
        or "_pytest" in sys.modules
    )


def is_interactive() -> bool:
    """Whether SIGINT is for the line or the cell that a person has typed."""
    return hasattr(sys, "ps1") or bool(sys.flags.interactive)


def relieve_reloader() -> None:
    """Drain what the reloader that started this program has launched: this one takes its place."""
    if any(os.environ.get(name) == "true" for name in RELOADED):
        with suppress(psutil.Error):
            for process in psutil.Process(os.getppid()).children():
                if " ".join(process.cmdline()).startswith(TITLE):
                    process.terminate()
