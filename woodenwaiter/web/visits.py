"""A request as the guard sees it, and as it passes it on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from .options import Network
from .origins import asker_of, is_trusted

Scope = dict[str, Any]

SAFE = ("GET", "HEAD")

LOCAL = re.compile(r"/(?!/)[!-\[\]-~]*")
"""A path on this host, as browsers read it: printable, and without a backslash, which they take for
a slash."""


class Visit:
    """What is asked for, below ``prefix`` or what the application is mounted at; behind whichever
    of ``proxies``."""

    def __init__(self, scope: Scope, prefix: str, proxies: Sequence[Network]) -> None:
        self.scope = scope
        self.method: str = scope["method"]
        self.is_safe = self.method in SAFE
        mounted = scope.get("root_path", "").rstrip("/")
        self.home: str = mounted + prefix
        """Where the page is, as browsers see it; without a slash at its end."""
        raw: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
        self.path = _below(scope["path"], self.home, mounted)
        self._raw_path = _below(raw.decode("latin-1"), quote(self.home), quote(mounted))
        client = scope.get("client") or ("", 0)
        self.peer: str = client[0]
        """Who is connected, a proxy maybe."""
        self.is_by_proxy = is_trusted(self.peer, proxies)
        self.asker = asker_of(self.peer, ",".join(self.headers("x-forwarded-for")), proxies)
        """For whom."""

    def headers(self, name: str) -> list[str]:
        """What is said under this name, in lower case."""
        wanted = name.encode()
        return [text.decode("latin-1") for key, text in self.scope["headers"] if key == wanted]

    def header(self, name: str) -> str | None:
        """The same, where it is said once; else nobody knows what is meant."""
        said = self.headers(name)
        return said[0] if len(said) == 1 else None

    def _forwarded(self, name: str) -> str | None:
        said = self.header(f"x-forwarded-{name}") if self.is_by_proxy else None
        return said.partition(",")[0].strip() if said else None

    @property
    def hosts(self) -> list[str]:
        """How browsers call this one."""
        return [*filter(None, (self.header("host"), self._forwarded("host")))]

    @property
    def is_secure(self) -> bool:
        """Whether the browser's end of the way is encrypted."""
        scheme: object = self._forwarded("proto") or self.scope.get("scheme")
        return str(scheme).lower() == "https"

    @property
    def is_led_here(self) -> bool:
        """Whether somebody has followed another site's link: then browsers keep cookies back."""
        return self.header("sec-fetch-site") in ("cross-site", "same-site")

    @property
    def is_of_api(self) -> bool:
        return self.path.startswith("/api/")

    @property
    def is_of_static(self) -> bool:
        return self.path.startswith("/static/")

    def cookie(self, name: str) -> str:
        """ "" where there is none."""
        for pair in ";".join(self.headers("cookie")).split(";"):
            key, _, value = pair.strip().partition("=")
            if key == name:
                return value
        return ""

    @property
    def here(self) -> str:
        """Path and query, to come back to."""
        query = self.scope.get("query_string", b"").decode("latin-1")
        return quote(self.home) + self._raw_path + (f"?{query}" if query else "")

    @property
    def login(self) -> str:
        """Where to log in, to come back here then."""
        return f"{quote(self.home)}/login?{urlencode({'then': self.here})}"

    def asked(self, name: str) -> str:
        """A value of the query."""
        query = self.scope.get("query_string", b"").decode("latin-1")
        return fields_of(query).get(name, "")

    def back(self, then: str) -> str:
        """Where to go on: ``then``, where it is a part of the page, and nowhere else."""
        start = f"{quote(self.home)}/"
        is_part = LOCAL.fullmatch(then) and then.startswith(start)
        is_login = then.partition("?")[0] in (f"{start}login", f"{start}logout")
        return then if is_part and not is_login else start

    def passed_on(self, user: str, token: str, *, can_log_out: bool) -> Scope:
        """As the application is to have it."""
        state = {"user": user, "token": token, "can_log_out": can_log_out}
        return {
            **self.scope,
            "root_path": self.home,
            "path": self.home + self.path,
            "raw_path": (quote(self.home) + self._raw_path).encode("latin-1"),
            "scheme": "https" if self.is_secure else self.scope.get("scheme", "http"),
            "client": (self.asker, 0) if self.asker != self.peer else self.scope.get("client"),
            "state": {**self.scope.get("state", {}), **state},
        }


def fields_of(text: str) -> dict[str, str]:
    """Of a query, or a form; of more than people fill in, none."""
    try:
        return dict(parse_qsl(text, max_num_fields=100))
    except ValueError:
        return {}


def _below(path: str, home: str, mounted: str) -> str:
    """What is left of a path, from which a proxy, or who mounts, may have taken off its start."""
    for start in (home, mounted):
        if start and (path == start or path.startswith(f"{start}/")):
            return path[len(start) :]
    return path
