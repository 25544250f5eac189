"""``python -m woodenwaiter.health``"""

from __future__ import annotations

import signal

from .commands.health import main

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # no traceback of who waits for an answer
    raise SystemExit(main())
