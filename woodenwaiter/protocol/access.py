"""Passwords from files, such as containers' secrets are: read again whenever somebody connects, so
that a new one needs no restart."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import redis
from redis.credentials import CredentialProvider

from ..errors import StartupError, WrongValue

REDIS_PASSWORD_FILE = "WOODENWAITER_REDIS_PASSWORD_FILE"  # noqa: S105 - the name of a variable
"""The environment variable with a file's name, for those who are given none."""

LONGEST_PASSWORD = 1 << 16
"""Bytes: a larger file is another one."""

LOGIN = re.compile(r"(?P<scheme>[^:/?#]+://)(?P<user>[^/?#:@]*)(?::(?P<password>[^/?#]*))?@")
"""How a URL begins that says who logs in."""


class PasswordFile(CredentialProvider):
    """Asked by redis-py at each connection."""

    def __init__(self, path: str, user: str) -> None:
        self.path = Path(path)
        self.user = user

    def get_credentials(self) -> Any:
        """Raises redis.ConnectionError: the file may be there again in a moment."""
        try:
            password = self.password()
        except (OSError, ValueError) as error:
            raise redis.ConnectionError(self._complaint(error)) from None
        return (self.user, password) if self.user else (password,)

    def password(self) -> bytes:
        """What the file says now, but for the end of its line. Raises OSError, ValueError."""
        if not self.path.is_file():  # a pipe, say, would be empty the next time
            self.path.stat()
            raise ValueError("no ordinary file")
        with self.path.open("rb") as file:
            password = file.read(LONGEST_PASSWORD + 1).rstrip(b"\r\n")
        if not 0 < len(password) <= LONGEST_PASSWORD:
            raise ValueError("too long" if password else "empty")
        return password

    def require(self) -> None:
        """Raises StartupError where there is no password."""
        try:
            self.password()
        except (OSError, ValueError) as error:
            raise StartupError(self._complaint(error)) from None

    def _complaint(self, error: Exception) -> str:
        what = error.strerror if isinstance(error, OSError) else error
        return f"no password can be read from the file {self.path}: {what}"


@cache
def _password_file(path: str, user: str) -> PasswordFile:
    """One for all who log in alike: by it they are known to do."""
    return PasswordFile(path, user)


def with_password_of(path: str, url: str) -> tuple[str, PasswordFile]:
    """The URL without its user, and what knows that and the password in the file.

    Raises WrongValue for a URL with a password, StartupError where the file has none.
    """
    login = LOGIN.match(url)
    if (login and login["password"]) or re.search(r"[?&](username|password)=", url):
        raise WrongValue("it has a login, or a password, and a file with a password is named, too")
    file = _password_file(path, unquote(login["user"]) if login else "")
    file.require()
    return LOGIN.sub(r"\g<scheme>", url, count=1), file


def user_in(options: Mapping[str, Any]) -> str:
    """Who logs in, as far as it is told. Alone, it may well be a password without the colon before
    it."""
    provider = options.get("credential_provider")
    if isinstance(provider, PasswordFile):
        return provider.user
    return str(options["username"]) if options.get("username") and options.get("password") else ""


def password_in(options: Mapping[str, Any]) -> str | None:
    """The password that a client's connections give."""
    provider = options.get("credential_provider")
    if isinstance(provider, PasswordFile):
        return provider.password().decode(errors="surrogateescape")
    password: str | None = options.get("password")
    return password
