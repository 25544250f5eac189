"""URLs: what is understood, and what is said of what is not."""

from __future__ import annotations

import pytest

from woodenwaiter.errors import WrongValue
from woodenwaiter.protocol.client import address_of
from woodenwaiter.protocol.link import Link
from woodenwaiter.protocol.urls import UNREADABLE, client_at
from woodenwaiter.woodenwaiter import WoodenWaiter

SECRET = "s3cret"

MALFORMED = [
    "redis://user:pa/s3cret@host",
    "redis://user:12/s3cret@host",
    "redis://user:12?s3cret@host",
    "redis://user:12?s3cret=x@host",
    "redis://user:12#s3cret@host",
    "redis://user:12#s3cret",
    "redis://user:s3cret",
    "redis://user:s3cret%zz@host:x",
    "redis://:s3cret@::1/0",
    "redis://:s3cret@fe80::1:6379",
    "redis://:s3cret@[::1",
    "redis://:s3cret@h:99999",
    "redis://:s3cret@h:0",
    "redis://:s3cret@h/x",
    "redis://:s3cret@h/-1",
    "redis://:s3cret@h/1/2",
    "redis://h/s3cret",
    "redis://:s3\ncret@h",
    "redis://:s3cret\0@h",
    "redis://:s3cret@h\x1b",
    "redis://:s3cret\ud800@h",
    "redis+sentinel://:s3cret@h",
    "REDIS://:s3cret@h",
    "redis:/:s3cret@h",
    "redis:s3cret@h",
    "s3cret",
    "redis://h?password=s3cret&db=x",
    "redis://h?password=s3cret&nope=1",
    "redis://h?password=s3cret&socket_timeout=abc",
    "redis://h?db=s3cret",
    "redis://h?max_connections=-1",
    "redis://h?protocol=9",
    "redis://h?socket_timeout=0",
    "redis://h?socket_timeout=nan",
    "redis://h?socket_connect_timeout=-1",
    "redis://h?port=1",
    "redis://h?retry=x",
    "redis://h?cache_config=1",
    "redis://h?maint_notifications_config=x",
    "redis://h?parser_class=x",
    "redis://h?nope",
    "redis://h?ssl_cert_reqs=none",
    "rediss://h?ssl_cert_reqs=maybe",
    "rediss://h?ssl_min_version=abc",
    "unix://:s3cret@/path?nope=s3cret",
    "unix:///path?db=x",
]


@pytest.mark.parametrize("url", MALFORMED, ids=ascii)
def test_url_that_is_none_is_told_without_its_password(url: str) -> None:
    with pytest.raises(WrongValue) as raised:
        client_at(url)
    assert SECRET not in str(raised.value)
    assert len(str(raised.value)) < 300


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("redis://h?nope=1", "no option of a connection: 'nope'"),
        ("redis://u:p?w=1@h", UNREADABLE),
        ("redis://u:1?w=1@h", UNREADABLE),
        ("redis://::1", UNREADABLE),
        ("redis://h/x", "after host and port comes the number of a database"),
        ("redis://h?db=x", "Invalid value for 'db' in connection URL."),
        ("rediss://h?ssl_keyfile=/", "ssl_keyfile needs ssl_certfile"),
        ("redis://h?socket_timeout=0", "socket_timeout must be more than 0 and finite"),
    ],
)
def test_what_is_wrong_is_told(url: str, told: str) -> None:
    with pytest.raises(WrongValue) as raised:
        client_at(url)
    assert str(raised.value).replace("`", "'") == told  # which redis-py's quotes were once


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://", "redis://localhost:6379/0"),
        ("redis://h", "redis://h:6379/0"),
        ("redis://h/", "redis://h:6379/0"),
        ("redis://[::1]:1/2", "redis://[::1]:1/2"),
        ("redis://:s3cret%2F%40%23@h/3", "redis://h:6379/3"),
        ("redis://u:s3cret@h", "redis://u@h:6379/0"),
        ("redis://s3cret@h", "redis://h:6379/0"),
        ("redis://h?password=s3cret&db=4", "redis://h:6379/4"),
        ("redis://h?password=s3@cret", "redis://h:6379/0"),
        ("rediss://:s3cret@h?ssl_cert_reqs=none&ssl_check_hostname=no", "rediss://h:6379/0"),
        ("redis://h?socket_timeout=3&protocol=2&client_name=x", "redis://h:6379/0"),
        ("unix://:s3cret@/path?db=5", "unix:///path?db=5"),
    ],
)
def test_address_is_told_without_the_password(url: str, address: str) -> None:
    client = client_at(url)
    assert Link(client, timeout=1).address == address_of(client) == address


def test_url_in_the_place_of_a_host_is_told() -> None:
    with pytest.raises(WrongValue, match=r"WoodenWaiter\.from_url") as raised:
        WoodenWaiter("redis://:s3cret@h")
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize("port", ["", "x", 0, -1, 65536, "99999"])
def test_port_that_is_none_is_told(port: int | str) -> None:
    with pytest.raises(WrongValue, match=r"\Aport must be a number from 1 to 65535, not "):
        WoodenWaiter("h", port)
