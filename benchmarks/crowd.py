"""An application with as many queues as the environment says, a worker for each."""

from __future__ import annotations

import os

from woodenwaiter import WoodenCustomer, WoodenManager, WoodenWaiter

from .task import URL, noop

manager = WoodenManager()
for number in range(int(os.environ.get("BENCHMARK_PROCESSES", "1"))):
    waiter = WoodenWaiter.from_url(URL)
    manager.add_customer(WoodenCustomer("crowd", str(number), waiter, noop))
