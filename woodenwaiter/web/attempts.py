"""How often somebody may try to log in: decisions alone."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv6Address, ip_address, ip_network

from .. import pace

LONGEST = 100
"""Characters of a name that tell users apart: nobody has a longer one."""

SITE = 64
"""Bits of an IPv6 address, of which each customer of a provider has all the others."""

TRIES, TRIES_FROM, TRIES_AS = 5, 30, 100
"""At once: as a user from an address, from an address, and as a user from wherever."""

Key = tuple[str, str]


class Attempts:
    """Those of late. Times are monotonic seconds.

    Of whoever tries, it is known only when they would be as if they had never tried: ``most`` of
    these are kept, the latest.
    """

    def __init__(self, most: int = 10_000) -> None:
        self._most = most
        self._clear_at: dict[Key, float] = {}

    def __len__(self) -> int:
        return len(self._clear_at)

    def begin(self, address: str, user: str, now: float) -> float:
        """Somebody tries. Returns how many seconds they have to wait before they may, or 0.0: then
        it counts as a failure, until `succeeded` says otherwise, so that many at once are not
        more."""
        limits = list(_limits(address, user))
        wait = max(self._wait(key, now, every, tries) for key, every, tries in limits)
        if wait <= 0:
            for key, every, _ in limits:
                self._note(key, max(self._clear_at.get(key, now), now) + every, now)
        return max(0.0, wait)

    def succeeded(self, address: str, user: str, now: float) -> None:
        """The last one: whoever has the password may mistype it again tomorrow. What others have
        tried from there, or as that user, still counts."""
        pair, *others = _limits(address, user)
        self._clear_at.pop(pair[0], None)
        for key, every, _ in others:
            if key in self._clear_at:
                self._note(key, self._clear_at[key] - every, now)

    def _wait(self, key: Key, now: float, every: float, tries: int) -> float:
        """As many as ``tries`` at once, then one in ``every`` seconds."""
        clear_at = max(self._clear_at.get(key, now), now)
        return clear_at + every - tries * every - now

    def _note(self, key: Key, clear_at: float, now: float) -> None:
        self._clear_at.pop(key, None)
        if clear_at > now:
            self._clear_at[key] = clear_at
        if len(self._clear_at) > self._most:
            self._clear_at = {k: at for k, at in self._clear_at.items() if at > now}
        while len(self._clear_at) > self._most:
            del self._clear_at[next(iter(self._clear_at))]


def _limits(address: str, user: str) -> Iterator[tuple[Key, float, int]]:
    """Whose tries are counted, how often they may, and how often at once."""
    where, who = _site(address), user[:LONGEST]
    yield (where, who), pace.LOGIN_AGAIN, TRIES
    yield (where, ""), pace.LOGIN_FROM_AGAIN, TRIES_FROM
    yield ("", who), pace.LOGIN_AS_AGAIN, TRIES_AS


def _site(address: str) -> str:
    try:
        found = ip_address(address)
    except ValueError:
        return address[:LONGEST]
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped:
            return str(found.ipv4_mapped)
        return str(ip_network((int(found), SITE), strict=False))
    return str(found)
