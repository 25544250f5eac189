from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from ..support import Server
from .site import Site


@pytest.fixture
def make_site() -> Iterator[Callable[..., Site]]:
    """Serves the page of a server, with these options."""
    with ExitStack() as stack:
        yield lambda server, **options: stack.enter_context(Site(server, **options))


@pytest.fixture
def site(make_site: Callable[..., Site], server: Server) -> Any:
    """The page of an empty server."""
    return make_site(server)
