"""Ways to be let in, but for passwords."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Protocol

from .options import Options, is_loopback
from .origins import is_of_loopback, names_loopback
from .replies import Receive, Reply, elsewhere, words
from .visits import Scope, Visit

ANYONE = "anyone"
"""Who asks, where nobody need say."""

WhoAsks = Callable[[Scope], str | Awaitable[str | None] | None]
"""Of whoever mounts the page: the user of a request, or None where nobody may see it."""


class Way(Protocol):
    """How people are let in."""

    @property
    def has_login(self) -> bool:
        """Whether there is a page for that, below /login."""

    def refusal(self, visit: Visit) -> Reply | None:
        """Of those who are not even to ask."""

    async def user(self, visit: Visit) -> str | None:
        """None where nobody is known."""

    def session(self, visit: Visit) -> str:
        """What tells this user's visits from those of another day."""

    async def answer(self, visit: Visit, receive: Receive) -> Reply | None:
        """To what has to do with logging in."""


class Open:
    """What ways without a login have in common."""

    has_login = False

    def refusal(self, visit: Visit) -> Reply | None:
        return None

    def session(self, visit: Visit) -> str:
        return ""

    async def answer(self, visit: Visit, receive: Receive) -> Reply | None:
        """Whoever is known need not log in, and whoever is not cannot."""
        if visit.path != "/login":
            return None
        if await self.user(visit) is None:
            return words(401, NOBODY, as_json=False)
        return elsewhere(visit.back(visit.asked("then")))

    async def user(self, visit: Visit) -> str | None:
        raise NotImplementedError


NOBODY = "it is not known who asks: log in where this page is from"


FORWARDED = ("forwarded", "x-forwarded-for")
"""Where a proxy says for whom it asks."""


class Anyone(Open):
    """Whoever reaches it; ``only_loopback``: on this machine, by no proxy, and under a name of it,
    for under their own name other sites could have their visitors' browsers ask (DNS
    rebinding)."""

    def __init__(self, *, only_loopback: bool) -> None:
        self._only_loopback = only_loopback

    def refusal(self, visit: Visit) -> Reply | None:
        is_here = is_of_loopback(visit.peer) and not any(map(visit.headers, FORWARDED))
        if not self._only_loopback or (is_here and names_loopback(visit.header("host") or "")):
            return None
        text = (
            "this page is for localhost alone: open it under this name, or have it started with "
            "--auth FILE, with --auth-header NAME and --proxy ADDRESS, or with --no-auth"
        )
        return words(403, text, as_json=visit.is_of_api)

    async def user(self, visit: Visit) -> str | None:
        return ANYONE


class ByProxy(Open):
    """Whom a proxy names in a header."""

    def __init__(self, header: str) -> None:
        self._header = header.lower()

    def refusal(self, visit: Visit) -> Reply | None:
        if visit.is_by_proxy:
            return None
        text = f"{visit.peer or 'who asks'} is no proxy of this page: ask by way of the proxy"
        return words(403, text, as_json=visit.is_of_api)

    async def user(self, visit: Visit) -> str | None:
        return (visit.header(self._header) or "").strip() or None


class ByHost(Open):
    """Whom the application knows in which the page is mounted."""

    def __init__(self, who_asks: WhoAsks) -> None:
        self._who_asks = who_asks

    async def user(self, visit: Visit) -> str | None:
        found = self._who_asks(visit.scope)
        return (await found if inspect.isawaitable(found) else found) or None


def way_without_passwords(options: Options) -> Open:
    if options.auth_header:
        return ByProxy(options.auth_header)
    return Anyone(only_loopback=not options.no_auth and is_loopback(options.host))
