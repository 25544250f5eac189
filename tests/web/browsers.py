"""A real browser, and somebody who sits before it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from ..support import eventually

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""For a container, without a way to the world."""

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")


def launched(playwright: Any) -> Any:
    """A chromium: the system's, or the one that Playwright has brought."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    return playwright.chromium.launch(executable_path=program, args=[*FLAGS])


def any_browser() -> Iterator[Any]:
    """Skips where there is none."""
    api = pytest.importorskip(
        "playwright.sync_api", reason="there is no Playwright: pip install 'woodenwaiter[test-web]'"
    )
    with api.sync_playwright() as playwright:
        try:
            browser = launched(playwright)
        except api.Error as error:
            pytest.skip(f"no browser starts: install chromium ({str(error).splitlines()[0]})")
        yield browser
        browser.close()


def until(page: Any, condition: str) -> None:
    """Wait until this is so, in JavaScript: Playwright's own way is forbidden to it there."""
    eventually(lambda: page.evaluate(condition), condition)


class Seat:
    """A page in a browser, which is to complain of nothing. ``options``: of the browser's
    context."""

    def __init__(self, browser: Any, base: str, **options: Any) -> None:
        self.base = base
        self._context = browser.new_context(**options)
        self._context.set_default_timeout(20_000)
        self.page = self._context.new_page()
        self.complaints: list[str] = []
        self.may_miss = False
        """Whether something that is asked for may not be there."""
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(dialog.message))

    def _hear(self, message: Any) -> None:
        is_of_network = "Failed to load resource" in message.text or "net::" in message.text
        if message.type in ("error", "warning") and not (is_of_network and self.may_miss):
            self.complaints.append(message.text)

    def go(self, path: str) -> Any:
        """To this page, until it shows something."""
        self.page.goto(self.base + path)
        self.page.locator("main :is(h1, h2)").first.wait_for(state="attached")
        until(self.page, "document.querySelector('main .note.late') === null")
        return self.page

    def close(self) -> None:
        self._context.close()
        assert not self.complaints, self.complaints
