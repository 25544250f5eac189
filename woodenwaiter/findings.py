"""What somebody who looks after the whole comes to tell."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Grade(str, Enum):
    """How bad it is: nothing; what may become a trouble; what keeps tasks from being done, or may
    lose some."""

    OK = "ok"
    WARNING = "warning"
    TROUBLE = "trouble"


@dataclass(frozen=True)
class Finding:
    """``about``: a word; ``text``: what is so; ``remedy``: what to do, unless all is well."""

    grade: Grade
    about: str
    text: str
    remedy: str = ""


def ok(about: str, text: str) -> Finding:
    return Finding(Grade.OK, about, text)


def warning(about: str, text: str, remedy: str) -> Finding:
    return Finding(Grade.WARNING, about, text, remedy)


def trouble(about: str, text: str, remedy: str) -> Finding:
    return Finding(Grade.TROUBLE, about, text, remedy)
