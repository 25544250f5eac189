"""A guard before a small application, served by a process of its own, and who asks for it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import warnings
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from woodenwaiter.web.options import Options

from ..support import Program, Programs, eventually, free_port

WITHIN = 20.0
"""Seconds."""

EVENTS = "text/event-stream"

USER, PASSWORD = "anna", "pässword"


@dataclass
class Told:
    """An answer."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Browser:
    """``cookies``: those that it keeps, whatever they are for."""

    port: int
    host: str = "127.0.0.1"
    headers: dict[str, str] = field(default_factory=dict)
    cookies: dict[str, str] = field(default_factory=dict)
    program: Program | None = None
    """What it asks."""
    source: str | None = None
    """Its address."""

    def ask(self, path: str = "/", method: str = "GET", body: Any = None, **headers: str) -> Told:
        """Underscores in the names of headers are hyphens."""
        with closing(self._asked(path, method, body, headers)) as connection:
            response = connection.getresponse()
            self._keep(response)
            return Told(response.status, response.getheaders(), response.read())

    @contextmanager
    def stream(self, path: str, **headers: str) -> Iterator[HTTPResponse]:
        asked = self._asked(path, "GET", None, headers)
        with closing(asked) as connection, connection.getresponse() as response:
            yield response

    def _asked(self, path: str, method: str, body: Any, headers: dict[str, str]) -> HTTPConnection:
        source = (self.source, 0) if self.source else None
        connection = HTTPConnection(self.host, self.port, WITHIN, source)
        given = {"Host": f"localhost:{self.port}", **self.headers}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookies:
            given["Cookie"] = "; ".join(f"{k}={v}" for k, v in self.cookies.items())
        connection.request(method, path, body, {k: v for k, v in given.items() if v is not None})
        return connection

    def _keep(self, response: HTTPResponse) -> None:
        for text in response.headers.get_all("Set-Cookie", []):
            name, _, value = text.partition(";")[0].partition("=")
            if "Max-Age=0" in text:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value

    @property
    def origin(self) -> str:
        return f"http://localhost:{self.port}"

    def post(self, path: str, body: Any = None, **headers: str) -> Told:
        """As a page of the same origin does it."""
        own = {"Origin": self.origin, "Sec-Fetch-Site": "same-origin"}
        return self.ask(path, "POST", body, **{**own, **headers})

    def log_in(
        self, user: str = USER, password: str = PASSWORD, home: str = "", **more: str
    ) -> Told:
        form = urlencode({"user": user, "password": password, **more})
        return self.post(f"{home}/login", form)

    def do(self, home: str = "", **headers: str) -> Told:
        """Change something."""
        me = self.ask(f"{home}/api/me").json
        headers = {"X-Woodenwaiter-Token": me["token"], **headers}
        return self.post(f"{home}/api/do", b"{}", **headers)


def serve_guarded(
    programs: Programs, host: str = "127.0.0.1", mounted: str = "", **given: Any
) -> Browser:
    """Returns somebody who asks. ``mounted``: where another application has it."""
    port = free_port()
    options = asdict(Options(host=host, port=port, **given))
    told = json.dumps({"options": options, "mounted": mounted})
    served = programs.start("-m", "tests.web.guarded", told, PYTHONPATH=os.getcwd())
    browser = Browser(port, "::1" if host == "::1" else "127.0.0.1", program=served)

    def is_there() -> bool:
        assert served.process.poll() is None, served.log
        with closing(
            socket.socket(socket.AF_INET6 if ":" in browser.host else socket.AF_INET)
        ) as s:
            return s.connect_ex((browser.host, port)) == 0

    eventually(is_there, "who serves it")
    return browser


# Who serves it.


async def _app(scope: Any, receive: Any, send: Any) -> None:
    """Tells what it is told; or counts in a stream, for as long as anybody listens."""
    from starlette.responses import StreamingResponse

    if scope["path"].endswith("/api/events"):
        await StreamingResponse(_counting(), media_type=EVENTS)(scope, receive, send)
        return
    state = scope["state"]
    told = {
        **{name: scope[name] for name in ("path", "root_path", "scheme", "client")},
        **{name: state[name] for name in ("user", "token", "can_log_out")},
    }
    message = await receive()
    told |= {"raw_path": scope["raw_path"].decode(), "body": len(message.get("body", b""))}
    kind = (b"content-type", b"application/json")
    await send({"type": "http.response.start", "status": 200, "headers": [kind]})
    await send({"type": "http.response.body", "body": json.dumps(told).encode()})


async def _counting() -> AsyncIterator[bytes]:
    number = 0
    while True:
        yield f"data: {number}\n\n".encode()
        number += 1
        await asyncio.sleep(0.02)


def _login_page(**texts: str) -> bytes:
    from html import escape

    return "|".join(f"{name}={escape(text)}" for name, text in texts.items()).encode()


def main(told: dict[str, Any]) -> None:
    from starlette.applications import Starlette
    from starlette.routing import Mount

    from woodenwaiter import logs
    from woodenwaiter.processes.signals import SignalInbox
    from woodenwaiter.web.guard import guarded
    from woodenwaiter.web.serving import serve

    logs.configure("info", "text")
    options = Options(**told["options"])
    app: Any = guarded(_app, options, _login_page)
    if told["mounted"]:

        async def who_asks(scope: Any) -> str | None:
            return dict(scope["headers"]).get(b"x-known", b"").decode() or None

        app = guarded(_app, options, _login_page, who_asks)
        app = Starlette(routes=[Mount(told["mounted"], app)])
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    listener = socket.create_server((options.host, options.port), family=family)
    serve(app, [listener], SignalInbox((signal.SIGTERM, signal.SIGINT)), lambda: True)
    warnings.simplefilter("ignore", ResourceWarning)  # what is open is left to the system
    os._exit(0)


def users_in(folder: Path) -> str:
    """A file with one user."""
    from woodenwaiter.web.passwords import set_password

    set_password(str(folder / "users"), USER, PASSWORD)
    return str(folder / "users")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
