"""What browsers load."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

import woodenwaiter.web

from .site import Site

STATIC = Path(woodenwaiter.web.__file__).parent / "static"
FILES = sorted(STATIC.iterdir())


def test_all_is_small() -> None:
    assert sum(len(file.read_bytes()) for file in FILES) < 100_000


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_nothing_is_read_as_html_or_loaded_from_elsewhere(file: Path) -> None:
    text = file.read_text()
    assert not re.findall(
        "innerHTML|outerHTML|insertAdjacent|document.write|eval|Function\\(", text
    )
    links = {*re.findall(r"https?://[\w.-]+", text)} - {"http://www.w3.org"}
    assert not [link for link in links if "localhost" not in link]
    assert "style=" not in text
    if file.suffix == ".html":
        assert not re.findall(r"<script(?![^>]*\bsrc=)|\son\w+=", text)


@pytest.mark.parametrize("name", ["main.js", "style.css", "icon.svg"])
def test_files_are_packed_and_kept(site: Site, name: str) -> None:
    whole = (STATIC / name).read_bytes()
    assert site.ask("GET", f"/static/{name}") == (200, whole)
    status, packed = site.ask("GET", f"/static/{name}", **{"Accept-Encoding": "gzip"})
    assert (status, gzip.decompress(packed)) == (200, whole)
    mark = site.response_headers(f"/static/{name}")["ETag"]
    assert site.ask("GET", f"/static/{name}", **{"If-None-Match": mark}) == (304, b"")


@pytest.mark.parametrize("path", ["no.js", "index.html", "..%2Fpages.py", "%2e%2e/pages.py"])
def test_there_are_no_others(site: Site, path: str) -> None:
    status, content = site.ask("GET", f"/static/{path}")
    assert (status, b"import" in content) == (404, False)
