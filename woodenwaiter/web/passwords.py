"""Who may come in by a password: a file with a line for each,
``user:scrypt:N:r:p:salt:hash``, the last two in base64."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import stat
import tempfile
import unicodedata
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ..errors import StartupError
from ..logs import log
from .attempts import LONGEST

N, R, P = 2**15, 8, 3
"""What OWASP holds for as hard to guess as scrypt's usual 128 MiB: 32 MiB, three times over, a
quarter of a second. Less memory would help who has many cards to guess with; more would let those
who only try to log in take it from the tasks of a small machine, twice."""

AT_ONCE = 2
"""Checks: 64 MiB, and two threads, however many try."""

QUEUED = 50
"""That may wait for these: for about six seconds."""

MOST_MEMORY = 128 << 20
"""Bytes that a line may have a check take."""

USER = re.compile(rf"[^:\x00-\x20\x7f]{{1,{LONGEST}}}")

LINE = re.compile(
    rf"(?P<user>{USER.pattern}):scrypt:(?P<n>\d{{1,8}}):(?P<r>\d{{1,4}}):(?P<p>\d{{1,4}})"
    r":(?P<salt>[\w+/=]{4,200}):(?P<hash>[\w+/=]{4,200})",
    re.ASCII,
)


class Secret(NamedTuple):
    """What is known of a password."""

    n: int
    r: int
    p: int
    salt: bytes
    hash: bytes

    def fits(self, password: str) -> bool:
        return hmac.compare_digest(self.hash, self._of(password))

    def _of(self, password: str) -> bytes:
        # Keyboards differ in how they compose letters.
        given = unicodedata.normalize("NFC", password).encode(errors="replace")
        return hashlib.scrypt(
            given, salt=self.salt, n=self.n, r=self.r, p=self.p, maxmem=2 * MOST_MEMORY, dklen=32
        )

    def __str__(self) -> str:
        """As it stands in a line."""
        ends = (b64encode(part).decode() for part in (self.salt, self.hash))
        return ":".join(("scrypt", *map(str, (self.n, self.r, self.p)), *ends))


def secret_of(password: str) -> Secret:
    blank = Secret(N, R, P, os.urandom(16), b"")
    return blank._replace(hash=blank._of(password))


class Passwords:
    """Those in the file at ``path``, as it is at each moment: who is added needs no restart.

    Raises StartupError where there are none to begin with.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._seen: tuple[object, ...] = ()
        self._secrets: Mapping[str, Secret] = {}
        self._pool = ThreadPoolExecutor(AT_ONCE, "password")
        self._nobody = Secret(N, R, P, os.urandom(16), os.urandom(32))
        try:
            self._read()
        except (OSError, ValueError) as error:
            raise StartupError(f"{path} cannot be read: {_why(error)}{_remedy(path)}") from None
        if not self._secrets:
            raise StartupError(f"{path} names no user{_remedy(path)}")

    @property
    def queue(self) -> ThreadPoolExecutor:
        """Where to `check`, AT_ONCE at once."""
        return self._pool

    @property
    def is_crowded(self) -> bool:
        """Whether so many wait to be checked that no more should."""
        return self._pool._work_queue.qsize() >= QUEUED

    def check(self, user: str, password: str) -> bool:
        """Takes as long for users that there are not."""
        secret = self._current().get(user)
        fits = (secret or self._a_secret()).fits(password)
        return fits and secret is not None

    def mark(self, user: str) -> str | None:
        """Another one when their password is another one; None where there is no such user any
        more."""
        secret = self._current().get(user)
        return None if secret is None else str(secret)

    def _a_secret(self) -> Secret:
        """Nobody's, and as hard as the others'."""
        like = next(iter(self._secrets.values()), self._nobody)
        return self._nobody._replace(n=like.n, r=like.r, p=like.p)

    def _current(self) -> Mapping[str, Secret]:
        try:
            self._read()
        except (OSError, ValueError) as error:
            if self._seen != (str(error),):  # told once
                log.error("nobody can log in: %s cannot be read: %s", self._path, _why(error))
            self._seen, self._secrets = (str(error),), {}
        return self._secrets

    def _read(self) -> None:
        now = os.stat(self._path)
        seen = (now.st_mtime_ns, now.st_size, now.st_ino, now.st_mode)
        if seen == self._seen:
            return
        self._secrets = dict(self._lines(Path(self._path).read_text("utf-8")))
        self._seen = seen
        if now.st_mode & (stat.S_IROTH | stat.S_IWOTH):
            log.warning("others may read or write %s: chmod 600 %s", self._path, self._path)

    def _lines(self, text: str) -> Iterator[tuple[str, Secret]]:
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            try:
                yield _parsed(line.strip())
            except ValueError:
                log.warning("%s: line %d is none of a user, and passed over", self._path, number)


def _parsed(line: str) -> tuple[str, Secret]:
    """Raises ValueError."""
    if not (found := LINE.fullmatch(line)):
        raise ValueError
    n, r, p = (int(found[name]) for name in ("n", "r", "p"))
    if n < 2 or n & (n - 1) or not (r and p) or 128 * n * r > MOST_MEMORY or p > 16:
        raise ValueError
    secret = Secret(n, r, p, b64decode(found["salt"], validate=True), b64decode(found["hash"]))
    if len(secret.hash) != 32:
        raise ValueError
    return found["user"], secret


def set_password(path: str, user: str, password: str) -> None:
    """Put a user in, or give them another password; the file is there, old or new, at each moment.
    Raises StartupError."""
    if not USER.fullmatch(user):
        raise StartupError(
            f"a user's name has from 1 to {LONGEST} characters, no colon, and no space among them"
        )
    if not password:
        raise StartupError("an empty password is none")
    try:
        _replace(os.path.realpath(path), user, f"{user}:{secret_of(password)}")
    except (OSError, ValueError) as error:
        raise StartupError(f"{path} cannot be written: {_why(error)}") from None


def _replace(path: str, user: str, line: str) -> None:
    lines, owner = [], None
    with suppress(FileNotFoundError), open(path, encoding="utf-8") as former:
        lines, owner = former.read().splitlines(), os.stat(former.fileno())
    lines = [each for each in lines if not each.startswith(f"{user}:")] + [line]
    descriptor, new = tempfile.mkstemp(
        prefix=f"{os.path.basename(path)}.", dir=os.path.dirname(path)
    )
    try:
        with open(descriptor, "w", encoding="utf-8") as file:  # mkstemp's mode is 0600
            file.write("\n".join(lines) + "\n")
            file.flush()
            os.fsync(descriptor)
            if owner and (owner.st_uid, owner.st_gid) != (os.geteuid(), os.getegid()):
                with suppress(PermissionError):  # who serves the page is to read it still
                    os.fchown(descriptor, owner.st_uid, owner.st_gid)
        os.replace(new, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(new)
        raise


def _remedy(path: str) -> str:
    return f"; to name one: woodenwaiter web --auth {path} --set-password USER"


def _why(error: OSError | ValueError) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else "it is not UTF-8"
