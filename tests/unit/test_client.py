"""URLs: what is understood, and what is said of what is not."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from woodenwaiter.errors import WrongValue
from woodenwaiter.protocol.client import address_of, identity, source_of
from woodenwaiter.protocol.link import Link
from woodenwaiter.protocol.urls import (
    NO_DATABASE,
    NO_SERVICE,
    SCHEMES,
    SEVERAL_HOSTS,
    UNREADABLE,
    client_at,
)
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
    "redis+sentinel://:s3cret@h/",
    "redis+sentinel://:s3cret@/kitchen",
    "redis+sentinel://:s3cret@h,/kitchen",
    "redis+sentinel://:s3cret@,h/kitchen",
    "redis+sentinel://:s3cret@:1/kitchen",
    "redis+sentinel://:s3cret@h:0/kitchen",
    "redis+sentinel://:s3cret@h,h:x/kitchen",
    "redis+sentinel://:s3cret@h,::1/kitchen",
    "redis+sentinel://:s3cret@h;h:1/kitchen/x",
    "redis+sentinel://:s3cret@h/kitchen/x",
    "redis+sentinel://:s3cret@h/kitchen/1/2",
    "redis+sentinel://:s3cret@h/kit chen",
    "redis+sentinel://:s3cret@h/kit%0Achen",
    "redis+sentinel://:s3cret@h/s3cret@h",
    "redis+sentinel://user:12/s3cret@h/kitchen",
    "redis+sentinel://user:12?s3cret@h/kitchen",
    "redis+sentinel://user:12#s3cret@h/kitchen",
    "redis+sentinel://:s3\ncret@h/kitchen",
    "redis+sentinel://h/kitchen?sentinel_password=s3cret&nope=1",
    "redis+sentinel://h/kitchen?sentinel_password=s3cret#x",
    "redis+sentinel://h/kitchen?sentinel_host=s3cret",
    "redis+sentinel://h/kitchen?socket_timeout=0&password=s3cret",
    "redis+sentinel://h/kitchen?ssl_cert_reqs=none",
    "redis+cluster://",
    "redis+cluster:///",
    "redis+cluster://:s3cret@",
    "redis+cluster://:s3cret@h,",
    "redis+cluster://:s3cret@h:x,h",
    "redis+cluster://:s3cret@h,h/1",
    "redis+cluster://:s3cret@h/s3cret",
    "redis+cluster://:s3cret@h?db=1",
    "redis+cluster://:s3cret@h?sentinel_password=s3cret",
    "redis+cluster://user:12/s3cret@h",
    "redis+cluster://:s3cret@h\x1b",
    "rediss+cluster://:s3cret@h?ssl_keyfile=/",
    "rediss+cluster://:s3cret@h?ssl_cert_reqs=maybe",
    "unix+cluster://:s3cret@h",
    "redis+nope://:s3cret@h",
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
        ("redis://h/x", "after host and port, or a service, comes the number of a database"),
        (
            "redis+sentinel://h/k/x",
            "after host and port, or a service, comes the number of a database",
        ),
        ("redis://u:p@h:1,g:2/0", SEVERAL_HOSTS),
        ("rediss://h,g", SEVERAL_HOSTS),
        ("redis://u:p,w/x@h:1", UNREADABLE),
        ("redis://h?db=x", "Invalid value for 'db' in connection URL."),
        ("rediss://h?ssl_keyfile=/", "ssl_keyfile needs ssl_certfile"),
        ("redis+sentinel://h,g", NO_SERVICE),
        ("redis+sentinel://h,g/k?nope=1", "no option of a connection: 'nope'"),
        ("redis+sentinel://h,/k", "the hosts of a sentinel are a list: HOST:PORT,HOST:PORT"),
        ("redis+cluster://", "the hosts of a cluster are a list: HOST:PORT,HOST:PORT"),
        ("redis+cluster://h/2", NO_DATABASE),
        ("redis+cluster://h?db=2", NO_DATABASE),
        ("redis+nope://h", SCHEMES),
        ("http://h", SCHEMES),
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
        ("redis+sentinel://h/k", "redis+sentinel://h:26379/k"),
        ("redis+sentinel://b:1,[::1]:2/k/3", "redis+sentinel://[::1]:2,b:1/k/3"),
        ("redis+sentinel://u:s3cret@h,g/k?db=2", "redis+sentinel://u@g:26379,h:26379/k/2"),
        ("redis+sentinel://h/k?sentinel_password=s3cret", "redis+sentinel://h:26379/k"),
        ("rediss+sentinel://:s3,cret@h/k", "rediss+sentinel://h:26379/k"),
        ("redis+cluster://h", "redis+cluster://h:6379"),
        ("redis+cluster://:s3cret@h,[::1]:2/0", "redis+cluster://h:6379,[::1]:2"),
        ("rediss+cluster://u:s3cret@h:1", "rediss+cluster://u@h:1"),
        ("redis+cluster://a,b,c,d,e", "redis+cluster://a:6379,b:6379,c:6379,d:6379,…"),
    ],
)
def test_address_is_told_without_the_password(url: str, address: str) -> None:
    client = client_at(url)
    assert Link(client, timeout=1).address == address_of(client) == address


@pytest.mark.parametrize("url", ["redis+cluster://me:secret@h", "redis://:secret@h"])
def test_what_is_known_of_a_client_shows_no_password(url: str) -> None:
    """In a debugger, say, or in a report of an error."""
    assert "secret" not in repr(source_of(client_at(url)))


def test_url_in_the_place_of_a_host_is_told() -> None:
    with pytest.raises(WrongValue, match=r"WoodenWaiter\.from_url") as raised:
        WoodenWaiter("redis://:s3cret@h")
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize("port", ["", "x", 0, -1, 65536, "99999"])
def test_port_that_is_none_is_told(port: int | str) -> None:
    with pytest.raises(WrongValue, match=r"\Aport must be a number from 1 to 65535, not "):
        WoodenWaiter("h", port)


def test_options_of_a_url_are_for_the_servers_and_the_sentinels() -> None:
    client: Any = client_at(
        "rediss+sentinel://u:p%2F@h:1,g/k/2?sentinel_username=w&sentinel_password=s%2F"
        "&socket_timeout=3&ssl_ca_path=/etc&client_name=me"
    )
    pool = client.connection_pool
    assert issubclass(pool.connection_class, redis.SSLConnection)
    options = pool.connection_kwargs
    assert (options["username"], options["password"], options["db"]) == ("u", "p/", 2)
    assert (options["socket_timeout"], options["client_name"]) == (3, "me")
    for sentinel in pool.sentinel_manager.sentinels:
        theirs = sentinel.connection_pool.connection_kwargs
        assert issubclass(sentinel.connection_pool.connection_class, redis.SSLConnection)
        assert (theirs["username"], theirs["password"], theirs.get("db", 0)) == ("w", "s/", 0)
        assert (theirs["socket_timeout"], theirs["ssl_ca_path"]) == (3, "/etc")


def test_keywords_go_with_a_url() -> None:
    for url in ("redis://h", "redis+sentinel://h/k", "redis+cluster://h"):
        source = source_of(client_at(url, password="p", socket_timeout=3))
        assert (source.options["password"], source.options["socket_timeout"]) == ("p", 3)
        assert identity(client_at(url, password="p")) != identity(client_at(url))
        assert identity(client_at(url)) == identity(client_at(url))
