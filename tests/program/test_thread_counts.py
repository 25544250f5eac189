"""--threads: libraries that compute share the CPUs out among the workers."""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

import pytest

from woodenwaiter.processes.cpus import usable_cpus
from woodenwaiter.processes.thread_counts import VARIABLES

from ..application import Application, Supervisor
from ..support import Program, eventually
from .test_reload import anew

CPUS = usable_cpus()
SEEN = "import json\nnote({!r}, json.dumps(dict(os.environ)))"

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="shows no libraries")
several = pytest.mark.skipif(CPUS < 2, reason="one CPU has one thread, however it is shared out")

LIBRARY = """
    import mmap
    note("libopenblas.so.0", "x")
    loaded = mmap.mmap(os.open("libopenblas.so.0", os.O_RDONLY), 1, prot=mmap.PROT_READ)
"""
"""What a library that has been loaded looks like to the system."""

ALONE = (
    LIBRARY
    + """
    sys.modules["threadpoolctl"] = None
"""
)
"""Where it is not installed."""

WAS_LOADED = "libopenblas.so.0 was loaded with threads: "


@pytest.fixture(autouse=True)
def nobody_has_set_any(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*VARIABLES, "GOTO_NUM_THREADS", "NUMEXPR_MAX_THREADS"):
        monkeypatch.delenv(name, raising=False)


def seen(app: Application, where: str) -> list[dict[str, str]]:
    """The variables that say how many threads there are to be, whenever ``where`` noted them."""
    environments = map(json.loads, app.noted(where))
    return [{n: each[n] for n in VARIABLES if n in each} for each in environments]


def everywhere(number: int) -> dict[str, str]:
    return dict.fromkeys(VARIABLES, str(number))


def serve(app: Application, *options: str, **parts: Any) -> Supervisor:
    text = parts.pop("text", "") or SEEN.format("import")
    environment = {name: parts.pop(name) for name in [*parts] if name.isupper()}
    app.write(text=text, then=SEEN.format("task"), **parts)
    app.push({"n": 0})
    supervisor = app.serve(*options, **environment)
    eventually(lambda: app.done == [0])
    return supervisor


def test_number_that_is_asked_for(app: Application) -> None:
    supervisor = serve(app, "--threads", "3")
    assert supervisor.stop() == 0
    assert seen(app, "import") == seen(app, "task") == [everywhere(3)]


@pytest.mark.parametrize("workers", [1, 2, CPUS, 2 * CPUS])
def test_cpus_are_shared_out(app: Application, workers: int) -> None:
    supervisor = serve(app, processes=workers)
    assert supervisor.stop() == 0
    assert seen(app, "import") == [everywhere(1)]  # not known yet
    assert seen(app, "task") == [everywhere(max(1, CPUS // workers))]


def test_command_line_tells_how_many_workers_there_will_be(app: Application) -> None:
    supervisor = serve(app, "--processes", "1")
    assert supervisor.stop() == 0
    assert seen(app, "import") == seen(app, "task") == [everywhere(CPUS)]


def test_who_imports_knows_how_many_workers_there_are(app: Application) -> None:
    supervisor = serve(app, "--import-in", "worker", processes=1).ready(1)
    eventually(lambda: len(seen(app, "import")) == 3, "the scout, a worker and the housekeeper")
    assert supervisor.stop() == 0
    assert seen(app, "import") == [everywhere(1), everywhere(CPUS), everywhere(CPUS)]


def test_what_the_user_has_set_stays(app: Application) -> None:
    supervisor = serve(app, "--threads", "3", OMP_NUM_THREADS="7", POLARS_MAX_THREADS="")
    assert supervisor.stop() == 0
    instead = {name for name, others in VARIABLES.items() if "OMP_NUM_THREADS" in others}
    others = {"OMP_NUM_THREADS": "7", "POLARS_MAX_THREADS": ""}
    expected = {n: v for n, v in everywhere(3).items() if n not in instead} | others
    assert seen(app, "import") == seen(app, "task") == [expected]


def test_what_the_application_sets_stays(app: Application) -> None:
    text = "os.environ['MKL_NUM_THREADS'] = '7'; del os.environ['RAYON_NUM_THREADS']"
    supervisor = serve(app, "--threads", "3", text=text)
    assert supervisor.stop() == 0
    expected = everywhere(3) | {"MKL_NUM_THREADS": "7"}
    del expected["RAYON_NUM_THREADS"]
    assert seen(app, "task") == [expected]


def test_what_was_set_here_is_not_the_users_at_a_reload(app: Application) -> None:
    supervisor = serve(app, processes=2 * CPUS, MKL_NUM_THREADS="7").ready(2 * CPUS)
    app.write(then=SEEN.format("task"), processes=1)
    supervisor.signal(signal.SIGHUP)
    anew(supervisor)
    app.push({"n": 1})
    eventually(lambda: app.done == [0, 1])
    assert supervisor.stop() == 0
    expected = [everywhere(n) | {"MKL_NUM_THREADS": "7"} for n in (1, CPUS)]
    assert seen(app, "task") == expected


def launch(app: Application, text: str, keywords: str = "") -> Program:
    app.write(text=text, then=SEEN.format("task"))
    app.push({"n": 0})
    main = f"""
        manager.launch({keywords})
        while not os.path.exists("done"):
            time.sleep(0.01)
        import json
        note("program", json.dumps(dict(os.environ)))
        manager.terminate_all()
    """
    program = app.run(main)
    assert program.wait() == 0
    return program


def test_program_that_launches_keeps_its_environment(app: Application) -> None:
    launch(app, "", "threads=3")
    assert seen(app, "task") == [everywhere(3)]
    assert seen(app, "program") == [{}]


@linux
@several
def test_program_that_has_loaded_a_library_is_told_what_to_set(app: Application) -> None:
    program = launch(app, ALONE)
    line = program.logged(WAS_LOADED)
    assert " WARNING " in line
    share, own = max(1, CPUS // 2), len(os.sched_getaffinity(0))
    assert f"{WAS_LOADED}{own}; each worker's share: {share}; " in line
    assert f"OMP_NUM_THREADS={share} " in line


@linux
def test_who_has_set_a_number_is_told_nothing(
    app: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "64")
    assert WAS_LOADED not in launch(app, ALONE).log


@linux
@several
def test_library_that_was_loaded_with_too_few_is_told_of(app: Application) -> None:
    supervisor = serve(app, text=ALONE, processes=1)
    line = supervisor.logged(WAS_LOADED)
    assert " INFO " in line
    assert f"{WAS_LOADED}1; each worker's share: {CPUS}; " in line
    assert supervisor.stop() == 0


@linux
@several
@pytest.mark.parametrize(
    "broken", ["raise SystemExit(1)", "import nothing_like_it", "ThreadpoolController = 1 .real"]
)
def test_threadpoolctl_that_fails_ends_nothing(app: Application, broken: str) -> None:
    (app.folder / "threadpoolctl.py").write_text(broken)
    supervisor = serve(app, text=LIBRARY, processes=1)
    supervisor.logged("#0] threadpoolctl fails, and libraries keep their threads: ")
    assert supervisor.stop() == 0
    assert WAS_LOADED not in supervisor.log


REAL = """
    import numpy, threadpoolctl
    def threads():
        return [each["num_threads"] for each in threadpoolctl.threadpool_info()]
    note("import", threads())
"""


@several
@pytest.mark.parametrize("workers", [1, CPUS])
def test_threads_of_a_real_library(app: Application, workers: int) -> None:
    for name in ("numpy", "threadpoolctl"):
        pytest.importorskip(name, reason=f"{name} is not in the extra test")
    app.write(text=REAL, then="note('task', threads())", processes=workers)
    app.push({"n": 0})
    supervisor = app.serve()
    eventually(lambda: app.done == [0])
    assert supervisor.stop() == 0
    assert app.noted("import") == ["[1]"]
    assert app.noted("task") == [f"[{CPUS // workers}]"]
