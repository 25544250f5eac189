"""Where requests come from, as far as they say."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from woodenwaiter.web.origins import asker_of, names_loopback, trouble_with
from woodenwaiter.web.visits import Visit

PROXIES = [ip_network("10.0.0.0/8"), ip_network("::1")]


@pytest.mark.parametrize(
    ("client", "forwarded", "asker"),
    [
        ("192.0.2.9", "192.0.2.1", "192.0.2.9"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "192.0.2.1", "192.0.2.1"),
        ("10.0.0.1", "10.9.9.9, 192.0.2.1", "192.0.2.1"),
        ("::ffff:10.0.0.1", "1.1.1.1, 192.0.2.1, 10.0.0.2", "192.0.2.1"),
        ("::1", "2001:db8::1", "2001:db8::1"),
        ("10.0.0.1", "nonsense", "10.0.0.1"),
        ("10.0.0.1", "192.0.2.1, unknown", "10.0.0.1"),
        ("", "192.0.2.1", ""),
        ("10.0.0.1", ",,,", "10.0.0.1"),
    ],
)
def test_who_asks_by_way_of_proxies(client: str, forwarded: str, asker: str) -> None:
    assert asker_of(client, forwarded, PROXIES) == asker


@given(st.text(), st.text(), st.lists(st.text()))
def test_whatever_is_said(site: str, origin: str, hosts: list[str]) -> None:
    trouble_with(site, origin, hosts)
    names_loopback(origin)
    asker_of("10.0.0.1", origin, PROXIES)


@given(st.text())
def test_nobody_is_led_out_of_the_page(then: str) -> None:
    scope = {"type": "http", "method": "GET", "path": "/pool/x", "headers": [], "root_path": ""}
    back = Visit(scope, "/pool", []).back(f"/pool/{then}")
    assert back.startswith("/pool/")
    assert back.isascii()
    assert back.isprintable()
    assert "\\" not in back
