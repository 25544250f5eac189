"""What an application has in memory: what its workers share of it, and what each has to copy."""

from __future__ import annotations

import json
import sys

import pytest

from ..application import Application
from ..support import eventually

MEGABYTES = 40

OWN = """
    def own():
        lines = open("/proc/self/smaps_rollup").read().splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) >> 10
"""

READ = """
    import json
    before = own()
    read()
    note("own", json.dumps([before, own()]))
"""

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="tells of no page")


def growth(app: Application, text: str) -> tuple[int, int]:
    """The MiB of its own that a worker has before its first task, and what it gets by that, which
    reads the application's data."""
    app.write(text=f"{OWN}\n{text}", then=READ)
    app.push({"n": 0})
    supervisor = app.serve()
    eventually(lambda: app.done == [0])
    assert supervisor.stop() == 0
    [[before, after]] = map(json.loads, app.noted("own"))
    return before, after - before


def test_objects_are_copied_by_who_reads_them(app: Application) -> None:
    objects = f"""
    data = [str(n) for n in range({MEGABYTES} << 14)]
    def read():
        return sum(map(len, data))
    """
    before, grown = growth(app, objects)
    assert before < MEGABYTES / 2
    assert grown > MEGABYTES / 2


@pytest.mark.parametrize(
    "data",
    [
        "data = b'x' * SIZE\n    def read(): return data.count(b'y')",
        "data = array('d', bytes(SIZE))\n    def read(): return sum(data)",
        "data = mmap(-1, SIZE); data.write(b'x' * SIZE)\n    def read(): return data.find(b'y')",
    ],
    ids=["bytes", "array", "mmap"],
)
def test_one_large_object_is_shared(app: Application, data: str) -> None:
    text = f"""
    from array import array
    from mmap import mmap
    SIZE = {MEGABYTES} << 20
    {data}
    """
    before, grown = growth(app, text)
    assert before < MEGABYTES / 2
    assert grown < MEGABYTES / 10
