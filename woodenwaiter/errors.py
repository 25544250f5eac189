"""All that this package raises on purpose, in one tree, and the exit codes of commands.

::

    WoodenError
    ├── WrongType           also a TypeError, and an AssertionError
    ├── WrongValue          also a ValueError
    ├── Misuse              also a RuntimeError
    ├── StartupError
    │   ├── AppError
    │   └── RedisUnusable
    ├── BadEntry            also a ValueError
    ├── LeaseLost
    ├── NotReplicated
    ├── Reject
    └── Retry
    TaskInterrupted         a BaseException
    ├── TaskTimeout
    │   └── TaskStalled
    └── TaskCancelled

A server's own trouble comes as redis-py raises it: ``redis.RedisError``, ``OSError``.
"""

from __future__ import annotations

EXIT_DRAINED = 0
EXIT_KILLED = 1
EXIT_OUTPUT = 1  # of what only prints
EXIT_UNKNOWN = 1  # likewise, of a queue
EXIT_UNWELL = 1  # of a probe
EXIT_USAGE = 2
EXIT_APP = 3
EXIT_REDIS = 4
EXIT_SETUP = 5


class WoodenError(Exception):
    """The root of what this package raises."""


class WrongType(WoodenError, TypeError, AssertionError):
    """An argument has the wrong type: raised by the five classes, and by `Backoff`. Also an
    AssertionError, which callers of 0.0.4 catch."""


class WrongValue(WoodenError, ValueError):
    """An argument has a value that makes no sense: a limit of 0, a URL that is none."""


class Misuse(WoodenError, RuntimeError):
    """Called where it has no meaning: a second ``launch()``, ``run()`` outside the main thread,
    ``delivery()`` outside a handler."""


class StartupError(WoodenError):
    """A supervisor or command cannot start; the message says what is wrong and what to do. Raised
    by ``launch()`` and ``run()``, also for a setting that makes no sense."""

    exit_code = EXIT_USAGE


class AppError(StartupError):
    """The application cannot be loaded, or has nothing to run."""

    exit_code = EXIT_APP


class RedisUnusable(StartupError):
    """The server is too old, refuses the password, or is not there; or none can be embedded."""

    exit_code = EXIT_REDIS


class BadEntry(WoodenError, ValueError):
    """These bytes are no task; the message says why. Raised by ``call_waiter()``, which has put
    them into the dead letters, and by ``serve_dish()``."""


class LeaseLost(WoodenError):
    """The owner is unknown: its lease ran out, and its claims belong to others now. Raised by
    ``call_waiter()`` when a server loses what it held a moment ago; the task is not lost."""


class NotReplicated(WoodenError):
    """A task was pushed, but not as durably as its waiter promises: it runs, unless a failover
    loses it meanwhile. To push it again has it run twice, maybe."""


class Reject(WoodenError):
    """Raise in a handler to send the task straight to the dead letters, with this reason."""

    def __init__(self, reason: str = "rejected by its handler") -> None:
        super().__init__(reason)


class Retry(WoodenError):
    """Raise in a handler to have the task delivered again.

    ``after``: seconds until then, from 0 up to 1e9, or WrongValue is raised; None leaves it to the
    customer's backoff. This delivery counts: after ``max_deliveries`` the task goes to the dead
    letters.
    """

    def __init__(self, after: float | None = None) -> None:
        if after is not None and not 0 <= after < 1e9:
            raise WrongValue(f"after must be a number of seconds from 0 up to 1e9, not {after!r}")
        super().__init__("retry" if after is None else f"retry after {after} s")
        self.after = after


class TaskInterrupted(BaseException):
    """Raised in a handler that is to end, wherever it is at that moment: the root of these.

    Not an Exception, so that a handler's own `except Exception` does not take it for one of its.
    """


class TaskTimeout(TaskInterrupted):
    """Raised in a handler whose customer's ``timeout`` is up."""


class TaskStalled(TaskTimeout):
    """Raised likewise, where its ``stall_timeout`` is up: it has told nothing for so long."""


class TaskCancelled(TaskInterrupted):
    """Raised in a handler whose task somebody has cancelled; the message says who. Whatever the
    handler raises then, the task goes to the dead letters; should it return, the task is done."""


def text_of(error: BaseException) -> str:
    """The message of an exception whose class may be a user's."""
    try:
        return str(error)
    except Exception as another:
        return f"(no message: its __str__ raised {type(another).__name__})"
