"""What a request asks for, made sure of."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from ..backoff import LONGEST
from ..errors import WoodenError
from ..protocol.letters import Filter
from .names import name_of

LETTER = re.compile(r"\d{1,19}-\d{1,19}", re.ASCII)
"""The name of a dead letter."""

LONGEST_VALUE = 1 << 19
"""Characters of a text, an edited payload among them."""

LONGEST_NAME = 1 << 12
"""Characters of the key of a queue's name."""

LONGEST_TEXT = 1000
"""Characters that are looked for."""


class Wrong(WoodenError):
    """It cannot be meant so; says what is wrong."""


class Asked:
    """By names, each given once: texts of an address, or values of JSON."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self._given = given

    @classmethod
    def of_query(cls, query: bytes) -> Asked:
        """What comes behind the ? of an address."""
        return cls(dict(parse_qsl(query.decode("ascii", "replace"), errors="surrogateescape")))

    def __contains__(self, name: str) -> bool:
        return self._given.get(name) is not None

    def text(self, name: str, usual: str = "") -> str:
        value = self._given.get(name)
        if value is None:
            return usual
        if not isinstance(value, str):
            raise Wrong(f"{name} is no text")
        if len(value) > LONGEST_VALUE:
            raise Wrong(f"{name} is longer than {LONGEST_VALUE:,} characters")
        return value

    def needed(self, name: str) -> str:
        if not (value := self.text(name)):
            raise Wrong(f"{name} is missing")
        return value

    @property
    def queue(self) -> str:
        """Its name."""
        key = self.needed("queue")
        try:
            name = name_of(key)
        except ValueError:
            name = ""
        if not name or len(key) > LONGEST_NAME:
            raise Wrong("that is no name of a queue")
        return name

    def seconds(self, name: str) -> float | None:
        """None: it is not given."""
        value = self._given.get(name)
        if value in (None, ""):
            return None
        try:
            number = float(str(value))
        except ValueError:
            number = math.nan
        if not 0 <= number < LONGEST:
            raise Wrong(f"{name} is no number of seconds")
        return number

    def number(self, name: str, usual: int, most: int) -> int:
        """From 0 to ``most``."""
        text = str(self._given.get(name, usual))
        if not re.fullmatch(r"\d{1,12}", text, re.ASCII):
            raise Wrong(f"{name} is no number")
        return min(int(text), most)

    def texts(self, name: str) -> list[str]:
        value = self._given.get(name)
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise Wrong(f"{name} is no list of texts")
        return value

    def letter(self, name: str = "letter") -> str:
        return letter(self.needed(name))

    def letters(self) -> list[str]:
        return [*map(letter, self.texts("letters"))]

    def part(self, name: str) -> Asked:
        value = self._given.get(name)
        if not isinstance(value, Mapping):
            raise Wrong(f"{name} is missing")
        return Asked(value)

    @property
    def filter(self) -> Filter:
        """Which dead letters are meant."""
        texts = {name: self.text(name) for name in ("reason", "error", "text", "group")}
        if any(len(text) > LONGEST_TEXT for text in texts.values()):
            raise Wrong(f"texts that are looked for have up to {LONGEST_TEXT} characters")
        return Filter(self.seconds("older"), self.seconds("newer"), **texts)


def letter(name: str) -> str:
    """The name of a dead letter, that may be one."""
    if not LETTER.fullmatch(name):
        raise Wrong("that is no dead letter's name")
    return name
