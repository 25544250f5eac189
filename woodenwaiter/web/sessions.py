"""Those who have logged in: what a browser shows of it, and proof that a page asks for them."""

from __future__ import annotations

import hmac
import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable

from .. import pace

MOST_ENDED = 10_000
"""That are remembered of sessions that were ended before their time."""

Mark = Callable[[str], str | None]
"""Of a user's password: another one when that is another one; None where there is no such user."""


class Sessions:
    """``secret``: whoever has it can make one. They are over when their user has another password.
    Times are Unix seconds."""

    def __init__(self, secret: bytes, mark: Mark) -> None:
        self._secret = secret
        self._mark = mark
        self._ended: dict[str, float] = {}

    def begin(self, user: str, now: float) -> str:
        """Returns what their browser is to keep."""
        told = json.dumps([user, now + pace.SESSION, secrets.token_hex(8)])
        body = urlsafe_b64encode(told.encode()).decode()
        return f"{body}.{self._signature(body, self._mark(user) or '')}"

    def user_of(self, shown: str, now: float) -> str | None:
        """Whose it is; None where it is over, or was never begun here."""
        body, _, signature = shown.partition(".")
        try:
            user, until, _ = json.loads(urlsafe_b64decode(body))
        except (ValueError, TypeError, RecursionError):
            return None
        if not (isinstance(user, str) and isinstance(until, float | int)):
            return None
        mark = self._mark(user)
        if mark is None or not same(self._signature(body, mark), signature):
            return None
        return user if now < until and signature not in self._ended else None

    def end(self, shown: str, now: float) -> None:
        """Before its time, wherever it is still kept."""
        if self.user_of(shown, now) is not None:
            self._ended[shown.partition(".")[2]] = now + pace.SESSION
        if len(self._ended) > MOST_ENDED:
            self._ended = {s: until for s, until in self._ended.items() if until > now}
        if len(self._ended) > MOST_ENDED:
            del self._ended[next(iter(self._ended))]

    def token(self, user: str, shown: str) -> str:
        """What only a page of ours can read, and is to bring where it changes something."""
        return self._signature("token", user, shown)

    def _signature(self, *parts: str) -> str:
        message = json.dumps(parts).encode()
        return hmac.digest(self._secret, message, "sha256").hex()


def same(one: str, other: str) -> bool:
    """Takes as long wherever they differ."""
    return hmac.compare_digest(one.encode(errors="replace"), other.encode(errors="replace"))
