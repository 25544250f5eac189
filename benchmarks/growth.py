"""Does it cost more as there is more of everything? It should be flat, or logarithmic.

The first three work the delivery protocol by itself; the last one watches idle supervisors.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from woodenwaiter.protocol.link import Link
from woodenwaiter.protocol.queue import Queue
from woodenwaiter.protocol.tokens import Tokens
from woodenwaiter.protocol.verdict import Failure, Policy, judge

from .harness import OURS, Bench, Finding, Metric, Step, settle
from .system import Run

LIST = Metric("µs a task claimed, as the list grows")
DEAD = Metric("µs a task buried, as dead letters grow")
OWNERS = Metric("µs a claim of one task, as owners grow")
EXPIRY = Metric("µs a look for expired leases, as owners grow")
QUEUES_CPU = Metric("% of a CPU for each queue, as queues of a supervisor grow")
QUEUES_REQUESTS = Metric("requests a second for each queue, as queues of a supervisor grow")

AT_ONCE = 256
CLAIMS = 100
PAYLOAD = b'{"n": 0}'
CHUNK = 100_000

FILL_LIST = "for i = 1, ARGV[1] do redis.call('LPUSH', KEYS[1], ARGV[2]) end"
FILL_DEAD = "for i = 1, ARGV[1] do redis.call('XADD', KEYS[1], '*', 'payload', ARGV[2]) end"
FILL_OWNERS = """
for i = 1, ARGV[1] do
  redis.call('HSET', KEYS[1], 'owner' .. ARGV[2] .. i, 0)
  redis.call('ZADD', KEYS[2], 9999999999999, 'owner' .. ARGV[2] .. i)
end
"""


def steps(bench: Bench) -> Iterator[Step]:
    if OURS not in bench.systems:
        return
    for name, measure, top, quick in (
        ("list", growing_list, 7, 5),
        ("dead letters", growing_dead, 6, 4),
        ("owners", growing_owners, 4, 3),
        ("queues", growing_queues, 3, 1),
    ):
        sizes = [10**power for power in range(bench.either(top, quick) + 1)]
        run = partial(measure, bench, sizes)
        yield Step(OURS, f"growing {name}", run, seconds=bench.either(20, 5), rounds=1)


def growing_list(bench: Bench, sizes: list[int]) -> Iterator[Finding]:
    for queue, size in _filled(bench, sizes, FILL_LIST, ["q:q"]):
        yield Finding(LIST, f"{size:,}", _cost_of_claims(bench, queue))


def growing_dead(bench: Bench, sizes: list[int]) -> Iterator[Finding]:
    for queue, size in _filled(bench, sizes, FILL_DEAD, ["{q:q}:dead"]):
        yield Finding(DEAD, f"{size:,}", _cost_of_burials(bench, queue))


def growing_owners(bench: Bench, sizes: list[int]) -> Iterator[Finding]:
    for queue, size in _filled(bench, sizes, FILL_OWNERS, ["{q:q}:settled", "{q:q}:leases"]):
        yield Finding(OWNERS, f"{size:,}", _cost_of_claims(bench, queue, want=1))
        yield Finding(EXPIRY, f"{size:,}", _cost(partial(queue.tend, []), 100))


def _filled(
    bench: Bench, sizes: list[int], script: str, keys: list[str]
) -> Iterator[tuple[Queue, int]]:
    """One queue, as it reaches each of these sizes."""
    bench.server.empty()
    client = bench.server.client
    queue = Queue(Link(client, timeout=10), "q:q", lease=30)
    _cost_of_claims(bench, queue)  # warms up
    filled = 0
    for size in sizes:
        while filled < size:
            more = min(CHUNK, size - filled)
            client.eval(script, len(keys), *keys, more, PAYLOAD)
            filled += more
        yield queue, size
    queue.link.close()
    bench.server.empty()


def _cost_of_claims(bench: Bench, queue: Queue, want: int = AT_ONCE) -> float:
    """Microseconds a task; the list is as long afterwards."""
    _push(bench, CLAIMS * want)
    queue.enroll("claimer", 0, 0)
    claims = iter(range(CLAIMS))

    def claim() -> None:
        number = next(claims)
        queue.claim("claimer", number * want, want, Tokens(number, number + 1))

    cost = _cost(claim, CLAIMS)
    queue.release("claimer", CLAIMS * want, CLAIMS)
    return cost / want


def _cost_of_burials(bench: Bench, queue: Queue) -> float:
    """Microseconds a letter."""
    _push(bench, CLAIMS)
    queue.enroll("claimer", 0, 0)
    letter = judge(PAYLOAD, "claimer/1", Failure("", final=True), Policy(), "claimer")
    numbers = iter(range(1, len(queue.claim("claimer", 0, CLAIMS, Tokens(0, 1))) + 1))

    def bury() -> None:
        number = next(numbers)
        queue.fail("claimer", number, letter, Tokens(number, number + 1))

    cost = _cost(bury, CLAIMS)
    queue.release("claimer", CLAIMS, CLAIMS + 1)
    return cost


def _push(bench: Bench, tasks: int) -> None:
    """Onto the end that is claimed from."""
    for begin in range(0, tasks, AT_ONCE):
        bench.server.client.rpush("q:q", *[PAYLOAD] * min(AT_ONCE, tasks - begin))


def _cost(call: Callable[[], object], times: int) -> float:
    """The median, in microseconds."""
    costs = []
    for _ in range(times):
        begin = time.perf_counter()
        call()
        costs.append(time.perf_counter() - begin)
    return 1e6 * statistics.median(costs)


def _has_processes(run: Run, number: int) -> bool:
    return len(run.tree()) >= number


def growing_queues(bench: Bench, sizes: list[int]) -> Iterator[Finding]:
    ours = bench.systems[OURS]
    peer = replace(ours.peer, command=("-m", "woodenwaiter.supervisor", "benchmarks.crowd"))
    for size in sizes:
        with bench.run(replace(ours, peer=peer), 1) as run:
            run.start(size)
            run.wait_for(partial(_has_processes, run, size + 2), 60, "too few processes")
            settle(bench.either(3, 1) + size / 100)
            usage = run.usage(bench.either(8, 2))
        yield Finding(QUEUES_CPU, f"{size:,}", 100 * usage.cpu / size)
        yield Finding(QUEUES_REQUESTS, f"{size:,}", usage.requests / size)
