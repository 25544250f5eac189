"""The kinds of tasks: what is pushed, and what is to become of it."""

from __future__ import annotations

import re

PLAIN = "soak:plain"
LIMITS = "soak:limits"
QUEUES = (PLAIN, LIMITS)

MAX_DELIVERIES = 3
TIMEOUT = 2.0
"""Seconds, of the tasks in LIMITS."""

MOST_BYTES = 1 << 20
"""That the server takes at once."""

LARGE = 300_000
"""Bytes of a large payload: no claim of four stays below `queue.ENOUGH_BYTES`."""

SIZES = {"large": LARGE, "oversized": MOST_BYTES, "oversized_kill": MOST_BYTES}
"""Bytes of a large payload. A header makes the oversized ones larger than the server takes."""

QUICK = ("nothing", "nap")
"""What most tasks are."""

ROUGH = {
    PLAIN: (
        "slow",
        "longer_than_a_lease",
        "large",
        "oversized",
        "long_error",
        "fork",
        "zombie",
        "let_a_fork_return",
        "let_a_fork_exit",
        "outlived_by_a_child",
        "outlived_by_a_session",
        "coroutine",
        "leave_a_coroutine",
        "leave_a_thread",
        "keep_a_pool",
        "keep_a_daemon",
        "signal_the_group",
        "forget_signals",
        "block_sigterm",
        "replace_signal_handlers",
        "exception",
        "system_exit",
        "keyboard_interrupt",
        "recursion",
        "out_of_memory",
        "reject",
        "retry",
        "flaky",
    ),
    LIMITS: (
        *("slow", "leak", "fork", "flaky", "hang", "exception"),
        *("coroutine", "leave_a_coroutine", "hang_in_an_await", "keep_a_pool", "forget_signals"),
    ),
}
"""What is pushed now and then. Workers survive it."""

DEADLY = {
    PLAIN: (
        *("exit", "segfault", "kill", "abort", "eat_until_killed", "close_descriptors"),
        "oversized_kill",
    ),
    LIMITS: ("hang_deaf", "kill"),
}
"""What their workers do not survive."""

GARBAGE = (
    b"no JSON at all %b",
    b'["no object", "%b"]',
    b'\xff\xfe{"id": "%b"}',
    b'\x1e{"id": "\\ud800 %b", "deliveries": 1}\n{}',
    b'\x1e{"id": "a", "deliveries": 1, "first_failed": 1e999, "reason": ""}\n%b',
    b'{"id": "%b", "deep": ' + b"[" * 100_000,
)
"""What a producer should not push. To be buried whole."""

FATAL = frozenset(
    {
        *("exception", "system_exit", "keyboard_interrupt", "recursion", "out_of_memory"),
        *("reject", "retry", "exit", "segfault", "kill", "abort", "eat_until_killed"),
        *("hang", "hang_in_an_await", "hang_deaf"),
        *("oversized", "oversized_kill", "long_error", "garbage"),
    }
)
"""The kinds that end in the dead letters. All others complete."""

ID = rb"\b(?:young|sly|old)-\d+\b"


def id_in(payload: bytes) -> str:
    """The id of the task with this payload, which need not be JSON; "" if there is none."""
    found = re.search(ID, payload)
    return found[0].decode() if found else ""
