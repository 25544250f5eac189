"""What the guard itself answers, and the headers that every answer has."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from html import escape
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)

HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    # Others learn nothing. Without any, browsers would send forms with "Origin: null".
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

NOT_KEPT = {"Cache-Control": "no-store"}


@dataclass(frozen=True)
class Reply:
    """All of an answer."""

    status: int
    body: bytes = b""
    type: str = "text/plain; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()

    async def send(self, send: Send) -> None:
        headers = [
            ("Content-Type", self.type),
            ("Content-Length", str(len(self.body))),
            *NOT_KEPT.items(),
            *self.headers,
        ]
        await send(
            {"type": "http.response.start", "status": self.status, "headers": _encoded(headers)}
        )
        await send({"type": "http.response.body", "body": self.body})


def words(status: int, text: str, *, as_json: bool) -> Reply:
    """What is wrong, for a program or a person."""
    if as_json:
        return Reply(status, json.dumps({"trouble": text}).encode(), "application/json")
    return Reply(status, f"{text[:1].upper()}{text[1:]}.\n".encode())


def elsewhere(where: str, *cookies: str) -> Reply:
    """By GET, whatever was asked here."""
    headers = (("Location", where), *(("Set-Cookie", cookie) for cookie in cookies))
    return Reply(303, headers=headers)


def again_from_here(where: str) -> Reply:
    """Has a browser ask the same once more, by this page's own wish."""
    page = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>WoodenWaiter</title>'
        f'<meta http-equiv="refresh" content="0; url={escape(where)}">'
        f'<a href="{escape(where)}">Go on</a>'
    )
    return Reply(200, page.encode(), "text/html; charset=utf-8")


def armoured(send: Send, *, keeps: bool) -> Send:
    """Adds to what is sent the headers that keep it safe; ``keeps``: browsers may."""
    added = HEADERS if keeps else {**HEADERS, **NOT_KEPT}

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = message.get("headers", ())
            there = {bytes(name).lower() for name, _ in own}
            missing = _encoded((n, v) for n, v in added.items() if n.lower().encode() not in there)
            message = {**message, "headers": [*own, *missing]}
        await send(message)

    return sent


def _encoded(headers: Any) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
