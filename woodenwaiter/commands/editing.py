"""A dead letter's payload, edited by whoever sits there, in their own editor."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from ..errors import EXIT_UNKNOWN, StartupError
from ..protocol.letters import Full, named
from ..protocol.link import Link
from ..verbs.letters import Selection
from .terminal import complain

USUAL = "vi"


class NoSuchLetter(StartupError):
    """The queue has no dead letter of that name."""

    exit_code = EXIT_UNKNOWN


def edited(link: Link, queue: str, selection: Selection) -> tuple[str, bytes]:
    """The name of the one letter that is selected, and its payload as somebody wants it. Raises
    StartupError where that comes to nothing, and what is in `link.ServerTrouble`."""
    if len(selection.names) != 1:
        raise StartupError("--edit is for one dead letter: give its name")
    if not (sys.stdin and sys.stdin.isatty()):
        raise StartupError("--edit needs a terminal, for your editor")
    found = named(link, queue, selection.names)
    if not found:
        raise NoSuchLetter(f"there is no dead letter {selection.names[0]} in {queue}")
    return found[0].name, _edited(_payload_of(found[0]))


def _payload_of(letter: Full) -> bytes:
    payloads = [value for name, value in letter.fields if name == b"payload"]
    if len(payloads) != 1:
        raise StartupError(f"dead letter {letter.name} has {len(payloads)} payloads, not one")
    return payloads[0]


def _edited(payload: bytes) -> bytes:
    """As it was, to the byte, where nothing was changed."""
    shown = _pretty(payload)
    with tempfile.TemporaryDirectory(prefix="woodenwaiter-") as folder:
        file = Path(folder, "payload.json")
        file.write_bytes(shown)
        while True:
            _open(file)
            text = file.read_bytes()
            if text == shown:
                return payload
            try:
                return _compact(text)
            except ValueError as error:
                complain(f"that is no JSON object: {error}")
                _require_patience()


def _pretty(payload: bytes) -> bytes:
    try:
        return json.dumps(json.loads(payload), indent=2, ensure_ascii=False).encode() + b"\n"
    except (ValueError, RecursionError):
        return payload


def _compact(text: bytes) -> bytes:
    """As producers push it; raises ValueError where handlers could not get it."""
    try:
        foods = json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if type(foods) is not dict:
        raise ValueError(f"it is a {type(foods).__name__}")
    return json.dumps(foods).encode()


def _open(file: Path) -> None:
    command = os.environ.get("VISUAL") or os.environ.get("EDITOR") or USUAL
    try:
        code = subprocess.run([*shlex.split(command), str(file)], check=False).returncode
    except (OSError, ValueError) as error:
        raise StartupError(f"{command}: {error}; $EDITOR names another editor") from None
    if code:
        raise StartupError(f"{command} ended with exit code {code}: nothing was done")


def _require_patience() -> None:
    sys.stderr.write("Edit it again? [Y/n] ")
    sys.stderr.flush()
    if (answer := sys.stdin.readline().strip().lower()) not in ("", "y", "yes") or answer is None:
        raise StartupError("nothing was done")
