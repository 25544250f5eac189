"""What a page can be told: where it is served, who may come in, and what they may see and do."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from .. import pace
from ..backoff import LONGEST
from ..errors import StartupError
from ..settings import MOST_PORT

HOST, PORT = "127.0.0.1", 8090
"""Where it is served, unless told otherwise."""

EVERYWHERE = ("", "0.0.0.0", "::")  # noqa: S104 - only to be told apart
"""All addresses."""

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

PREFIX = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[\w.~-]+)*", re.ASCII)
"""Of plain characters, which nobody spells in another way."""

OWN_PATHS = ("api", "audit", "hosts", "login", "logout", "queues", "static")
"""With which what is below a prefix begins: whether a proxy has taken the prefix off could not be
told, if it began with these as well."""

HEADER = re.compile(r"[!#$%&'*+.^`|~\w-]+", re.ASCII)


@dataclass(frozen=True)
class Options:
    """How a page is served.

    host, port: where it listens; "" for all addresses.
    auth: file of who may come in, and their passwords, as `passwords` has it; "": there is none.
    auth_header: header in which a proxy says who asks; "": none does.
    proxies: addresses and networks of the proxies whose headers are believed: that one, and
        ``X-Forwarded-For``, ``-Host`` and ``-Proto``.
    no_auth: let in whoever reaches it, under whatever name of the host.
    read_only: change nothing.
    redact: keys of payloads whose values nobody is shown.
    prefix: path below which it is served, "/pool", whether or not a proxy takes it off; "": none.
    late: for how many seconds a task may wait before it is told of.

    Raises StartupError where it would be open to more than was meant, or makes no sense.
    """

    host: str = HOST
    port: int = PORT
    auth: str = ""
    auth_header: str = ""
    proxies: Sequence[str] = ()
    no_auth: bool = False
    read_only: bool = False
    redact: Sequence[str] = ()
    prefix: str = ""
    late: float = pace.LATE

    def __post_init__(self) -> None:
        _require(0 < self.port <= MOST_PORT, f"port must be from 1 to {MOST_PORT}")
        _require(
            PREFIX.fullmatch(self.prefix),
            "prefix must be a path of letters, digits and -._~, as /pool, with no / at its end, "
            f"not {self.prefix!r:.100}",
        )
        _require(
            self.prefix.split("/")[1:2] not in [[each] for each in OWN_PATHS],
            f"prefix must not begin as the page's own paths do: /{', /'.join(OWN_PATHS)}",
        )
        _require(0 < self.late < LONGEST, "late must be a number of seconds")
        _require(all(self.redact), "redact takes keys, not an empty one")
        self._require_one_way_in()
        _ = self.trusted

    def _require_one_way_in(self) -> None:
        ways = [
            name
            for name, given in (
                ("auth", self.auth),
                ("auth_header", self.auth_header),
                ("no_auth", self.no_auth),
            )
            if given
        ]
        _require(len(ways) < 2, f"{' and '.join(ways)} contradict each other: give one of them")
        _require(
            HEADER.fullmatch(self.auth_header or "any"),
            f"auth_header must be the name of a header, not {self.auth_header!r:.100}",
        )
        _require(
            self.proxies or not self.auth_header,
            "auth_header needs the address of the proxy that sets it, as --proxy 10.0.0.5: else "
            "everybody could say who they are",
        )
        _require(
            ways or not self.proxies,
            "proxy goes with auth, auth_header or no_auth: say who may come in by it",
        )
        _require(
            ways or is_loopback(self.host),
            f"on {self.host or 'all addresses'}, others than this machine reach the page: say who "
            "may come in, by --auth FILE, or --auth-header NAME with --proxy ADDRESS, or let all "
            "in by --no-auth",
        )

    @property
    def trusted(self) -> list[Network]:
        """The proxies."""
        return [_network(text) for text in self.proxies]

    @property
    def url(self) -> str:
        """What to open in a browser, on this machine at least."""
        host = "localhost" if self.host in EVERYWHERE else self.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}{self.prefix}/"


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine reaches it under this name or address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        name = host.lower()
        return name == "localhost" or name.endswith(".localhost")


def _network(text: str) -> Network:
    try:
        return ip_network(text)
    except ValueError as error:
        raise StartupError(
            f"proxy must be an address, as 10.0.0.5, or a network, as 10.0.0.0/24: {error}"
        ) from None


def _require(condition: object, message: str) -> None:
    if not condition:
        raise StartupError(message)
