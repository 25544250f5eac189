"""The page and its guard, put together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ..protocol.client import Client
from .assets import Assets
from .guard import App, guarded
from .options import Options
from .pages import Page
from .ways import WhoAsks


class Front(NamedTuple):
    """``app``: what is to be served; ``close`` is to be called when it is served no more."""

    app: App
    close: Callable[[], None]


def front(
    client: Client,
    options: Options,
    who_asks: WhoAsks | None = None,
    secret: bytes | None = None,
) -> Front:
    """The page of the server that ``client`` talks to. ``who_asks`` and
    ``secret``: as `guarded` has them. Raises StartupError."""
    assets = Assets()

    def login_page(**texts: str) -> bytes:
        return bytes(assets.page("login.html", 200, **texts).body)

    page = Page(client, options, assets)
    app: Any = page.app
    return Front(guarded(app, options, login_page, who_asks, secret), page.close)
