"""Names that nobody else has."""

from __future__ import annotations

import os
import re
import secrets
import socket

LONGEST_HOST = 64

TOKEN = 16
"""Bytes."""


def unique_name() -> str:
    """``host.pid.token``, of 128 random bits: many hosts have one name, and a container's only
    program one pid. A host may be called anything; here it is readable wherever it is shown."""
    host = re.sub(r"[^A-Za-z0-9_.-]", "_", socket.gethostname())[:LONGEST_HOST]
    return f"{host}.{os.getpid()}.{secrets.token_hex(TOKEN)}"


def without_token(name: str) -> str:
    """What is called after such a name, as people may type it: hardly anybody else is called so."""
    return re.sub(rf"\.[0-9a-f]{{{2 * TOKEN}}}(?=/)", "", name, count=1)
