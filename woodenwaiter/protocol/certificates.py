"""What connections by TLS are given: redis-py reads the files when it connects, and says too little
of them then."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from typing import Any

from ..errors import WrongValue

FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")


def require_certificates(options: Mapping[str, Any]) -> None:
    """Raises WrongValue where a connection with these options could not even begin."""
    for name in FILES:
        if options.get(name):
            _require_readable(name, options[name])
    for name in ("ssl_ca_certs", "ssl_certfile"):
        if options.get(name):
            _require_certificate(name, options[name])
    if options.get("ssl_certfile"):
        _require_pair(options["ssl_certfile"], options.get("ssl_keyfile"), options)
    if (folder := options.get("ssl_ca_path")) and not os.path.isdir(folder):
        raise WrongValue(f"ssl_ca_path={folder}: no folder")
    if options.get("ssl_min_version") is not None:
        _require_version(options["ssl_min_version"])
    if options.get("ssl_ciphers"):
        _require_ciphers(options["ssl_ciphers"])


def _require_readable(name: str, path: str) -> None:
    try:
        with open(path, "rb") as file:
            file.read(1)
    except OSError as error:
        raise WrongValue(f"{name}={path}: {error.strerror}") from None


def _require_certificate(name: str, path: str) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError:
        raise WrongValue(f"{name}={path}: there is no certificate in it") from None


def _require_pair(certificate: str, key: str | None, options: Mapping[str, Any]) -> None:
    password = options.get("ssl_password") or ""  # not None: OpenSSL would ask at the terminal
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, key, password)
    except ssl.SSLError:
        what = f"ssl_keyfile={key}" if key else "the same file, without ssl_keyfile,"
        raise WrongValue(
            f"{what} has no key of ssl_certfile={certificate}, or another ssl_password"
        ) from None


def _require_version(version: Any) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).minimum_version = version
    except ValueError:
        raise WrongValue("ssl_min_version must be 771 for TLS 1.2, or 772 for TLS 1.3") from None


def _require_ciphers(ciphers: str) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).set_ciphers(ciphers)
    except ssl.SSLError:
        raise WrongValue(f"ssl_ciphers={ciphers:.100}: there are none such") from None
