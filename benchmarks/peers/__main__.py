"""``python -m benchmarks.peers NAME``: prints what the peer is, or why it cannot be used."""

from __future__ import annotations

import json
import sys

from . import describe

try:
    print(json.dumps(describe(sys.argv[1])))
except Exception as error:
    sys.exit(f"{type(error).__name__}: {error}")
