"""The page and its guard, put together."""

from __future__ import annotations

from typing import Any

from ..protocol.client import Client
from .assets import Assets
from .guard import App, guarded
from .options import Options
from .pages import pages
from .ways import WhoAsks


def front(
    client: Client,
    options: Options,
    who_asks: WhoAsks | None = None,
    secret: bytes | None = None,
) -> App:
    """What is to be served: the page of the server that ``client`` talks to. ``who_asks`` and
    ``secret``: as `guarded` has them. Raises StartupError."""
    assets = Assets()

    def login_page(**texts: str) -> bytes:
        return bytes(assets.page("login.html", 200, **texts).body)

    app: Any = pages(client, options)
    return guarded(app, options, login_page, who_asks, secret)
