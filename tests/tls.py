"""A real server behind TLS, whether or not its program has that built in, and certificates."""

from __future__ import annotations

import selectors
import socket
import socketserver
import ssl
import subprocess
import threading
from pathlib import Path
from typing import cast

from .support import Server

KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")

IDENTIFIERS = "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
"""Extensions of what it signs, likewise."""


class Authority:
    """One that signs certificates, in a folder."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self.folder = folder
        self.name = name
        self.certificate = folder / f"{name}.crt"
        self._key = folder / f"{name}.key"
        usage = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")  # or Python 3.13 refuses it
        files = ("-keyout", self._key, "-out", self.certificate)
        _openssl("req", "-x509", *KEY, *files, *_to(name), *usage)

    def sign(self, name: str, host: str = "", days: int = 1) -> tuple[Path, Path]:
        """A certificate, for ``host`` if it is a server's, and its key."""
        request, certificate, key, extensions = (
            self.folder / f"{name}.{end}" for end in ("csr", "crt", "key", "ext")
        )
        names = f"subjectAltName=DNS:{host}\n" if host else ""
        extensions.write_text(f"{names}{IDENTIFIERS}")
        _openssl("req", *KEY, "-keyout", key, "-out", request, *_to(name))
        signer = ("-CA", self.certificate, "-CAkey", self._key, "-CAcreateserial", "-days", days)
        files = ("-in", request, "-extfile", extensions, "-out", certificate)
        _openssl("x509", "-req", *signer, *files)
        return certificate, key


def _to(name: str) -> tuple[str, str]:
    return "-subj", f"/CN={name}"


def _openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


class TlsServer:
    """Lets in what comes by TLS; with ``clients``, who has a certificate that this one signed."""

    def __init__(
        self, server: Server, certificate: tuple[Path, Path], clients: Authority | None = None
    ) -> None:
        self.server = server
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*certificate)
        if clients:
            self.context.verify_mode = ssl.CERT_REQUIRED
            self.context.load_verify_locations(clients.certificate)
        self._listening = _Listening(("127.0.0.1", 0), _Handler)
        self._listening.tls = self
        self.port: int = self._listening.server_address[1]
        self._thread = threading.Thread(target=self._listening.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self._listening.shutdown()
        self._thread.join()
        self._listening.server_close()


class _Listening(socketserver.ThreadingTCPServer):
    daemon_threads = True
    tls: TlsServer


class _Handler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        tls = cast(_Listening, self.server).tls
        try:
            with (
                tls.context.wrap_socket(self.request, server_side=True) as client,
                socket.create_connection(("127.0.0.1", tls.server.port)) as upstream,
            ):
                _pass_on(client, upstream)
        except OSError:
            return


def _pass_on(client: ssl.SSLSocket, upstream: socket.socket) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(client, selectors.EVENT_READ, upstream)
        selector.register(upstream, selectors.EVENT_READ, client)
        while True:
            for key, _ in selector.select():
                source = cast(socket.socket, key.fileobj)
                data = source.recv(1 << 16)
                while source is client and client.pending():
                    data += client.recv(1 << 16)
                if not data:
                    return
                key.data.sendall(data)
