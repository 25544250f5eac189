"""The page as a part of somebody's own application."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from ..support import Programs, Server, eventually, free_port

pytest.importorskip("fastapi", reason="FastAPI is not there: pip install 'woodenwaiter[test-web]'")

README = Path(__file__).parents[2] / "README.rst"


def application_in_readme() -> str:
    """The code block that mounts the page."""
    blocks = README.read_text().split(".. code-block:: python\n")
    [block] = [
        block for block in blocks if "woodenwaiter.web.application" in block.split("\n\n\n")[0]
    ]
    lines = block.lstrip("\n").split("\n")
    code = [
        line
        for n, line in enumerate(lines)
        if not any(lines[: n + 1][i] and lines[i][0] != " " for i in range(n + 1))
    ]
    return "\n".join(line.removeprefix("    ") for line in code)


def test_page_is_mounted_as_readme_does(programs: Programs, server: Server) -> None:
    port = free_port()
    code = application_in_readme().replace("redis://localhost:6379/0", server.url)
    (programs.folder / "site.py").unlink(missing_ok=True)
    (programs.folder / "shop.py").write_text(code)
    programs.start("-m", "uvicorn", "shop:app", "--port", str(port), "--log-level", "warning")
    base = f"http://127.0.0.1:{port}"

    def ask(path: str, **headers: str) -> bytes:
        with urlopen(Request(base + path, headers=headers)) as response:
            return bytes(response.read())

    def answered() -> bytes:
        try:
            return ask("/pool/api/me", Authorization="anna")
        except OSError:
            return b""

    me = json.loads(eventually(answered, "an answer"))
    assert (me["user"], me["readOnly"]) == ("anna", False)
    assert b'data-prefix="/pool"' in ask("/pool/", Authorization="anna")
    assert b"import" in ask("/pool/static/main.js")
    assert ask("/") == b'{"hello":"world"}'
    with pytest.raises(OSError, match="401"):
        ask("/pool/api/me")
    assert sys.executable
