"""What browsers load: read once, and sent as it is."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from functools import cached_property
from html import escape
from importlib.resources import files
from typing import NamedTuple

from starlette.responses import Response

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""By the ends of their names; there are no others."""


class Asset(NamedTuple):
    """A file."""

    content: bytes
    packed: bytes
    """By gzip."""
    type: str
    mark: str
    """By which a browser knows that what it has is still so."""


class Assets:
    """All that lies in ``static``."""

    @cached_property
    def _all(self) -> Mapping[str, Asset]:
        found = {}
        for file in (files(__package__) / "static").iterdir():
            if kind := TYPES.get(f".{file.name.rpartition('.')[2]}"):
                content = file.read_bytes()
                mark = hashlib.sha1(content, usedforsecurity=False).hexdigest()
                packed = gzip.compress(content, mtime=0)
                found[file.name] = Asset(content, packed, kind, f'"{mark}"')
        return found

    def answer(self, name: str, headers: Mapping[str, str]) -> Response:
        """One file, unless the browser has it. It asks each time: it has no old ones after an
        update."""
        asset = self._all.get(name)
        if asset is None or name.endswith(".html"):
            return Response("There is no such file.\n", 404, media_type="text/plain")
        cached = {"ETag": asset.mark, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
        if headers.get("if-none-match") == asset.mark:
            return Response(None, 304, cached)
        told = {**cached, "Content-Type": asset.type}
        if "gzip" in headers.get("accept-encoding", ""):
            return Response(asset.packed, headers={**told, "Content-Encoding": "gzip"})
        return Response(asset.content, headers=told)

    def page(self, name: str, status: int = 200, **texts: str) -> Response:
        """A page, with these texts in place of their names in braces."""
        content = self._all[name].content.decode()
        for each, text in texts.items():
            content = content.replace(f"{{{each}}}", escape(text))
        headers = {"Cache-Control": "no-store", "Content-Type": TYPES[".html"]}
        return Response(content, status, headers)
