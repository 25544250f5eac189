"""TLS: what works, and for each mistake one line that says which, and what to do."""

from __future__ import annotations

import gc
import inspect
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from woodenwaiter import WoodenWaiter
from woodenwaiter.errors import EXIT_REDIS, EXIT_USAGE
from woodenwaiter.protocol.link import Link, ServerTrouble, unusable

from ..application import Application, source
from ..support import Server, closes_its_sockets, eventually, run
from ..tls import Authority, TlsServer

OPTIONS = "?ssl_ca_certs={ca}"
CLIENTS = OPTIONS + "&ssl_certfile={client}&ssl_keyfile={client_key}"

WORKS = {
    "own CA": "rediss://localhost:{good}" + OPTIONS,
    "client certificate": "rediss://localhost:{asking}" + CLIENTS,
    "nothing checked": "rediss://127.0.0.1:{expired}?ssl_cert_reqs=none&ssl_check_hostname=false",
    "newest TLS": "rediss://localhost:{good}" + OPTIONS + "&ssl_min_version=772",
}

CONNECTION = {
    "expired": (
        "rediss://localhost:{expired}" + OPTIONS,
        "certificate has expired",
        "Its certificate, or a clock, is to be put right",
    ),
    "wrong name": (
        "rediss://localhost:{elsewhere}" + OPTIONS,
        "not valid for 'localhost'",
        "by a name that is in the certificate",
    ),
    "number for a name": (
        "rediss://127.0.0.1:{good}" + OPTIONS,
        "not valid for '127.0.0.1'",
        "by a name that is in the certificate",
    ),
    "plain port": (
        "rediss://localhost:{plain}" + OPTIONS,
        "",
        "If it does not speak TLS, its URL begins with redis://",
    ),
    "TLS port": (
        "redis://localhost:{good}",
        "",
        "If it speaks TLS, its URL begins with rediss://",
    ),
    "CA not named": (
        "rediss://localhost:{good}",
        "certificate verify failed",
        "as in rediss://HOST?ssl_ca_certs=FILE",
    ),
    "another CA": (
        "rediss://localhost:{good}?ssl_ca_certs={other_ca}",
        "certificate verify failed",
        "as in rediss://HOST?ssl_ca_certs=FILE",
    ),
    "no client certificate": (
        "rediss://localhost:{asking}" + OPTIONS,
        "",
        "?ssl_certfile=FILE&ssl_keyfile=FILE",
    ),
    "client certificate of another": (
        "rediss://localhost:{asking}" + OPTIONS + "&ssl_certfile={other}&ssl_keyfile={other_key}",
        "",
        "?ssl_certfile=FILE&ssl_keyfile=FILE",
    ),
}

URL = {
    "no CA file": ("ssl_ca_certs=/no/where", "ssl_ca_certs=/no/where: No such file or directory"),
    "folder": ("ssl_ca_certs={folder}", "ssl_ca_certs={folder}: Is a directory"),
    "no certificate": ("ssl_ca_certs={text}", "ssl_ca_certs={text}: there is no certificate in it"),
    "a key": ("ssl_ca_certs={client_key}", "{client_key}: there is no certificate in it"),
    "no folder": ("ssl_ca_path={text}", "ssl_ca_path={text}: no folder"),
    "key without certificate": ("ssl_keyfile={client_key}", "ssl_keyfile needs ssl_certfile"),
    "certificate without key": (
        "ssl_certfile={client}",
        "the same file, without ssl_keyfile, has no key of ssl_certfile={client}",
    ),
    "another's key": (
        "ssl_certfile={client}&ssl_keyfile={other_key}",
        "ssl_keyfile={other_key} has no key of ssl_certfile={client}",
    ),
    "no key": (
        "ssl_certfile={client}&ssl_keyfile=/no/key",
        "ssl_keyfile=/no/key: No such file or directory",
    ),
    "no client certificate": (
        "ssl_certfile={text}&ssl_keyfile={client_key}",
        "ssl_certfile={text}: there is no certificate in it",
    ),
    "version": ("ssl_min_version=9", "ssl_min_version must be 771 for TLS 1.2"),
    "ciphers": ("ssl_ciphers=ROT13", "ssl_ciphers=ROT13: there are none such"),
}


def require_option(options: str) -> None:
    """Skip where this redis-py does not know one yet."""
    known = inspect.signature(redis.SSLConnection.__init__).parameters
    for name in ("ssl_min_version", "ssl_ciphers"):
        if name in options and name not in known:
            pytest.skip(f"redis-py {redis.__version__} has no {name}")


@pytest.fixture(scope="module")
def made(
    tmp_path_factory: pytest.TempPathFactory, shared_server: Server
) -> Iterator[dict[str, Any]]:
    """The ports, and the files, by the names that they have in URLs."""
    folder = tmp_path_factory.mktemp("certificates")
    text = folder / "text"
    text.write_text("no certificate")
    ca, other_ca = Authority(folder), Authority(folder, "other")
    client, client_key = ca.sign("client")
    other, other_key = other_ca.sign("stranger")
    servers = {
        "good": TlsServer(shared_server, ca.sign("good", "localhost")),
        "expired": TlsServer(shared_server, ca.sign("expired", "localhost", days=-1)),
        "elsewhere": TlsServer(shared_server, ca.sign("elsewhere", "redis.internal")),
        "asking": TlsServer(shared_server, ca.sign("asking", "localhost"), clients=ca),
    }
    yield {
        **{name: server.port for name, server in servers.items()},
        "plain": shared_server.port,
        "ca": ca.certificate,
        "other_ca": other_ca.certificate,
        "client": client,
        "client_key": client_key,
        "other": other,
        "other_key": other_key,
        "folder": folder,
        "text": text,
    }
    for server in servers.values():
        server.close()


@pytest.mark.parametrize("what", WORKS)
def test_works(app: Application, made: dict[str, Any], what: str) -> None:
    url = WORKS[what].format(**made)
    require_option(url)
    app.write(processes=1)
    supervisor = app.serve("--redis", url).ready(1)
    waiter = WoodenWaiter.from_url(url)
    waiter.take_dish("t:d", {"n": 0})
    waiter.redis_clt.close()
    eventually(lambda: app.done == [0])
    done = run(app.folder, "-m", "woodenwaiter", "status", "--redis", url)
    assert "t:d" in done.stdout
    assert supervisor.stop() == 0
    assert "trying again" not in supervisor.log


@closes_its_sockets
@pytest.mark.parametrize("what", CONNECTION)
def test_mistake_is_told_by_commands(made: dict[str, Any], tmp_path: Path, what: str) -> None:
    url, reason, remedy = CONNECTION[what]
    done = run(tmp_path, "-m", "woodenwaiter", "status", "--redis", url.format(**made))
    [line] = done.stderr.splitlines()
    assert (reason in line, remedy in line, done.returncode) == (True, True, EXIT_REDIS), line


@closes_its_sockets
@pytest.mark.parametrize("what", CONNECTION)
def test_mistake_is_told_by_supervisors(app: Application, made: dict[str, Any], what: str) -> None:
    url, reason, remedy = CONNECTION[what]
    options = ("--redis-wait", "0.3", "--lease-seconds", "3")
    supervisor = app.serve("--redis", url.format(**made), *options)
    assert supervisor.wait() == EXIT_REDIS
    [line] = [line for line in supervisor.log.splitlines() if "no usable Redis" in line]
    assert (reason in line, remedy in line) == (True, True), line
    assert "Traceback" not in supervisor.log


@pytest.mark.parametrize("what", URL)
def test_mistake_in_the_url_is_told_at_once(
    made: dict[str, Any], tmp_path: Path, what: str
) -> None:
    options, told = (text.format(**made) for text in URL[what])
    require_option(options)
    url = f"rediss://localhost:{made['good']}?{options}"
    (tmp_path / "app.py").write_text(source())
    for command in (["woodenwaiter", "status"], ["woodenwaiter.supervisor", "app"]):
        done = run(tmp_path, "-m", *command, "--redis", url)
        line = done.stderr.splitlines()[-1]
        assert (told in line, done.returncode) == (True, EXIT_USAGE), line
        assert "Traceback" not in done.stderr


@closes_its_sockets
@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"ssl_ca_certs": "/no/where"}, "is not there, or is none"),
        ({"ssl_ca_certs": "{text}"}, "is not there, or is none"),
        ({"ssl_certfile": "{client}", "ssl_keyfile": "{other_key}"}, "is not there, or is none"),
        ({"ssl_min_version": 9}, "no connection can be made: Unsupported TLS/SSL version"),
    ],
)
def test_mistake_in_a_client_of_the_users_is_told(
    made: dict[str, Any], options: dict[str, Any], told: str
) -> None:
    options = {n: v.format(**made) if isinstance(v, str) else v for n, v in options.items()}
    client = redis.Redis(host="localhost", port=made["good"], ssl=True, **options)
    link = Link(client, 10)
    with pytest.raises(ServerTrouble) as raised:
        link.call("PING")
    assert told in str(unusable(link.address, raised.value))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        del link, raised
        gc.collect()  # redis-py leaves a socket open where it does not get as far as TLS


def test_key_that_is_encrypted_asks_nobody(made: dict[str, Any], tmp_path: Path) -> None:
    """OpenSSL would read its password from the terminal."""
    key = tmp_path / "encrypted.key"
    text = made["client_key"].read_text().splitlines()
    key.write_text("\n".join([text[0].replace("PRIVATE", "ENCRYPTED PRIVATE"), *text[1:]]))
    url = f"rediss://h?ssl_certfile={made['client']}&ssl_keyfile={key}"
    done = run(tmp_path, "-m", "woodenwaiter", "status", "--redis", url)
    assert "or another ssl_password" in done.stderr
    assert done.returncode == EXIT_USAGE
