"""Names that nobody else has."""

from __future__ import annotations

import os
import re
import secrets
import socket

LONGEST_HOST = 64


def unique_name() -> str:
    """``host.pid.token``, of 128 random bits: many hosts have one name, and a container's only
    program one pid. A host may be called anything; here it is readable wherever it is shown."""
    host = re.sub(r"[^A-Za-z0-9_.-]", "_", socket.gethostname())[:LONGEST_HOST]
    return f"{host}.{os.getpid()}.{secrets.token_hex(16)}"
