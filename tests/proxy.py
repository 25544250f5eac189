"""A server's stand-in: passes everything through, but answers what a test says."""

from __future__ import annotations

import hashlib
import select
import socket
import socketserver
import threading
from collections import Counter
from collections.abc import Mapping
from typing import Any

from woodenwaiter.protocol import scripts

from .support import Server

SCRIPTS = {
    script.sha: name for name, script in vars(scripts).items() if isinstance(script, scripts.Script)
}

EVERYTHING = "everything"


class Proxy:
    """Stands before a server. ``answers``: error replies by the name of a command or script, or by
    EVERYTHING; ``server`` may be changed: it is where new connections lead to."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.answers: Mapping[str, str] = {}
        self.answered: Counter[str] = Counter()
        self.connections = 0
        self._listening = _Listening(self)
        self.port = self._listening.server_address[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._thread = threading.Thread(target=self._listening.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def client(self) -> Any:
        """Past the proxy."""
        return self.server.client

    def close(self) -> None:
        self._listening.shutdown()
        self._thread.join()
        self._listening.server_close()

    def answer_to(self, request: bytes) -> bytes | None:
        """What the test wants said to a request."""
        words = request.split(b"\r\n")[2::2]
        name = _name_of(words)
        for key in (name, words[0].decode().upper(), EVERYTHING):
            if key in self.answers:
                self.answered[name] += 1
                return f"-{self.answers[key]}\r\n".encode()
        return None


def _name_of(words: list[bytes]) -> str:
    """A command's; of a script its own."""
    command = words[0].decode().upper()
    if command == "EVAL":
        return SCRIPTS.get(hashlib.sha1(words[1]).hexdigest(), command)
    return SCRIPTS.get(words[1].decode(), command) if command == "EVALSHA" else command


class _Listening(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 100

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(socketserver.BaseRequestHandler):
    """One connection, one request at a time, until either side hangs up."""

    server: _Listening

    def handle(self) -> None:
        proxy = self.server.proxy
        proxy.connections += 1
        self.asked = self.said = b""
        try:
            with socket.create_connection(("127.0.0.1", proxy.server.port)) as self.upstream:
                while True:
                    self._pass_on(proxy, self._request())
        except OSError:
            return

    def _pass_on(self, proxy: Proxy, request: bytes) -> None:
        reply = proxy.answer_to(request)
        if reply is None:
            self.upstream.sendall(request)
            reply = self._reply()
        self.request.sendall(reply)

    def _request(self) -> bytes:
        while not (end := _end_of(self.asked)):
            self._hear()
        request, self.asked = self.asked[:end], self.asked[end:]
        return request

    def _reply(self) -> bytes:
        while not (end := _end_of(self.said)):
            self._hear()
        reply, self.said = self.said[:end], self.said[end:]
        return reply

    def _hear(self) -> None:
        """From whoever says something; raises OSError when one hangs up."""
        ready, _, _ = select.select([self.request, self.upstream], [], [])
        for end in ready:
            heard = end.recv(1 << 16)
            if not heard:
                raise ConnectionResetError
            if end is self.request:
                self.asked += heard
            else:
                self.said += heard


def _end_of(data: bytes, start: int = 0) -> int | None:
    """Where the value that begins there ends, if all of it is there."""
    line_end = data.find(b"\r\n", start)
    if line_end < 0:
        return None
    end = line_end + 2
    kind = data[start : start + 1]
    if kind not in b"$*%~>":  # those of RESP3 among them
        return end
    size = int(data[start + 1 : line_end])
    if kind == b"$":
        end += size + 2 if size >= 0 else 0
        return end if end <= len(data) else None
    for _ in range(2 * size if kind == b"%" else size):
        following = _end_of(data, end)
        if following is None:
            return None
        end = following
    return end
