"""Where a request comes from, as far as browsers and proxies say: decisions alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv6Address, ip_address

from .options import Address, Network, is_loopback

DEFAULT_PORTS = {"http": ":80", "https": ":443"}

ELSEWHERE = "another site's page asks for it"

HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]]*)(?::\d*)?", re.ASCII)


def address_of(text: str) -> Address | None:
    """None where it is none. IPv4 within IPv6 is IPv4."""
    try:
        found = ip_address(text.strip())
    except ValueError:
        return None
    return (isinstance(found, IPv6Address) and found.ipv4_mapped) or found


def is_trusted(text: str, proxies: Iterable[Network]) -> bool:
    """Whether this is a proxy's address."""
    found = address_of(text)
    return found is not None and any(found in network for network in proxies)


def asker_of(client: str, forwarded: str, proxies: Sequence[Network]) -> str:
    """Whom proxies ask for, as ``X-Forwarded-For`` says of them: what those said whom nobody
    trusts, they may have made up."""
    for hop in reversed(forwarded.split(",") if forwarded else []):
        if not is_trusted(client, proxies):
            break
        if (found := address_of(hop)) is None:
            break
        client = str(found)
    return client


def is_of_loopback(peer: str) -> bool:
    """Whether that is an address that nobody but this machine has."""
    found = address_of(peer)
    return found is not None and found.is_loopback


def names_loopback(host: str) -> bool:
    """Whether a ``Host`` header has a name that nobody else can make lead here."""
    found = HOST.fullmatch(host)
    return found is not None and is_loopback(found[1].strip("[]").removesuffix("."))


def trouble_with(site: str | None, origin: str | None, hosts: Iterable[str]) -> str:
    """What is wrong with a request that is to change something, by its ``Sec-Fetch-Site`` and its
    ``Origin``; "" where it comes from a page at one of ``hosts``, which are this one's.

    Where a browser keeps an origin to itself ("null"), or tells none, it must say that it is the
    same.
    """
    if site not in (None, "same-origin"):
        return ELSEWHERE
    if origin in (None, "null"):
        return "" if site else "it does not say which page asks for it (Origin)"
    names = {_spelled(host, str(origin)) for host in hosts}
    if _host_of(str(origin)) in names:
        return ""
    return (
        f"a page of {origin} asks for it, and this is {' or '.join(sorted(hosts))}: should these "
        "be the same, have the proxy pass on the header Host"
    )


def _host_of(origin: str) -> str:
    scheme, _, host = origin.partition("://")
    return _spelled(host, origin) if scheme in DEFAULT_PORTS else ""


def _spelled(host: str, origin: str) -> str:
    """Without the port that goes without saying, by the origin's scheme."""
    return host.strip().lower().removesuffix(DEFAULT_PORTS.get(origin.partition(":")[0], ""))
