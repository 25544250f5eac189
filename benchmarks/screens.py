"""``python -m benchmarks.screens``: pictures of the page, of each view, into benchmarks/results.

It takes a minute, and needs chromium and the extra test-web.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from .server import Server, free_port
from .stage import live_through_a_day, push

RESULTS = Path(__file__).parent / "results"
ROOT = Path(__file__).parents[1]

LOAD = 45
"""Seconds of work before the first picture."""

WIDE, PHONE = {"width": 1280, "height": 860}, {"width": 390, "height": 844}

QUEUE, DEAD = "/queues/images%3Aresize", "/queues/billing%3Acharge/dead"


@contextmanager
def program(*arguments: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A Python program, ended by SIGTERM."""
    command = [sys.executable, "-m", *arguments]
    with subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environment}) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)


def work(client: Any, seconds: float) -> None:
    for number in range(int(seconds)):
        push(client, number)
        time.sleep(1)


def spoil(client: Any) -> None:
    """Something is wrong, and somebody has done something about it."""
    for number in range(400):
        client.lpush("exports:csv", f'{{"seconds": 3, "fails": "", "n": {number}}}')
    client.sadd("woodenwaiter:queues", "legacy:fax")
    client.lpush("legacy:fax", *['{"to": "+41 22 767 6111"}'] * 7)


def pictures(base: str, client: Any) -> None:
    from playwright.sync_api import sync_playwright

    from tests.web.browsers import launched

    with sync_playwright() as playwright:
        browser = launched(playwright)
        for scheme, screen, suffix in (("light", WIDE, ""), ("dark", WIDE, "-dark")):
            context = browser.new_context(viewport=screen, color_scheme=scheme)
            page = context.new_page()
            for name, path in views(page, base).items():
                if suffix and name not in ("overview", "queue"):
                    continue
                take(page, base + path, RESULTS / f"page-{name}{suffix}.png", client)
            context.close()
        context = browser.new_context(viewport=PHONE, is_mobile=True, has_touch=True)
        take(context.new_page(), f"{base}/", RESULTS / "page-phone.png", client)
        browser.close()


def views(page: Any, base: str) -> dict[str, str]:
    """By name; one letter, and one host, are found on the way."""
    page.goto(f"{base}/hosts")
    host = page.locator("table a.open").first.get_attribute("href")
    page.goto(base + DEAD)
    letter = page.locator("table a[href*='/dead/']").first
    return {
        "overview": "/",
        "queue": QUEUE,
        "dead": DEAD,
        "letter": letter.get_attribute("href"),
        "hosts": "/hosts",
        "host": host,
        "audit": "/audit",
    }


def take(page: Any, url: str, file: Path, client: Any) -> None:
    page.goto(url)
    page.locator("main :is(h1, h2)").first.wait_for(state="attached")
    work(client, 4)
    page.screenshot(path=file)
    print(file.relative_to(ROOT))


def main() -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = Server(folder, None)
        stack.callback(server.close)
        environment = {"WOODENWAITER_REDIS_URL": server.url()}
        live_through_a_day(server.client)
        stack.enter_context(
            program("woodenwaiter.supervisor", "benchmarks.stage:manager()", **environment)
        )
        port = free_port()
        stack.enter_context(program("woodenwaiter", "web", "--port", str(port), **environment))
        work(server.client, LOAD)
        spoil(server.client)
        operate = [sys.executable, "-m", "woodenwaiter"]
        for command in (
            ("pause", "mail:digest", "--for", "2h", "--why", "the template is being mended"),
            ("requeue", "billing:charge", "--error", "currency"),
        ):
            subprocess.run([*operate, *command], cwd=ROOT, env={**os.environ, **environment})  # noqa: PLW1510
        work(server.client, 10)
        pictures(f"http://127.0.0.1:{port}", server.client)


if __name__ == "__main__":
    main()
