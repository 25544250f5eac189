"""What keeps a page safe: who is let in, and what browsers cannot be used for."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from woodenwaiter.web.attempts import TRIES
from woodenwaiter.web.passwords import set_password
from woodenwaiter.web.visits import Visit
from woodenwaiter.web.ways import Anyone

from ..support import Programs, eventually
from .guarded import PASSWORD, USER, Browser, serve_guarded, users_in

Serve = Callable[..., Browser]

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)


@pytest.fixture
def serve(programs: Programs) -> Iterator[Serve]:
    browsers: list[Browser] = []

    def serve(**given: Any) -> Browser:
        browsers.append(serve_guarded(programs, **given))
        return browsers[-1]

    yield serve
    for browser in browsers:
        if browser.program and browser.program.process.poll() is None:
            assert browser.program.stop() == 0


@pytest.fixture
def users(tmp_path: Path) -> str:
    return users_in(tmp_path)


# On every answer.


def test_every_answer_is_armoured(serve: Serve, users: str) -> None:
    browser = serve(auth=users)
    refused = browser.ask("/api/me"), browser.ask("/"), browser.ask("/login"), browser.post("/x")
    static = browser.ask("/static/style.css")
    browser.log_in()
    for told in (*refused, static, browser.ask("/"), browser.ask("/api/me"), browser.do()):
        assert told.header("Content-Security-Policy") == POLICY
        assert told.header("X-Content-Type-Options") == "nosniff"
        assert told.header("Referrer-Policy") == "same-origin"
        assert told.header("Cross-Origin-Opener-Policy") == "same-origin"
        assert told.header("Cross-Origin-Resource-Policy") == "same-origin"
        assert told.header("Cache-Control") == (None if told is static else "no-store")
        assert told.header("Server") is None


def test_streams_are_not_held_up(serve: Serve) -> None:
    with serve().stream("/api/events") as response:
        assert [response.readline() for _ in range(3)] == [b"data: 0\n", b"\n", b"data: 1\n"]


# Without a login.


@pytest.mark.parametrize("header", ["X_Forwarded_For", "Forwarded"])
def test_nobody_comes_by_a_proxy_that_was_not_told_of(serve: Serve, header: str) -> None:
    told = serve().ask("/api/me", **{header: "203.0.113.9"})
    assert told.status == 403


def test_who_asks_from_elsewhere_is_nobody_of_this_machine() -> None:
    """However they call it: an application that mounts the page may listen everywhere."""
    way = Anyone(only_loopback=True)
    for peer in ("203.0.113.9", "", "127.0.0.1", "::1"):
        scope = {
            "method": "GET",
            "path": "/",
            "headers": [(b"host", b"localhost")],
            "client": (peer, 4711),
        }
        is_here = peer in ("127.0.0.1", "::1")
        assert (way.refusal(Visit(scope, "", ())) is None) == is_here


def test_anyone_of_this_machine(serve: Serve) -> None:
    browser = serve()
    told = browser.ask("/api/me").json
    assert told["user"] == "anyone"
    assert told["can_log_out"] is False
    assert browser.do().status == 200
    assert browser.ask("/login?then=/hosts").header("Location") == "/hosts"


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:1234", "127.0.0.1", "127.0.0.1:80", "[::1]:8090", "a.localhost"],
)
def test_names_of_this_machine(serve: Serve, host: str) -> None:
    assert serve().ask("/api/me", Host=host).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.com",
        "localhost.evil.com",
        "127.0.0.1.evil.com",
        "evil.com:8090",
        "10.0.0.1",
        "[::2]",
        "",
        "x@localhost",
        "localhost:80:80",
    ],
)
def test_other_names_are_refused_lest_a_site_calls_itself_so(serve: Serve, host: str) -> None:
    browser = serve()
    for path in ("/", "/api/me", "/static/main.js", "/login"):
        told = browser.ask(path, Host=host)
        assert told.status == 403
        assert b"--no-auth" in told.body
    origin = {"Origin": f"http://{host}"}
    assert browser.ask("/api/do", "POST", b"{}", Host=host, **origin).status == 403


def test_any_name_where_that_was_meant(serve: Serve) -> None:
    assert serve(no_auth=True).ask("/api/me", Host="pool.example.com").json["user"] == "anyone"


# State changes.


def test_token_is_needed(serve: Serve) -> None:
    browser = serve()
    token = browser.ask("/api/me").json["token"]
    assert browser.post("/api/do", b"{}").status == 403
    for wrong in ("", token[:-1], token + "0", "é"):
        assert browser.post("/api/do", b"{}", X_Woodenwaiter_Token=wrong).status == 403
    assert browser.post("/api/do", b"{}", X_Woodenwaiter_Token=token).status == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "null"}, 200),
        ({"Origin": None}, 200),
        ({"Sec-Fetch-Site": None}, 200),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Origin": "http://evil.com"}, 403),
        ({"Origin": "http://localhost"}, 403),
        ({"Origin": "http://localhost:1"}, 403),
        ({"Origin": "file://"}, 403),
        ({"Origin": "http://[", "Sec-Fetch-Site": None}, 403),
        ({"Origin": "null", "Sec-Fetch-Site": None}, 403),
        ({"Origin": None, "Sec-Fetch-Site": None}, 403),
    ],
    ids=str,
)
def test_only_its_own_pages_change_anything(
    serve: Serve, headers: dict[str, Any], status: int
) -> None:
    browser = serve()
    assert browser.do(**headers).status == status
    if status == 403:
        token = browser.ask("/api/me").json["token"]
        own = {"Origin": browser.origin, "Sec-Fetch-Site": "same-origin"} | headers
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
            told = browser.ask("/api/do", method, b"{}", X_Woodenwaiter_Token=token, **own)
            assert told.status == 403
            assert told.json["trouble"]


def test_other_sites_cannot_even_have_it_looked_at(serve: Serve) -> None:
    browser = serve()
    assert browser.ask("/api/export", Sec_Fetch_Site="cross-site").status == 403
    assert browser.ask("/", Sec_Fetch_Site="cross-site").status == 200  # a link


def test_port_that_goes_without_saying(serve: Serve) -> None:
    browser = serve(no_auth=True)
    for host, origin in (
        ("a.com:80", "http://a.com"),
        ("A.com", "https://a.com"),
        ("a.com", "https://a.com:443"),
    ):
        token = browser.ask("/api/me", Host=host).json["token"]
        assert (
            browser.post(
                "/api/do", b"{}", Host=host, Origin=origin, X_Woodenwaiter_Token=token
            ).status
            == 200
        )


@pytest.mark.parametrize("is_chunked", [False, True])
def test_large_bodies_are_refused(serve: Serve, *, is_chunked: bool) -> None:
    browser = serve()
    token = browser.ask("/api/me").json["token"]

    def post(size: int) -> Any:
        body: Any = b"x" * size
        return browser.post(
            "/api/do", iter([body]) if is_chunked else body, X_Woodenwaiter_Token=token
        )

    assert post(1 << 20).json["body"] == 1 << 20
    with closing(socket.create_connection(("127.0.0.1", browser.port))) as caller:
        length = "Transfer-Encoding: chunked" if is_chunked else f"Content-Length: {(1 << 20) + 1}"
        caller.sendall(
            f"POST /api/do HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: same-origin\r\n"
            f"X-Woodenwaiter-Token: {token}\r\n{length}\r\n\r\n".encode()
        )
        if is_chunked:
            caller.sendall(b"100001\r\n" + b"x" * 0x100001)
        assert caller.recv(100).startswith(b"HTTP/1.1 413")


# Passwords.


def test_who_is_not_known_learns_nothing(serve: Serve, users: str) -> None:
    browser = serve(auth=users)
    told = browser.ask("/queues/t%3Ad/dead?group=a b&x=%26".replace(" ", "%20"))
    assert told.status == 303
    assert told.body == b""
    assert told.header("Location") == (
        "/login?then=%2Fqueues%2Ft%253Ad%2Fdead%3Fgroup%3Da%2520b%26x%3D%2526"
    )
    for path in ("/api/me", "/api/events?view=overview", "/api/nothing"):
        told = browser.ask(path)
        assert (told.status, told.json) == (401, {"trouble": "log in first"})
    assert browser.post("/api/do", b"{}").status == 401
    assert browser.post("/queues").status == 401
    assert browser.ask("/static/main.js").json["user"] == ""


def test_login_and_logout(serve: Serve, users: str) -> None:
    browser = serve(auth=users)
    asked = browser.ask("/login?then=/hosts%3Fa=b")
    assert (asked.status, asked.body) == (200, b"prefix=|then=/hosts?a=b|trouble=")
    told = browser.log_in(then="/hosts?a=b")
    assert (told.status, told.header("Location")) == (303, "/hosts?a=b")
    cookie = told.header("Set-Cookie") or ""
    assert cookie.partition("; ")[2] == "Path=/; Max-Age=43200; HttpOnly; SameSite=Strict"
    me = browser.ask("/api/me").json
    assert (me["user"], me["can_log_out"]) == (USER, True)
    assert browser.ask("/login?then=/audit").header("Location") == "/audit"
    assert browser.do().status == 200
    kept = dict(browser.cookies)
    assert browser.ask("/logout").status == 200  # of the application: a link logs nobody out
    assert browser.ask("/logout", "POST").status == 403
    assert browser.post("/logout").header("Location") == "/login"
    assert browser.cookies == {}
    browser.cookies = kept  # somebody has copied it
    assert browser.ask("/api/me").status == 401


def test_who_follows_a_colleagues_link_is_still_known(serve: Serve, users: str) -> None:
    """Browsers keep a strict cookie back then, but for what the page itself asks for."""
    browser = serve(auth=users)
    told = browser.ask("/hosts?a=%22&b='", Sec_Fetch_Site="cross-site")
    assert told.status == 200
    assert b'content="0; url=/hosts?a=%22&amp;b=&#x27;"' in told.body
    assert browser.ask("/hosts", Sec_Fetch_Site="same-origin").status == 303


def test_token_is_of_a_session(serve: Serve, users: str) -> None:
    browser = serve(auth=users)
    browser.log_in()
    token = browser.ask("/api/me").json["token"]
    browser.log_in()
    assert browser.ask("/api/me").json["token"] != token
    assert browser.post("/api/do", b"{}", X_Woodenwaiter_Token=token).status == 403


def test_wrong_passwords_are_told_and_limited(serve: Serve, users: str, programs: Programs) -> None:
    browser = serve(auth=users)
    for _ in range(TRIES):
        told = browser.log_in(password='"><script>', then='/"><script>')
        assert told.status == 403
        assert b"No such user, or another password." in told.body
        assert b"<script" not in told.body
    told = browser.log_in()
    assert told.status == 429
    assert 0 < int(told.header("Retry-After") or "") <= 20
    assert b"tried too often" in told.body
    assert browser.cookies == {}
    browser.source = "127.0.0.2"
    assert browser.log_in(user="nobody", password="").status == 403
    assert browser.log_in().status == 303


def test_what_a_form_may_not_be(serve: Serve, users: str) -> None:
    browser = serve(auth=users)
    assert browser.post("/login", b"user=anna&password=" + b"x" * 20_000).status == 413
    for body in (b"", b"a=b&" * 200, b"\xff", b"user=&password=", b"user=anna"):
        assert browser.post("/login", body).status in (403, 429)
    assert browser.ask(f"/login?{'a=b&' * 200}").status == 200
    assert browser.ask("/login", "POST", "user=anna").status == 403  # no origin


@pytest.mark.parametrize(
    "then",
    [
        "//evil.com",
        "/\\evil.com",
        "https://evil.com",
        "/\t/evil.com",
        "evil.com",
        "",
        "/a\r\nSet-Cookie: b=c",
        "/login?then=/",
        "/é",
        "/ ",
    ],
)
def test_nobody_is_led_elsewhere(serve: Serve, users: str, then: str) -> None:
    browser = serve(auth=users)
    told = browser.log_in(then=then)
    assert told.header("Location") == "/"
    assert list(browser.cookies) == [f"woodenwaiter-{browser.port}"]


@pytest.mark.parametrize("path", ["//evil.example/x", "/\\evil.example", "///evil.example"])
def test_nobody_is_sent_elsewhere_once_more(serve: Serve, users: str, path: str) -> None:
    told = serve(auth=users).ask(path, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate")
    assert "evil" not in f"{told.header('Location')}" or b"then=%2F%2F" not in told.body
    assert b"url=//" not in told.body
    assert b"url=/\\" not in told.body


@pytest.mark.parametrize("change", ["password", "user"])
def test_session_is_over_when_its_password_is(serve: Serve, users: str, change: str) -> None:
    browser = serve(auth=users)
    browser.log_in()
    with browser.stream("/api/events") as response:
        assert response.readline() == b"data: 0\n"
        if change == "password":
            set_password(users, USER, "another")
        else:
            set_password(users, "berta", "b")
            Path(users).write_text(Path(users).read_text().splitlines()[-1])
        began = time.monotonic()
        while response.readline():
            assert time.monotonic() - began < 10, "the stream goes on"
    assert browser.ask("/api/me").status == 401


def test_forged_sessions(serve: Serve, users: str) -> None:
    browser = serve(auth=users)
    browser.log_in()
    [(name, good)] = browser.cookies.items()
    browser.cookies = {}
    body, _, signature = good.partition(".")
    for bad in (
        body,
        f"{body}.",
        f".{signature}",
        f"{body[:-4]}.{signature}",
        "e30=.a",
        "W10=.a",
        "é.é",
        "a" * 5000,
    ):
        assert browser.ask("/api/me", Cookie=f"{name}={bad}").status == 401
    assert browser.ask("/api/me", Cookie=f"a=b; {name}={good};c").status == 200


def test_restart_ends_sessions(serve: Serve, users: str) -> None:
    browser, another = serve(auth=users), serve(auth=users)
    browser.log_in()
    another.cookies = {f"woodenwaiter-{another.port}": next(iter(browser.cookies.values()))}
    assert another.ask("/api/me").status == 401


# Proxies.


def test_user_whom_a_proxy_names(serve: Serve) -> None:
    browser = serve(auth_header="X-User", proxies=["127.0.0.1", "10.0.0.0/8"])
    assert browser.ask("/api/me", X_User="berta").json["user"] == "berta"
    assert browser.ask("/api/me", X_User="b\x7f" + "x" * 200).json["user"] == "b\\x7f" + "x" * 95
    told = browser.ask("/api/me")
    assert told.status == 401
    assert browser.ask("/login").status == browser.ask("/").status == 401
    token = browser.ask("/api/me", X_User="berta").json["token"]
    do = {"X_Woodenwaiter_Token": token}
    assert browser.post("/api/do", b"{}", X_User="berta", **do).status == 200
    assert browser.post("/api/do", b"{}", X_User="anna", **do).status == 403
    assert browser.ask("/login?then=/audit", X_User="berta").header("Location") == "/audit"


def test_nobody_else_names_users(serve: Serve) -> None:
    browser = serve(auth_header="X-User", proxies=["127.0.0.2"])
    for path in ("/", "/api/me", "/static/main.js"):
        told = browser.ask(path, X_User="berta", X_Forwarded_For="127.0.0.2")
        assert told.status == 403


def test_user_who_is_named_twice_is_nobody(serve: Serve) -> None:
    browser = serve(auth_header="X-User", proxies=["127.0.0.1"])
    with closing(socket.create_connection(("127.0.0.1", browser.port))) as caller:
        caller.sendall(b"GET /api/me HTTP/1.1\r\nHost: a\r\nX-User: anna\r\nx-user: berta\r\n\r\n")
        assert caller.recv(100).startswith(b"HTTP/1.1 401")


def test_what_proxies_say_is_believed(serve: Serve, users: str) -> None:
    browser = serve(auth=users, proxies=["127.0.0.1", "10.0.0.0/8"])
    by = {
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "pool.example.com",
        "X-Forwarded-For": "127.0.0.1, 192.0.2.1, 10.1.2.3",
        "Origin": "https://pool.example.com",
    }
    browser.headers = by
    told = browser.ask("/login", "POST", f"user=anna&password={PASSWORD}".encode())
    assert (told.header("Set-Cookie") or "").endswith("; Secure")
    me = browser.ask("/api/me").json
    assert me["client"] == ["192.0.2.1", 0]
    assert me["scheme"] == "https"
    assert browser.do(Origin="https://pool.example.com").status == 200


def test_what_others_say_is_not(serve: Serve, users: str) -> None:
    browser = serve(auth=users)
    browser.headers = {
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "evil.com",
        "X-Forwarded-For": "192.0.2.1",
    }
    for n in range(TRIES + 1):
        browser.headers["X-Forwarded-For"] = f"192.0.2.{n}"
        told = browser.log_in(password="")
    assert told.status == 429
    browser.source = "127.0.0.2"
    assert "Secure" not in (browser.log_in().header("Set-Cookie") or "Secure")
    assert browser.ask("/api/me").json["scheme"] == "http"
    assert browser.do(Origin="http://evil.com").status == 403


def test_each_asker_has_tries_of_their_own(serve: Serve, users: str) -> None:
    browser = serve(auth=users, proxies=["127.0.0.1"])
    browser.headers = {"X-Forwarded-For": "192.0.2.1"}
    for _ in range(TRIES + 1):
        told = browser.log_in(password="")
    assert told.status == 429
    browser.headers = {"X-Forwarded-For": "192.0.2.2"}
    assert browser.log_in().status == 303


# Prefixes.


@pytest.mark.parametrize("is_stripped", [False, True])
def test_below_a_prefix(serve: Serve, users: str, *, is_stripped: bool) -> None:
    browser = serve(auth=users, prefix="/a/pool")
    home = "" if is_stripped else "/a/pool"
    assert browser.ask(f"{home}/hosts").header("Location") == (
        "/a/pool/login?then=%2Fa%2Fpool%2Fhosts"
    )
    assert browser.ask(f"{home}/login").body == b"prefix=/a/pool|then=/a/pool/|trouble="
    told = browser.log_in(home=home, then="/a/pool/hosts")
    assert told.header("Location") == "/a/pool/hosts"
    assert "; Path=/a/pool; " in (told.header("Set-Cookie") or "")
    me = browser.ask(f"{home}/api/me%20x").json
    assert me["root_path"] == "/a/pool"
    assert (me["path"], me["raw_path"]) == ("/a/pool/api/me x", "/a/pool/api/me%20x")
    assert browser.do(home=home).status == 200
    assert browser.log_in(home=home, then="/other").header("Location") == "/a/pool/"
    assert browser.post(f"{home}/logout").header("Location") == "/a/pool/login"
    if not is_stripped:
        assert browser.ask("/a/pool").header("Location") == "/a/pool/"


def test_mounted_it_uses_its_hosts_login(serve: Serve) -> None:
    browser = serve(mounted="/my/pool")
    home = "/my/pool"
    assert browser.ask(f"{home}/api/me").status == 401
    assert browser.ask(f"{home}/").status == browser.ask(f"{home}/login").status == 401
    known = {"X-Known": "carla", "Host": "www.example.com"}
    me = browser.ask(f"{home}/api/me", **known).json
    assert (me["user"], me["root_path"], me["can_log_out"]) == ("carla", home, False)
    assert (
        browser.ask(f"{home}/login?then={home}/hosts", **known).header("Location")
        == f"{home}/hosts"
    )
    origin = {"Origin": "https://www.example.com", "X-Woodenwaiter-Token": me["token"]}
    assert browser.post(f"{home}/api/do", b"{}", **known, **origin).status == 200
    assert (
        browser.post(f"{home}/api/do", b"{}", **{**known, **origin, "X-Known": "b"}).status == 403
    )


# Connections.


def test_who_asks_for_nothing_is_hung_up_on(serve: Serve) -> None:
    browser = serve()
    began = time.monotonic()
    callers = [socket.create_connection(("127.0.0.1", browser.port)) for _ in range(3)]
    callers[1].sendall(b"GET / HT")
    callers[2].sendall(b"GET /api/me HTTP/1.1\r\nHost: localhost\r\n\r\nGET")
    assert callers[2].recv(1000).startswith(b"HTTP/1.1 200")
    with browser.stream("/api/events") as response:
        for caller in callers:
            caller.settimeout(30)
            while caller.recv(1000):
                pass
            caller.close()
        assert 5 < time.monotonic() - began < 25
        assert response.readline()


def test_body_that_does_not_come_is_not_waited_for(serve: Serve) -> None:
    browser = serve()
    token = browser.ask("/api/me").json["token"]
    with closing(socket.create_connection(("127.0.0.1", browser.port), 20)) as caller:
        caller.sendall(
            f"POST /api/do HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: same-origin\r\n"
            f"X-Woodenwaiter-Token: {token}\r\nContent-Length: 10\r\n\r\n1".encode()
        )
        assert caller.recv(100).startswith(b"HTTP/1.1 408")


def test_it_ends_at_once_though_streams_are_open(programs: Programs) -> None:
    browser = serve_guarded(programs)
    served = browser.program
    assert served
    with browser.stream("/api/events") as response:
        response.readline()
        idle = socket.create_connection(("127.0.0.1", browser.port))
        began = time.monotonic()
        assert served.stop() == 0
        assert time.monotonic() - began < 1.5
        idle.close()
        eventually(lambda: not response.readline(), "the end of the stream")
    assert "Traceback" not in served.log
