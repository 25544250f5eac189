"""A plain redis-py loop: RPOP, one task at a time. What it held when it died is lost."""

from __future__ import annotations

import json
import time

from ..loop import client, plain, push
from ..task import QUEUE, handle

__all__ = ["PEER", "push", "work"]

PEER = plain("plain_rpop", "plain loop, RPOP", pace=18_000)


def work() -> None:
    while True:
        if raw := client.rpop(QUEUE):
            handle(json.loads(raw))
        else:
            time.sleep(0.01)
