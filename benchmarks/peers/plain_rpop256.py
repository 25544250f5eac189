"""A plain redis-py loop: RPOP, 256 tasks at a time. What it held when it died is lost."""

from __future__ import annotations

import json
import time

from ..loop import client, plain, push
from ..task import QUEUE, handle

__all__ = ["PEER", "push", "work"]

PEER = plain("plain_rpop256", "plain loop, RPOP 256", pace=450_000)


def work() -> None:
    while True:
        if not (batch := client.rpop(QUEUE, 256)):
            time.sleep(0.01)
            continue
        for raw in batch:
            handle(json.loads(raw))
