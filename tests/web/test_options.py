"""Who may be let in, where: what would be open to more than was meant is refused."""

from __future__ import annotations

from typing import Any

import pytest

from woodenwaiter.errors import StartupError
from woodenwaiter.web.options import Options


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"host": "localhost"},
        {"host": "::1"},
        {"host": "127.1.2.3"},
        {"host": "", "auth": "users"},
        {"host": "0.0.0.0", "no_auth": True},
        {"host": "10.0.0.1", "auth_header": "X-User", "proxies": ["10.0.0.5", "fd00::/8"]},
        {"auth": "users", "proxies": ["127.0.0.1"], "prefix": "/pool/of.us"},
    ],
    ids=str,
)
def test_what_makes_sense(given: dict[str, Any]) -> None:
    assert Options(**given)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"host": ""}, "all addresses.* --auth FILE.* --auth-header NAME .* --no-auth"),
        ({"host": "0.0.0.0"}, "0.0.0.0, others than this machine"),
        ({"host": "example.com"}, "example.com, others"),
        ({"host": "localhost.example.com"}, "others"),
        ({"auth": "users", "no_auth": True}, "auth and no_auth contradict"),
        ({"auth": "f", "auth_header": "X", "proxies": ["::1"]}, "auth and auth_header contradict"),
        ({"host": "", "auth_header": "X-User"}, "needs the address of the proxy"),
        ({"auth_header": "X User", "proxies": ["::1"]}, "the name of a header"),
        ({"proxies": ["10.0.0.5"]}, "goes with"),
        ({"auth": "f", "proxies": ["10.0.0.5/8"]}, "must be an address.*host bits"),
        ({"auth": "f", "proxies": ["proxy"]}, "must be an address"),
        ({"port": 0}, "port"),
        ({"port": 65536}, "port"),
        ({"prefix": "pool"}, "must be a path"),
        ({"prefix": "/pool/"}, "must be a path"),
        ({"prefix": "/a b"}, "must be a path"),
        ({"prefix": "//evil.com"}, "must be a path"),
        ({"prefix": "/.."}, "must be a path"),
        ({"prefix": '/"onload='}, "must be a path"),
        ({"prefix": "/pool\n"}, "must be a path"),
        ({"prefix": "/queues"}, "page's own paths"),
        ({"late": 0}, "late"),
        ({"redact": ["a", ""]}, "redact"),
    ],
    ids=str,
)
def test_what_is_refused_in_a_line(given: dict[str, Any], said: str) -> None:
    with pytest.raises(StartupError, match=said) as told:
        Options(**given)
    assert "\n" not in str(told.value)


def test_what_to_open() -> None:
    assert Options().url == "http://127.0.0.1:8090/"
    assert Options(host="::1", prefix="/a").url == "http://[::1]:8090/a/"
    for everywhere in ("", "0.0.0.0", "::"):
        assert Options(host=everywhere, no_auth=True).url == "http://localhost:8090/"
