"""A dead letter's payload in an editor."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from ...errors import BadEntry, StartupError
from ...protocol.entry import foods, payload_of
from ...protocol.letters import whole
from ...protocol.link import Link
from ...protocol.queue import fields_in
from ...text import escaped, escaped_json
from ...verbs.letters import NoSuchLetter
from ..terminal import complain


class Editing:
    """Has a person edit the payload of this letter, until it is a task, or they give up: raises
    StartupError then. ``payload``: what it is to be; empty where it was left as it is. The file is
    kept if what is done inside comes to nothing."""

    def __init__(self, link: Link, queue: str, letter: str) -> None:
        payload = _payload_of(link, queue, letter)
        fd, name = tempfile.mkstemp(prefix=f"woodenwaiter-{letter}-", suffix=".json")
        self._file = Path(name)
        self.payload = b""
        with os.fdopen(fd, "wb") as file:
            file.write(pretty(payload))
        try:
            self.payload = self._edited(self._file.read_bytes())
        except BaseException:
            self._keep()
            raise

    def _edited(self, before: bytes) -> bytes:
        while True:
            _edit(self._file)
            text = self._file.read_bytes()
            if text == before:
                return b""
            try:
                return payload_of(foods(text)).encode()
            except BadEntry as error:
                _ask_to_go_on(error)

    def _keep(self) -> None:
        complain(f"what you edited is in {self._file}")

    def __enter__(self) -> Editing:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if kind and self.payload:
            self._keep()
        else:
            self._file.unlink(missing_ok=True)


def _payload_of(link: Link, queue: str, letter: str) -> bytes:
    for _, flat in whole(link, queue, [letter]):
        if (payload := fields_in(flat).get("payload")) is None:
            raise StartupError(f"dead letter {letter} in {queue} has no field payload")
        return payload
    raise NoSuchLetter(f"there is no dead letter {letter} in {queue}")


def pretty(payload: bytes) -> bytes:
    """JSON in lines, in which nothing is hidden; what is none, as it is."""
    try:
        text = json.dumps(json.loads(payload), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return payload
    return "".join(f"{escaped_json(line)}\n" for line in text.split("\n")).encode()


def _edit(file: Path) -> None:
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        process = subprocess.Popen([*shlex.split(editor), str(file)])
    except (OSError, ValueError) as error:
        raise StartupError(f"the editor {editor} cannot be run: {error}") from None
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the editor
    try:
        code = process.wait()
    finally:
        signal.signal(signal.SIGINT, before)
    if code:
        raise StartupError(f"the editor {editor} ended with {code}: nothing was put back")


def _ask_to_go_on(error: BadEntry) -> None:
    """Raises StartupError where that is not wanted, or there is nobody to be asked."""
    told = f"that is no task: {error}"
    if not (sys.stdin and sys.stdin.isatty()):
        raise StartupError(f"{told}; nothing was put back")
    sys.stderr.write(f"{escaped(told)}. Edit it again? [Y/n] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("", "y", "yes"):
        raise StartupError("nothing was put back")
