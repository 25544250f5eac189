"""Sentry and OpenTelemetry, as README.rst sets them up, lose nothing of what workers told them.

They are skipped where their packages are not installed; ``pip install -e '.[test,libraries]'``
brings them.
"""

from __future__ import annotations

import gzip
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from ..application import Application
from ..support import eventually
from .test_deployment import BLOCKS

TASKS = 10

IN_SETUP, AT_IMPORT = WHERE = ("in setup", "at import")
MOST = pytest.mark.parametrize("most", [1, 3, 1000], ids=["recycled", "recycled late", "drained"])


class Sink(ThreadingHTTPServer):
    """Takes whatever is posted: the bodies, by their paths."""

    def __init__(self) -> None:
        self.posted: list[tuple[str, bytes]] = []
        super().__init__(("127.0.0.1", 0), Taker)
        self.address = f"127.0.0.1:{self.server_port}"

    def bodies(self, path: str) -> list[bytes]:
        return [body for at, body in self.posted if at == path]


class Taker(BaseHTTPRequestHandler):
    """One request to a sink."""

    server: Sink

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.posted.append((self.path, body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink() as sink:
        thread = threading.Thread(target=sink.serve_forever, args=(0.01,))
        thread.start()
        yield sink
        sink.shutdown()
        thread.join()


def write(app: Application, example: str, most: int, where: str = IN_SETUP) -> str:
    """Have the example's workers replaced after so many tasks; returns its module's name. What it
    does in its workers' setup it may do when it is imported."""
    text = BLOCKS[example].replace("max_tasks=1000", f"max_tasks={most}, max_deliveries=1")
    assert text != BLOCKS[example]
    if where == AT_IMPORT:
        [setup] = re.findall(r"setup=(\w+),", text)
        text = text.replace(f"setup={setup},", "").replace("manager =", f"{setup}()\nmanager =")
    (app.folder / example).write_text(text)
    return example.removesuffix(".py")


def push(app: Application, *tasks: dict[str, Any]) -> None:
    app.client.lpush("images:resize", *map(json.dumps, tasks))


def events(sink: Sink) -> Iterator[dict[str, Any]]:
    """Of Sentry's envelopes: a line of their own, then two for each item."""
    for body in sink.bodies("/api/1/envelope/"):
        lines = body.splitlines()[1:]
        for head, payload in zip(lines[::2], lines[1::2], strict=False):
            if json.loads(head)["type"] == "event":
                yield json.loads(payload)


def exceptions(sink: Sink) -> list[str]:
    return [e["exception"]["values"][-1]["type"] for e in events(sink) if "exception" in e]


@MOST
@pytest.mark.parametrize("where", WHERE)
def test_sentry_has_all_that_failed(app: Application, sink: Sink, most: int, where: str) -> None:
    pytest.importorskip("sentry_sdk")
    module = write(app, "with_sentry.py", most, where)
    push(app, *({"width": 0, "n": n} for n in range(TASKS)))
    supervisor = app.serve(app=module, SENTRY_DSN=f"http://key@{sink.address}/1")
    eventually(lambda: app.client.xlen("{images:resize}:dead") == TASKS)
    assert supervisor.stop() == 0
    assert exceptions(sink) == ["ZeroDivisionError"] * TASKS


def test_sentry_has_what_was_killed(app: Application, sink: Sink) -> None:
    pytest.importorskip("sentry_sdk")
    module = write(app, "with_sentry.py", 1000)
    supervisor = app.serve(app=module, SENTRY_DSN=f"http://key@{sink.address}/1").ready()
    supervisor.workers()[0].kill()
    told = "worker of images:resize: it died of signal 9 (SIGKILL)"
    eventually(lambda: [e for e in events(sink) if e.get("message") == told])
    assert supervisor.ready().stop() == 0


def spans(sink: Sink) -> list[str]:
    """The tasks of all spans."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
        ExportTraceServiceRequest as Request,
    )

    requests = [Request.FromString(body) for body in sink.bodies("/v1/traces")]
    return [
        span.attributes[0].value.string_value
        for request in requests
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


@MOST
@pytest.mark.parametrize("where", WHERE)
def test_opentelemetry_has_all_spans(app: Application, sink: Sink, most: int, where: str) -> None:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
    module = write(app, "with_opentelemetry.py", most, where)
    push(app, *({"n": n} for n in range(TASKS)))
    endpoint = f"http://{sink.address}"
    supervisor = app.serve(app=module, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint)
    supervisor.ready()
    eventually(lambda: app.client.llen("images:resize") == 0)
    assert supervisor.stop() == 0
    assert len(set(spans(sink))) == len(spans(sink)) == TASKS
