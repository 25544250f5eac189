"""Log lines of many processes on one stderr."""

from __future__ import annotations

import json
import logging
import os
import signal
import time
from collections.abc import Iterator
from select import PIPE_BUF

from .text import escaped, escaped_json, escaped_lines, shortened

FORMATS = ("text", "json")
LEVELS = ("debug", "info", "warning", "error")

LONGEST_MESSAGE = 64 << 10
LONGEST_TRACEBACK = 256 << 10
"""Bytes of what is logged. Of more the beginning and the end are."""

IN_LINES = {"in_lines": True}
"""A record's ``extra``, where the message's line ends are meant. Others are somebody's text."""


class _Steadfast(logging.Logger):
    """`logging.config` disables whatever logger it does not name, and a handler may call it at any
    time: failures would be silent from then on. Who wants to hear less sets the level."""

    @property
    def disabled(self) -> bool:
        return False

    @disabled.setter
    def disabled(self, value: bool) -> None:
        pass


log = logging.getLogger("woodenwaiter")
if type(log) is logging.Logger:  # and none that another library has made
    log.__class__ = _Steadfast

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
            text = self.formatException(record.exc_info) if record.exc_info else ""
        except Exception as error:
            return f"it cannot be shown: {type(error).__name__}"
        return shortened(text, LONGEST_TRACEBACK)


class _TextFormatter(_Formatter):
    """A record starts a line. Whatever follows stands behind a margin: it is none of its own."""

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.created))
        who = f"[{os.getpid()} {escaped(_role)}]"
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
            "pid": os.getpid(),
            "role": _role,
            "message": self.message_of(record),
        }
        if traceback := self.traceback_of(record):
            fields["traceback"] = traceback
        return escaped_json(json.dumps(fields, ensure_ascii=False))


def portions(text: bytes) -> Iterator[bytes]:
    """Cut between lines into what a pipe takes whole, so that no line has another's in it."""
    while len(text) > PIPE_BUF:
        end = text.rfind(b"\n", 0, PIPE_BUF) + 1 or text.find(b"\n", PIPE_BUF) + 1 or len(text)
        yield text[:end]
        text = text[end:]
    if text:
        yield text


class _StderrHandler(logging.Handler):
    """Writes each record at once and past Python's buffers, so that no fork copies half a line."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = (self.format(record) + "\n").encode(errors="backslashreplace")
            # A terminal may refuse a job in the background to write: with a SIGTTOU that would
            # be handled and the write repeated without end, but not where it is blocked.
            former = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTTOU,))
            try:
                for portion in portions(text):
                    while portion := portion[os.write(2, portion) :]:
                        pass  # a signal came in between
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, former)
        except OSError:
            pass  # nobody is left to read it
        except Exception:
            self.handleError(record)


def configure(level: str, style: str) -> None:
    """Send this process's and its children's log to stderr, unless the program has its own way."""
    if log.hasHandlers():
        return
    handler = _StderrHandler()
    handler.setFormatter(_JsonFormatter() if style == "json" else _TextFormatter())
    log.addHandler(handler)
    log.propagate = False  # handlers that the application adds later would say it all again
    log.setLevel(level.upper())
