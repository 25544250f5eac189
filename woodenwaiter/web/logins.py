"""Being let in by a password: a page that asks for it, and a session for who knows it."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from urllib.parse import quote

from .. import pace
from ..logs import log
from ..text import escaped
from .attempts import LONGEST, Attempts
from .bodies import body_of
from .passwords import Passwords
from .replies import Receive, Reply, elsewhere
from .sessions import Sessions
from .visits import Visit, fields_of

Page = Callable[..., bytes]
"""The page that asks, with texts for ``prefix``, ``then`` and ``trouble``, which it escapes."""

LONGEST_FORM = 16 << 10
"""Bytes."""


class ByPassword:
    """``port``: tells the page's cookie from that of another page of this machine."""

    has_login = True

    def __init__(self, passwords: Passwords, sessions: Sessions, page: Page, port: int) -> None:
        self._passwords = passwords
        self._sessions = sessions
        self._page = page
        self._cookie = f"woodenwaiter-{port}"
        self._attempts = Attempts()

    def refusal(self, visit: Visit) -> Reply | None:
        return None

    def session(self, visit: Visit) -> str:
        return visit.cookie(self._cookie)

    async def user(self, visit: Visit) -> str | None:
        return self._sessions.user_of(self.session(visit), time.time())

    async def answer(self, visit: Visit, receive: Receive) -> Reply | None:
        if visit.path == "/login" and visit.is_safe:
            return await self._asked(visit)
        if visit.path == "/login" and visit.method == "POST":
            return await self._let_in(visit, await _form(receive))
        if visit.path == "/logout" and visit.method == "POST":
            self._sessions.end(self.session(visit), time.time())
            return elsewhere(f"{quote(visit.home)}/login", self._kept(visit, "", 0))
        return None

    async def _asked(self, visit: Visit) -> Reply:
        then = visit.back(visit.asked("then"))
        return elsewhere(then) if await self.user(visit) else self._form_page(visit, then)

    async def _let_in(self, visit: Visit, form: dict[str, str]) -> Reply:
        user, password = form.get("user", ""), form.get("password", "")
        then = visit.back(form.get("then", ""))
        if self._passwords.is_crowded:
            return self._form_page(visit, then, 503, "too many log in just now: try again", 5)
        if wait := self._attempts.begin(visit.asker, user, time.monotonic()):
            seconds = math.ceil(wait)
            trouble = f"that was tried too often: try again in {seconds} s"
            return self._form_page(visit, then, 429, trouble, seconds)
        if not await self._knows(user, password):
            self._tell("%s does not know the password of %s", visit, user, is_trouble=True)
            return self._form_page(visit, then, 403, "no such user, or another password")
        self._attempts.succeeded(visit.asker, user, time.monotonic())
        self._tell("%s has logged in as %s", visit, user)
        session = self._sessions.begin(user, time.time())
        return elsewhere(then, self._kept(visit, session, pace.SESSION))

    async def _knows(self, user: str, password: str) -> bool:
        loop, pool = asyncio.get_running_loop(), self._passwords.queue
        return await loop.run_in_executor(pool, self._passwords.check, user, password)

    def _tell(self, what: str, visit: Visit, user: str, *, is_trouble: bool = False) -> None:
        tell = log.warning if is_trouble else log.info
        tell(what, visit.asker or "somebody", escaped(user[:LONGEST]))

    def _form_page(
        self, visit: Visit, then: str, status: int = 200, trouble: str = "", wait: int = 0
    ) -> Reply:
        text = f"{trouble[:1].upper()}{trouble[1:]}." if trouble else ""
        body = self._page(prefix=quote(visit.home), then=then, trouble=text)
        headers = (("Retry-After", str(wait)),) if wait else ()
        return Reply(status, body, "text/html; charset=utf-8", headers)

    def _kept(self, visit: Visit, session: str, seconds: float) -> str:
        """What a browser is to keep, and to show to this page alone."""
        parts = [
            f"{self._cookie}={session}",
            f"Path={quote(visit.home) or '/'}",
            f"Max-Age={seconds:.0f}",
            "HttpOnly",
            "SameSite=Strict",
        ]
        return "; ".join([*parts, "Secure"] if visit.is_secure else parts)


async def _form(receive: Receive) -> dict[str, str]:
    return fields_of((await body_of(receive, LONGEST_FORM)).decode(errors="replace"))
