"""The page, served in this process, and those who look at it."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPMessage
from typing import Any, TypeVar
from urllib.parse import urlencode

import redis
import uvicorn

from woodenwaiter.web.front import front
from woodenwaiter.web.options import Options

from ..support import Server, eventually

S = TypeVar("S", bound="Site")

WITHIN = 20.0
"""Seconds."""


class Viewer:
    """Hears what is told of a view."""

    def __init__(self, site: Site, **asked: str) -> None:
        self._connection = HTTPConnection("127.0.0.1", site.port, timeout=WITHIN)
        self._connection.request("GET", f"/api/events?{urlencode(asked)}")
        self.response = self._connection.getresponse()
        assert self.response.status == 200, self.response.read()
        self.parts: dict[str, Any] = {}
        self.trouble, self.now, self.messages = "", 0.0, 0

    def hear(self) -> None:
        """One message more."""
        while not (line := self.response.readline()).startswith(b"data: "):
            assert line, "the stream has ended"
        told = json.loads(line.removeprefix(b"data: "))
        if told["full"]:
            self.parts.clear()
        for name in told["gone"]:
            self.parts.pop(name, None)
        self.parts.update(told["parts"])
        self.trouble, self.now = told["trouble"], told["now"]
        self.messages += 1

    def until(self, condition: Any) -> Any:
        """What it returns when it is true, after some news."""

        def heard() -> Any:
            self.hear()
            return condition(self)

        return eventually(heard, "what is to be told", WITHIN)

    def close(self) -> None:
        self.response.close()
        self._connection.close()


class Site:
    def __init__(self, server: Server | str, port: int = 0, **options: Any) -> None:
        url = server if isinstance(server, str) else server.url
        self._client = redis.Redis.from_url(url)
        self._page = front(self._client, Options(**options), lambda _: "me")
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port = self._listener.getsockname()[1]
        config = uvicorn.Config(self._page.app, log_level="warning", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._viewers: list[Viewer] = []
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._listener]}
        )

    def __enter__(self: S) -> S:
        self._thread.start()
        eventually(lambda: self._server.started, "a server that has started")
        return self

    def __exit__(self, *error: object) -> None:
        for viewer in self._viewers:
            viewer.close()
        self._server.should_exit = True
        self._thread.join()
        self._page.close()
        self._client.close()

    def view(self, view: str, **asked: str) -> Viewer:
        """Somebody who looks, and has heard once."""
        viewer = Viewer(self, view=view, **asked)
        self._viewers.append(viewer)
        viewer.hear()
        return viewer

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, bytes]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=WITHIN)
        try:
            content = None if body is None else json.dumps(body)
            connection.request(method, path, content, headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def response_headers(self, path: str) -> HTTPMessage:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=WITHIN)
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
        connection.close()
        return response.headers

    def get(self, what: str, status: int = 200, **asked: str) -> Any:
        """What there is under /api."""
        names = {"start": "from"}
        query = urlencode({names.get(name, name): value for name, value in asked.items()})
        got, content = self.ask("GET", f"/api/{what}?{query}")
        assert got == status, content
        return json.loads(content)

    def post(self, body: Any) -> tuple[int, bytes]:
        """As the page does."""
        headers = {
            "Origin": f"http://127.0.0.1:{self.port}",
            "X-Woodenwaiter-Token": self.get("me")["token"],
        }
        return self.ask("POST", "/api/do", body, **headers)

    def do(self, verb: str, status: int = 200, **asked: Any) -> Any:
        """Have something done; returns the job."""
        got, content = self.post({"verb": verb, **asked})
        assert got == status, content
        return json.loads(content)

    def done(self, verb: str, **asked: Any) -> Any:
        """The same, to the end."""
        job = self.do(verb, **asked)
        viewer = self.view("clock")
        name = f"job/{job['id']}"
        viewer.until(lambda v: v.parts.get(name, {}).get("ended"))
        return viewer.parts[name]


def lines_of(content: bytes) -> Iterator[Any]:
    """Of JSON."""
    return map(json.loads, content.splitlines())
