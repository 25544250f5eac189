"""Who comes before the page: nobody gets to it whom this does not let in, and nothing leaves it
without what keeps browsers from being used against it."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable

from ..text import escaped
from .attempts import LONGEST
from .bodies import Gone, Refused, again, body_of, require_size
from .logins import ByPassword, Page
from .options import Options
from .origins import ELSEWHERE, trouble_with
from .passwords import Passwords
from .replies import Message, Receive, Reply, Send, again_from_here, armoured, elsewhere, words
from .sessions import Sessions, same
from .visits import Scope, Visit
from .ways import ByHost, Way, WhoAsks, way_without_passwords

App = Callable[[Scope, Receive, Send], Awaitable[None]]
"""As in ASGI."""

EVENTS = b"text/event-stream"

TOKEN = "x-woodenwaiter-token"  # noqa: S105 - the name of a header


def guarded(
    app: App,
    options: Options,
    login_page: Page,
    who_asks: WhoAsks | None = None,
    secret: bytes | None = None,
) -> App:
    """The application with a guard before it.

    It finds in ``scope["state"]``: ``user``, fit to be shown; ``token``; ``can_log_out``. Its
    ``root_path`` is where browsers find it, and its ``client`` who asks, though by way of a proxy.

    ``login_page``: as `logins.Page`. ``who_asks``: knows users, in place of what the options say.
    ``secret``: of this page, where several processes answer for it; else one is made.
    Raises StartupError where the file of passwords is of no use.
    """
    secret = secret or secrets.token_bytes(32)
    if who_asks:
        return Guard(app, options, ByHost(who_asks), Sessions(secret, lambda _: ""))
    if not options.auth:
        way = way_without_passwords(options)
        return Guard(app, options, way, Sessions(secret, lambda _: ""))
    passwords = Passwords(options.auth)
    sessions = Sessions(secret, passwords.mark)
    by_password = ByPassword(passwords, sessions, login_page, options.port)
    return Guard(app, options, by_password, sessions)


class Guard:
    """An ASGI application; ``way``: how people are let in."""

    def __init__(self, app: App, options: Options, way: Way, sessions: Sessions) -> None:
        self._app = app
        self._prefix = options.prefix
        self._proxies = options.trusted
        self._way = way
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
        elif scope["type"] != "http":
            await self._app(scope, receive, send)
        else:
            visit = Visit(scope, self._prefix, self._proxies)
            send = armoured(send, keeps=visit.is_of_static)
            try:
                await self._attend(visit, receive, send)
            except Refused as refused:
                await refused.reply(as_json=visit.is_of_api).send(send)
            except Gone:
                pass

    async def _attend(self, visit: Visit, receive: Receive, send: Send) -> None:
        """Raises Refused and Gone, before anything is sent."""
        if reply := self._refusal(visit) or await self._way.answer(visit, receive):
            await reply.send(send)
            return
        user = None if visit.is_of_static else await self._way.user(visit)
        if user is None and not visit.is_of_static:
            await self._unknown(visit).send(send)
            return
        token = self._token(visit, user or "")
        if reply := self._refusal_of_token(visit, token):
            await reply.send(send)
            return
        if not visit.is_safe:
            receive = again(await body_of(receive), receive)
        name = escaped((user or "")[:LONGEST])[:LONGEST]
        scope = visit.passed_on(name, token, can_log_out=self._way.has_login)
        if self._way.has_login and user is not None:
            await self._answer_while_known(visit, user, scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _refusal(self, visit: Visit) -> Reply | None:
        """Of what is not for anybody."""
        if refusal := self._way.refusal(visit):
            return refusal
        if visit.path == "":  # links would lead elsewhere
            return elsewhere(f"{visit.here.partition('?')[0]}/")
        site, origin = visit.header("sec-fetch-site"), visit.header("origin")
        if visit.is_safe:
            is_from_elsewhere = visit.is_of_api and site not in (None, "same-origin", "none")
            return words(403, ELSEWHERE, as_json=True) if is_from_elsewhere else None
        require_size(visit.headers("content-length"))
        if trouble := trouble_with(site, origin, visit.hosts):
            return words(403, escaped(trouble), as_json=visit.is_of_api)
        return None

    def _unknown(self, visit: Visit) -> Reply:
        """To somebody who has to log in first."""
        if self._way.has_login and visit.is_safe and not visit.is_of_api:
            here = visit.back(visit.here)
            return again_from_here(here) if visit.is_led_here else elsewhere(visit.login)
        return words(401, "log in first", as_json=visit.is_of_api)

    def _token(self, visit: Visit, user: str) -> str:
        return "" if visit.is_of_static else self._sessions.token(user, self._way.session(visit))

    def _refusal_of_token(self, visit: Visit, token: str) -> Reply | None:
        if visit.is_safe or not visit.is_of_api or same(visit.header(TOKEN) or "", token):
            return None
        text = "this page is from before a restart, or a login: load it again"
        return words(403, text, as_json=True)

    async def _answer_while_known(
        self, visit: Visit, user: str, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """A stream of events goes on for hours: it ends for who may not come in any more. A file
        that is on its way does not: half of it would look like all of it."""
        is_over = is_stream = False

        async def sent(message: Message) -> None:
            nonlocal is_over, is_stream
            if message["type"] == "http.response.start":
                is_stream = EVENTS in dict(message["headers"]).get(b"content-type", b"")
            if is_stream and message.get("more_body") and await self._way.user(visit) != user:
                is_over = True
                await send({"type": "http.response.body", "body": b""})
                raise OSError("the session is over")
            await send(message)

        try:
            await self._app(scope, receive, sent)
        except Exception:
            if not is_over:
                raise
