"""The page as a part of somebody's own application."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from ..support import Programs, Server, eventually, free_port

README = Path(__file__).parents[2] / "README.rst"

Ask = Callable[..., bytes]


def example() -> str:
    """The code below its title."""
    section = README.read_text().split("\nIn your own application\n~~~", 1)[1]
    block = section.split(".. code-block:: python\n", 1)[1]
    return textwrap.dedent(re.split(r"\n(?=\S)", block)[0])


@pytest.fixture
def ask(programs: Programs, server: Server) -> Iterator[Ask]:
    """Asks the application that README.rst has."""
    pytest.importorskip("fastapi", reason="no FastAPI: pip install 'woodenwaiter[test-web]'")
    port = free_port()
    code = example().replace("redis://localhost:6379/0", server.url)
    (programs.folder / "shop.py").write_text(code)
    site = programs.start(
        "-m", "uvicorn", "shop:app", "--port", str(port), "--log-level", "warning"
    )

    def ask(path: str, **headers: str) -> bytes:
        with urlopen(Request(f"http://127.0.0.1:{port}{path}", headers=headers)) as response:
            return bytes(response.read())

    def is_there() -> bool:
        try:
            return ask("/") == b'{"hello":"world"}'
        except OSError:
            return False

    eventually(is_there, "an answer")
    yield ask
    site.stop()


def test_page_is_mounted_as_readme_does(ask: Ask) -> None:
    me = json.loads(ask("/pool/api/me", Authorization="anna"))
    assert (me["user"], me["readOnly"]) == ("anna", False)
    assert b'data-prefix="/pool"' in ask("/pool/queues/t%3Ad", Authorization="anna")
    assert b"import" in ask("/pool/static/main.js")


def test_nobody_comes_in_whom_the_application_does_not_know(ask: Ask) -> None:
    with pytest.raises(HTTPError, match="401"):
        ask("/pool/api/me")
