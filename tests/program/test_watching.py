"""``--reload``: the supervisor starts anew when the application's code changes."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from pathlib import Path

import psutil
import pytest

from woodenwaiter.commands.application import folder_of
from woodenwaiter.errors import EXIT_USAGE
from woodenwaiter.supervisor.watching import changed_since, changes, is_code

from ..application import Application, Supervisor
from ..support import eventually, path_with
from .test_reload import SLOWLY, age, anew, served

pytest.importorskip("watchfiles")


def serve(app: Application, *options: str, **others: str) -> Supervisor:
    return app.serve("--reload", *options, **others)


def watcher(supervisor: Supervisor) -> psutil.Process:
    return eventually(lambda: supervisor.titled("woodenwaiter: watcher"), "a watcher")[0]


def watching(supervisor: Supervisor) -> psutil.Process:
    """The watcher, once it sees what changes."""
    process = watcher(supervisor)
    eventually(lambda: _watches(process.pid), "a watch")
    return process


def _watches(pid: int) -> bool:
    """Linux tells what is watched; elsewhere what was written before is found as well."""
    folder = Path(f"/proc/{pid}/fdinfo")
    try:
        return not folder.exists() or any("inotify wd" in f.read_text() for f in folder.iterdir())
    except OSError:
        return False


def test_new_code_runs_each_time(app: Application) -> None:
    age(app, "0")
    supervisor = serve(app).ready(2)
    for number in range(3):
        served(app, f"{number}", number)
        watching(supervisor)
        age(app, f"{number + 1}")
        anew(supervisor, number + 1)
    served(app, "3", 3)
    assert "watcher" in supervisor.logged("changed: app.py")
    assert supervisor.stop() == 0
    assert not supervisor.left_behind()


def test_broken_code_is_not_run(app: Application) -> None:
    age(app, "old")
    supervisor = serve(app).ready(2)
    watching(supervisor)
    workers = supervisor.workers()
    app.write(text="1 / 0")
    supervisor.logged("the old goes on: app: importing it fails: ZeroDivisionError")
    served(app, "old", 0)
    assert supervisor.workers() == workers
    age(app, "new")
    anew(supervisor)
    served(app, "new", 1)
    assert supervisor.stop() == 0


def test_what_changes_before_anybody_watches_counts(app: Application) -> None:
    """The new code has been read by then, but not this."""
    helper = app.folder / "helper.py"
    helper.write_text("")
    age(app, "old", text=f"import helper\n{SLOWLY}")
    supervisor = serve(app)
    eventually(lambda: app.noted("importing"))
    helper.write_text("# changed")
    (app.folder / "imported").touch()
    anew(supervisor)
    assert "changed: helper.py" in supervisor.log
    assert supervisor.stop() == 0


def test_nothing_is_lost_under_load(app: Application) -> None:
    app.write(max_deliveries=1)
    app.push(*({"n": n, "sleep": 0.005} for n in range(600)))
    supervisor = serve(app)
    for times in range(1, 4):
        eventually(lambda: len(app.done) >= 100 * times, "progress")  # noqa: B023
        (app.folder / "other.py").write_text(f"x = {times}")
        anew(supervisor, times)
    eventually(lambda: len(app.done) == 600)
    assert supervisor.stop() == 0
    assert app.begun == app.done == list(range(600))
    assert not app.letters()


def test_other_files_do_not_matter(app: Application) -> None:
    supervisor = serve(app).ready(2)
    watching(supervisor)
    for name in ("data.json", ".hidden/x.py", "__pycache__/x.py", "v/site-packages/x/y.py"):
        path = app.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    package = app.folder / "package"
    package.mkdir()
    (package / "module.py").write_text("")
    anew(supervisor)
    [line] = [line for line in supervisor.log.splitlines() if "changed: " in line]
    assert line.endswith("changed: package/module.py")
    assert supervisor.ready(2).stop() == 0


def test_watcher_that_dies_or_hangs_disturbs_nobody(app: Application) -> None:
    age(app, "old")
    supervisor = serve(app).ready(2)
    first = watching(supervisor)
    first.kill()
    eventually(lambda: not first.is_running() or first.status() == psutil.STATUS_ZOMBIE)
    eventually(lambda: [p for p in supervisor.titled("woodenwaiter: watcher") if p != first])
    second = watching(supervisor)
    second.suspend()
    served(app, "old", 0)
    assert supervisor.stop() == 0
    assert not supervisor.left_behind()


def test_watcher_leaves_with_a_supervisor_that_is_killed(app: Application) -> None:
    supervisor = serve(app).ready(2)
    process = watching(supervisor)
    supervisor.signal(signal.SIGKILL)
    supervisor.wait()
    eventually(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells what is loaded")
def test_only_the_watcher_loads_the_package(app: Application) -> None:
    supervisor = serve(app).ready(2)
    process = watching(supervisor)
    loaded = {p.pid for p in [psutil.Process(supervisor.pid), *supervisor.tree()] if _loads(p.pid)}
    assert loaded == {process.pid}
    assert supervisor.stop() == 0


def _loads(pid: int) -> bool:
    return "watchfiles" in Path(f"/proc/{pid}/maps").read_text()


def test_importing_in_workers_goes_together_with_it(app: Application) -> None:
    age(app, "old")
    supervisor = serve(app, "--import-in", "worker").ready(2)
    served(app, "old", 0)
    watching(supervisor)
    age(app, "new")
    anew(supervisor)
    served(app, "new", 1)
    assert supervisor.stop() == 0


def refused(supervisor: Supervisor) -> str:
    assert supervisor.wait() == EXIT_USAGE
    [line] = supervisor.log.splitlines()
    return line


def test_without_the_package_it_says_what_to_install(app: Application) -> None:
    hidden = app.folder / "sitecustomize.py"
    hidden.write_text(
        "import importlib.util as u\nfind = u.find_spec\n"
        "u.find_spec = lambda n, *a: None if n == 'watchfiles' else find(n, *a)"
    )
    line = refused(serve(app, PYTHONPATH=path_with(app.folder)))
    assert "pip install 'woodenwaiter[reload]'" in line


def test_where_sighup_is_ignored_it_says_so(app: Application) -> None:
    supervisor = app.serve("--reload", inside=("nohup",))
    assert supervisor.wait() == EXIT_USAGE
    assert "goes by SIGHUP, which is ignored here" in supervisor.log


@pytest.mark.parametrize("call", ["run", "launch"])
def test_program_of_its_own_cannot_ask_for_it(app: Application, call: str) -> None:
    program = app.run(f"manager.{call}(reload=True)")
    assert program.wait() == 1
    assert "Misuse: reload is for python -m woodenwaiter.supervisor" in program.log


# What is watched.


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("app.py", True),
        ("shop/tasks.py", True),
        ("app.pyc", False),
        ("py", False),
        (".app.py", True),
        (".venv/x.py", False),
        ("venv/lib/site-packages/x.py", False),
        ("a/__pycache__/x.py", False),
        ("web/node_modules/x/y.py", False),
    ],
)
def test_code_is_what_an_author_writes(path: str, expected: bool) -> None:
    for folder in ("/srv", "/srv/.venv/lib/site-packages"):
        assert is_code(os.path.join(folder, path), folder) == expected


def test_what_does_not_matter_is_not_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the application logs all into the same folder, that would be another change."""
    caplog.set_level(1)
    seen = changes(str(tmp_path), time.time(), lambda: False)
    assert next(seen) == set()
    (tmp_path / "data").write_text("x")
    assert next(seen) == set()  # once nothing more has changed for a while
    assert not caplog.records
    logging.getLogger("watchfiles.main").disabled = False


def test_what_was_written_since(tmp_path: Path) -> None:
    now = time.time()
    for name, written in {"old": now - 60, "new": now - 5, "future": now + 3600}.items():
        for folder in (tmp_path, tmp_path / "package", tmp_path / ".hidden"):
            folder.mkdir(exist_ok=True)
            (folder / f"{name}.py").write_text("")
            os.utime(folder / f"{name}.py", (written, written))
    found = changed_since(str(tmp_path), now - 30)
    assert found == {str(tmp_path / "new.py"), str(tmp_path / "package" / "new.py")}


def test_folder_is_that_from_which_it_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "src"
    for folder in (place / "once_package", place / "once_namespace"):
        folder.mkdir(parents=True)
        (folder / "tasks.py").touch()
    (place / "once_package" / "__init__.py").touch()
    (place / "once_module.py").touch()
    monkeypatch.syspath_prepend(str(place))
    monkeypatch.chdir(tmp_path)
    for spec in (
        "once_module",
        "once_module:manager",
        "once_package.tasks:make()",
        "once_namespace.tasks",
    ):
        assert folder_of(spec) == str(place.resolve()), spec
    for spec in ("once_nowhere", "sys", "", "../x", ":"):
        assert folder_of(spec) == str(tmp_path.resolve()), spec
    assert not {name for name in sys.modules if name.startswith("once_")}
