"""Those of the systems of which one command serves many queues: told by the environment, how many.

``push(tasks)`` puts each task into the queue that its ``dish`` says. Left out: Huey, arq, saq,
streaQ and taskiq, whose workers serve one queue.
"""

from __future__ import annotations

import os

from ...task import Foods

DISHES = [f"dish-{n}" for n in range(int(os.environ.get("BENCHMARK_DISHES", "1")))]


def dish_of(foods: Foods) -> str:
    return f"dish-{foods['dish']}"
