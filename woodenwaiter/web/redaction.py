"""Values that nobody is to see on a page, nor in what it hands out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

HIDDEN = "•••"

SHORTEST = 4
"""Characters of a hidden value that is looked for in other texts: shorter ones are everywhere."""


KIND = re.compile(r"[\w.]{1,100}:", re.ASCII)
"""Of an exception, before what it says."""


class Redaction:
    """Hides what stands in payloads under any of these ``keys``, in whatever case and depth."""

    def __init__(self, keys: Iterable[str] = ()) -> None:
        self._keys = {key.casefold() for key in keys}

    def __bool__(self) -> bool:
        return bool(self._keys)

    def payload(self, payload: bytes, *, is_whole: bool = True) -> bytes:
        """The payload without these values. Of what is no JSON, or not whole, nobody knows where
        they are: nothing of it is left."""
        if not self:
            return payload
        try:
            value = _parsed(payload, is_whole=is_whole)
            hidden = self._without(value)
        except (ValueError, RecursionError):
            return HIDDEN.encode()
        if hidden == value:
            return payload
        return json.dumps(hidden, ensure_ascii=False).encode(errors="backslashreplace")

    def text(self, text: str, payload: bytes, *, is_whole: bool = True) -> str:
        """A text about this payload, such as an error, without its hidden values; where nobody
        knows them, only which kind of error it is."""
        if not self:
            return text
        try:
            secrets = {*self._hidden_in(_parsed(payload, is_whole=is_whole))}
        except (ValueError, RecursionError):
            return self.unseen(text)
        for secret in sorted(filter(_is_long, secrets), key=len, reverse=True):
            text = text.replace(secret, HIDDEN)
        return text

    def unseen(self, text: str) -> str:
        """A text about a payload that was not looked at: an error's kind, and no more."""
        if not self or not text:
            return text
        kind = KIND.match(text)
        return f"{kind[0]} {HIDDEN}" if kind else HIDDEN

    def _without(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {
                key: HIDDEN if key.casefold() in self._keys else self._without(each)
                for key, each in value.items()
            }
        return [*map(self._without, value)] if isinstance(value, list) else value

    def _hidden_in(self, value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            for key, each in value.items():
                if key.casefold() in self._keys:
                    yield from _texts_in(each)
                else:
                    yield from self._hidden_in(each)
        elif isinstance(value, list):
            for each in value:
                yield from self._hidden_in(each)


def _parsed(payload: bytes, *, is_whole: bool) -> Any:
    """Raises ValueError and RecursionError."""
    if not is_whole:
        raise ValueError("nobody knows what follows")
    return json.loads(payload, object_pairs_hook=_object_of)


def _object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Who reads the same otherwise may take the other one of two values of a key."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key comes twice")
    return found


def _is_long(secret: str) -> bool:
    return len(secret) >= SHORTEST


def _texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts_in(each)
    elif isinstance(value, str):
        yield from (value, repr(value)[1:-1], json.dumps(value)[1:-1])
    else:
        yield json.dumps(value)
