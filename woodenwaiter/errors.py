"""Mistakes of a user, each told in one line and with an exit code of its own."""

from __future__ import annotations

EXIT_DRAINED = 0
EXIT_KILLED = 1
EXIT_USAGE = 2
EXIT_APP = 3
EXIT_REDIS = 4


class StartupError(Exception):
    """The program cannot run; the message says what is wrong and what to do."""

    exit_code = EXIT_USAGE


class AppError(StartupError):
    """The application cannot be loaded."""

    exit_code = EXIT_APP


class RedisUnusable(StartupError):
    """The server is too old, refuses the password, or is not there."""

    exit_code = EXIT_REDIS


def text_of(error: BaseException) -> str:
    """The message of an exception whose class may be a user's."""
    try:
        return str(error)
    except Exception as another:
        return f"(no message: its __str__ raised {type(another).__name__})"
