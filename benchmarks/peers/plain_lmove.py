"""A plain redis-py loop: LMOVE, then LREM. Nothing is lost, but nothing finds it either."""

from __future__ import annotations

import json
import time

from ..loop import CLAIMS, client, plain, push
from ..task import QUEUE, handle

__all__ = ["PEER", "push", "work"]

PEER = plain("plain_lmove", "plain loop, LMOVE + LREM", pace=8_000)


def work() -> None:
    while True:
        if raw := client.lmove(QUEUE, CLAIMS, "RIGHT", "LEFT"):
            handle(json.loads(raw))
            client.lrem(CLAIMS, 1, raw)
        else:
            time.sleep(0.01)
