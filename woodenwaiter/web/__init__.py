"""The page: what the operators' functions show and do, in a browser."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .. import pace

if TYPE_CHECKING:
    from .guard import App
    from .ways import WhoAsks


def application(
    url: str,
    *,
    user: WhoAsks | None = None,
    no_auth: bool = False,
    read_only: bool = False,
    redact: Sequence[str] = (),
    late: float = pace.LATE,
    secret: bytes | None = None,
) -> App:
    """The page of the server at ``url``, as an ASGI application to be mounted in another.

    ``user``: is given the scope of a request, and returns the name of who asks, as the audit is to
    have it, or None where they may not see anything; it may be a coroutine function. Without it,
    and unless ``no_auth`` lets in whoever asks, the page obeys on this machine alone.
    ``read_only``: nobody changes anything; ``redact``: keys of payloads whose values are hidden;
    ``late``: seconds that a task may wait before it is told of. ``secret``: bytes that nobody
    knows, the same in each process where several serve the page.
    Raises StartupError where the extra ``web`` is missing, or something makes no sense.
    """
    from ..protocol.urls import client_at  # what only a page needs is loaded where there is one
    from .options import Options
    from .packages import require_packages

    require_packages()
    from .front import front

    options = Options(no_auth=no_auth, read_only=read_only, redact=redact, late=late)
    return front(client_at(url), options, user, secret).app
