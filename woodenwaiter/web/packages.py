"""What a page takes that the rest does without."""

from __future__ import annotations

from importlib.util import find_spec

from ..errors import StartupError

NAMES = ("starlette", "uvicorn")


def require_packages() -> None:
    """Raises StartupError where one is missing."""
    if missing := [name for name in NAMES if find_spec(name) is None]:
        raise StartupError(
            f"the page needs the package {missing[0]}: pip install 'woodenwaiter[web]'"
        )
