"""Log lines of many processes on one stderr."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

from .errors import text_of
from .events import fields_of
from .stderr import Stderr
from .text import escaped, escaped_json, escaped_lines, shortened

FORMATS = ("text", "json")
LEVELS = ("debug", "info", "warning", "error")

LONGEST_MESSAGE = 64 << 10
LONGEST_TRACEBACK = 256 << 10
"""Bytes of what is logged. Of more the beginning and the end are."""

IN_LINES = {"in_lines": True}
"""A record's ``extra``, where the message's line ends are meant. Others are somebody's text."""


class _Steadfast(logging.Logger):
    """Says what we have to say, whatever becomes of the application's logging.

    `logging.config` disables whatever logger it does not name, and a handler may call it at any
    time: failures would be silent from then on. Who wants to hear less sets the level.
    """

    @property
    def disabled(self) -> bool:
        return False

    @disabled.setter
    def disabled(self, value: bool) -> None:
        pass

    def _log(self, level: int, msg: object, args: Any, *others: Any, **options: Any) -> None:
        if outlet := _outlet or (aside if _is_unheard() else None):
            outlet.handle(_record(level, msg, args, options))
            return
        options["stacklevel"] = options.get("stacklevel", 1) + 1
        try:
            super()._log(level, msg, args, *others, **options)
        except (Exception, SystemExit) as error:
            _tell_failure(_record(level, msg, args, options), error)

    def handle(self, record: logging.LogRecord) -> None:
        try:
            super().handle(record)
        except (Exception, SystemExit) as error:
            _tell_failure(record, error)


def _tell_failure(record: logging.LogRecord, error: BaseException) -> None:
    """Say ourselves what the application's logging could not."""
    what = "the application's logging fails: %s: %s"
    aside.handle(record)
    aside.handle(_record(logging.ERROR, what, (type(error).__name__, text_of(error)), {}))


def _record(level: int, msg: object, args: Any, options: dict[str, Any]) -> logging.LogRecord:
    """A record as `logging` makes them unless told otherwise."""
    caller = sys._getframe(3)  # past `_log`, and `info` or the like
    error: Any = options.get("exc_info")
    if isinstance(error, BaseException):
        error = (type(error), error, error.__traceback__)
    elif error and not isinstance(error, tuple):
        error = sys.exc_info()
    where = (caller.f_code.co_filename, caller.f_lineno)
    record = logging.LogRecord(log.name, level, *where, msg, args, error, caller.f_code.co_name)
    vars(record).update(options.get("extra") or {})
    return record


log = logging.getLogger("woodenwaiter")
# Also where the application has a class of its own for loggers.
log.__class__ = type("_Steadfast", (_Steadfast, type(log)), {})

_role = "main"


def set_role(role: str) -> None:
    """Name this process in its log lines from now on."""
    global _role
    _role = role


class _Formatter(logging.Formatter):
    """Takes whatever it is given."""

    def message_of(self, record: logging.LogRecord) -> str:
        try:
            return shortened(record.getMessage(), LONGEST_MESSAGE)
        except Exception as error:
            where = f"{record.filename}:{record.lineno}"
            return f"{where} logs what cannot be shown: {type(error).__name__}"

    def traceback_of(self, record: logging.LogRecord) -> str:
        try:
            error = record.exc_info
            text = (self.formatException(error) if error else record.exc_text) or ""
        except Exception as error:
            return f"it cannot be shown: {type(error).__name__}"
        return shortened(text, LONGEST_TRACEBACK)


def _pid_of(record: logging.LogRecord) -> int:
    return record.process or os.getpid()


def _role_of(record: logging.LogRecord) -> str:
    return str(getattr(record, "role", _role))


class _TextFormatter(_Formatter):
    """A record starts a line. Whatever follows stands behind a margin: it is none of its own."""

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.created))
        who = f"[{_pid_of(record)} {escaped(_role_of(record))}]"
        head = f"{moment}.{int(record.msecs):03d} {record.levelname:<7} {who}"
        escape = escaped_lines if hasattr(record, "in_lines") else escaped
        body = escape(self.message_of(record))
        if traceback := self.traceback_of(record):
            body += escaped_lines("\n" + traceback)
        return f"{head} {body}"


class _JsonFormatter(_Formatter):
    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        fields = {
            "time": f"{moment}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "pid": _pid_of(record),
            "role": _role_of(record),
            **fields_of(record),
            "message": self.message_of(record),
        }
        if traceback := self.traceback_of(record):
            fields["traceback"] = traceback
        return escaped_json(json.dumps(fields, ensure_ascii=False))


class Outlet(logging.Handler):
    """Neither waits nor raises: what it cannot send is counted, and told when it can again."""

    taker = "nobody"
    _dropped = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.flush()
        if self._dropped or not self._sent(record):
            self._dropped += 1

    def flush(self) -> None:
        if self._dropped:
            count, whose = self._dropped, "record was" if self._dropped == 1 else "records were"
            text = f"{count} log {whose} dropped: {self.taker} did not take them"
            if self._sent(_record(logging.WARNING, text, (), {})):
                self._dropped = 0

    def _sent(self, record: logging.LogRecord) -> bool:
        try:
            return self.send(record)
        except Exception:
            return False

    def send(self, record: logging.LogRecord) -> bool:
        """Send it if that can be done at once."""
        raise NotImplementedError

    def forget(self) -> None:
        """In a forked child: what was dropped is the parent's to tell."""
        self._dropped = 0


class _StderrOutlet(Outlet):
    """Writes each record at once and past Python's buffers, so that no fork copies half a line."""

    taker = "stderr"

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(_TextFormatter())

    def send(self, record: logging.LogRecord) -> bool:
        return _stderr.write((self.format(record) + "\n").encode(errors="backslashreplace"))

    def flush(self) -> None:
        super().flush()
        _stderr.write(b"")  # what is left of the last record


_stderr = Stderr()
_handler = _StderrOutlet()
aside = _StderrOutlet()
"""The same, but never shown to the application, which might give it a filter or a formatter."""

_outlet: Outlet | None = None


def configure(level: str, style: str) -> None:
    """Send this process's and its children's log to stderr, unless the program has its own way."""
    formatter = _JsonFormatter() if style == "json" else _TextFormatter()
    aside.setFormatter(formatter)
    _stderr.write(b"")  # opens it while that is allowed
    if log.hasHandlers():
        return
    _handler.setFormatter(formatter)
    log.addHandler(_handler)
    log.propagate = False  # handlers that the application adds later would say it all again
    log.setLevel(level.upper())


def speak_through(outlet: Outlet | None) -> None:
    """Let what this process logs go there alone, past the application's logging, or, with None,
    where that sends it."""
    global _outlet
    _outlet = outlet


def flush() -> None:
    """Say what is left to say, if somebody takes it now."""
    for outlet in (_handler, aside):
        outlet.flush()


def stderr_fileno() -> int:
    """A descriptor of stderr that does not block, where there is one."""
    return _stderr.fileno()


def is_foreign() -> bool:
    """Whether what we log runs code of the application's or of its libraries'."""
    is_patched = logging.Logger.callHandlers.__module__ != logging.__name__  # by Sentry, say
    is_changed = _handler.filters or not isinstance(_handler.formatter, _Formatter)
    return bool(is_patched or is_changed or log.filters) or any(
        handler is not _handler for handler in _reached()
    )


def is_for_a_thread() -> bool:
    """Whether all that we log is only passed on to a thread, which no fork takes along."""
    handlers = sys.modules.get("logging.handlers")
    reached = list(_reached()) if handlers else []
    return bool(reached) and all(
        isinstance(each, handlers.QueueHandler)  # type: ignore[union-attr]
        and type(each.queue).__module__ in ("queue", "_queue")
        for each in reached
    )


def _is_unheard() -> bool:
    """Whether that thread is not here."""
    return is_for_a_thread() and not any("(_monitor)" in t.name for t in threading.enumerate())


def has_foreign_handlers() -> bool:
    """Whether there are any, wherever they are: they may have buffers."""
    handlers = {reference() for reference in logging._handlerList}  # type: ignore[attr-defined]
    return not handlers <= {_handler, aside, logging.lastResort, None}


def _reached() -> Iterator[logging.Handler]:
    """The handlers of what we log."""
    logger: logging.Logger | None = log
    while logger:
        yield from logger.handlers
        logger = logger.parent if logger.propagate else None


def plain(record: logging.LogRecord) -> dict[str, Any]:
    """A record's fields as data that can be sent to another process."""
    formatter = _Formatter()
    fields = {name: vars(record).get(name) for name in _TRAVELLING}
    traceback = shortened(formatter.traceback_of(record), LONGEST_MESSAGE)
    fields |= {"msg": formatter.message_of(record), "exc_text": traceback or None}
    fields |= {"role": _role, "processName": _role, "args": ()}
    return fields | fields_of(record) | (IN_LINES if hasattr(record, "in_lines") else {})


_TRAVELLING = (
    *("name", "levelno", "levelname", "created", "msecs", "relativeCreated", "process"),
    *("pathname", "filename", "module", "lineno", "funcName"),
)


def restored(fields: dict[str, Any]) -> logging.LogRecord:
    """The record, made past whatever makes the application's."""
    record = logging.LogRecord("", 0, "", 0, "", (), None)
    vars(record).update(fields)
    return record


def _forget() -> None:
    """In a forked child: what its parent could not say is not the child's to tell."""
    for outlet in filter(None, (_handler, aside, _outlet)):
        outlet.forget()


os.register_at_fork(after_in_child=_forget)
