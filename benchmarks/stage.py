"""A pool to be looked at: an application under load, with a day behind it."""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Iterator
from typing import Any

from woodenwaiter import Reject, Retry, WoodenCustomer, WoodenManager, WoodenWaiter, delivery
from woodenwaiter.protocol.keys import REGISTRY, Keys

MINUTES = 1440

QUEUES = {
    "mail:receipt": (160, 0.004, 0.002),
    "mail:digest": (24, 0.02, 0.0),
    "images:resize": (95, 0.12, 0.03),
    "images:classify": (30, 0.4, 0.0),
    "reports:monthly": (2, 9.0, 0.1),
    "search:index": (240, 0.008, 0.0),
    "billing:charge": (20, 0.25, 0.05),
    "exports:csv": (4, 3.0, 0.0),
}
"""Of each: how many tasks come a minute at noon, the seconds one takes, the share that fails."""

ERRORS = (
    "TimeoutError: no answer from payments.internal within 10 s",
    "ValueError: no such currency: 'XDR'",
    "PermissionError: bucket 'invoices-2026' is read-only",
)


def handle(foods: dict[str, Any]) -> None:
    steps = max(1, int(foods["seconds"] / 0.2))
    for step in range(steps):
        if steps > 5:
            delivery().progress(step / steps, f"page {step + 1} of {steps}")
        time.sleep(foods["seconds"] / steps)
    if foods["fails"]:
        raise Reject(foods["fails"]) if random.random() < 0.5 else Retry(20)


def manager() -> WoodenManager:
    """For ``python -m woodenwaiter.supervisor benchmarks.stage:manager()``."""
    pool = WoodenManager()
    for queue in QUEUES:
        table, dish = queue.split(":")
        workers = 2 if QUEUES[queue][1] > 1 else 1
        pool.add_customer(WoodenCustomer(table, dish, WoodenWaiter(), handle, processes=workers))
    return pool


def task(queue: str, number: int) -> str:
    _, seconds, failing = QUEUES[queue]
    takes = random.lognormvariate(math.log(seconds), 0.5)
    fails = random.choice(ERRORS) if random.random() < failing else ""
    foods = {"customer": 4000 + number % 977, "seconds": round(takes, 4), "fails": fails}
    return json.dumps({**foods, "document": f"d-{random.randrange(10**8):08}.pdf"})


def tide(minute: float) -> float:
    """More comes by day than by night."""
    return 0.35 + 0.65 * max(0.0, math.sin((minute % 1440 - 360) / 1440 * 2 * math.pi))


def live_through_a_day(client: Any) -> None:
    """Leave what a day of work has noted."""
    now = int(client.time()[0])
    for queue, (rate, seconds, failing) in QUEUES.items():
        keys, sums, notes, waiting = Keys(queue), [0, 0, 0, 0], [], 0.0
        for at in range(now - MINUTES * 60, now, 60):
            came = int(rate * tide(at / 60) * random.uniform(0.8, 1.2))
            waiting = max(0.0, waiting + random.uniform(-0.04, 0.045) * came)
            done = max(0, came - int(failing * came / 2))
            for place, number in enumerate((came, done, int(failing * came), came - done)):
                sums[place] += number
            notes.append(" ".join(map(str, (at * 1000, *sums, 0, int(waiting)))))
        client.sadd(REGISTRY, queue)
        client.rpush(keys.minutes, *reversed(notes))
        client.hset(keys.tally, mapping={"done": sums[1], "failed": sums[2], "buried": sums[3]})
        client.hset(keys.times, mapping=dict(_times(now, rate, seconds)))
        for number in range(int(rate * failing * 100)):
            client.xadd(
                keys.dead, _letter(queue, number), f"{(now - 43_200 + 400 * number) * 1000}-0"
            )


def _letter(queue: str, number: int) -> dict[str, Any]:
    error = ERRORS[number * number % 7 % 3]
    kind = error.partition(":")[0]
    trace = (
        f'File "/srv/app/{queue.partition(":")[0]}.py", line 87, in handle\n    raise {kind}(...)'
    )
    return {
        "id": f"worker-3/{number % 4}/{9000 + number}",
        "reason": "the handler failed",
        "error": error.replace("10", str(5 + number % 9)),
        "traceback": f"Traceback (most recent call last):\n  {trace}\n{error}",
        "deliveries": "5",
        "first_failed": "1795900000.000",
        "worker": f"worker-3/{number % 4}",
        "payload": task(queue, number),
    }


def _times(now: int, rate: float, seconds: float) -> Iterator[tuple[str, str]]:
    for slot in range(now // 600 - 143, now // 600):
        counts = [0] * 34
        for _ in range(int(rate * tide(slot * 10) * 10)):
            took = random.lognormvariate(math.log(seconds), 0.5)
            counts[min(33, int(took * 1e6).bit_length())] += 1
        yield str(slot), " ".join(map(str, counts))


def push(client: Any, number: int) -> None:
    """What comes within a second."""
    for queue, (rate, *_) in QUEUES.items():
        for _ in range(int(rate / 60 + random.random())):
            client.lpush(queue, task(queue, number))
