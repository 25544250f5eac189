"""--reload: the supervisor starts anew when its application's files change."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from woodenwaiter import WoodenManager
from woodenwaiter.errors import EXIT_USAGE, Misuse, StartupError
from woodenwaiter.processes.tree import is_alive
from woodenwaiter.supervisor.reloader import Watched, _changed_since, watched_folder

from ..application import Application, Supervisor, source
from ..support import eventually, path_with
from .test_reload import age, anew, served

pytest.importorskip("watchfiles")


def reloader(supervisor: Supervisor) -> int:
    """Once it watches, as far as one can see: its files are known to the system."""
    [found] = eventually(lambda: supervisor.titled("woodenwaiter: reloader"), "a reloader")
    folder = Path(f"/proc/{found.pid}/fdinfo")
    if folder.exists():
        eventually(lambda: any("inotify wd" in read(f) for f in folder.iterdir()), "a watch")
    return found.pid


def read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def test_new_code_runs_when_it_is_saved(app: Application) -> None:
    age(app, "old")
    supervisor = app.serve("--reload").ready(2)
    served(app, "old", 0)
    for times in (1, 2, 3):
        reloader(supervisor)
        age(app, f"new {times}")
        anew(supervisor, times)
        supervisor.ready(2)
        served(app, f"new {times}", times)
    assert "changed: app.py" in supervisor.log
    assert supervisor.stop() == 0
    assert "ERROR" not in supervisor.log
    assert not supervisor.left_behind()


def test_code_that_is_broken_changes_nothing_until_it_is_put_right(app: Application) -> None:
    age(app, "old")
    supervisor = app.serve("--reload").ready(2)
    reloader(supervisor)
    workers = supervisor.workers()
    (app.folder / "app.py").write_text("def broken(:")
    supervisor.logged("the old goes on")
    served(app, "old", 0)
    assert supervisor.workers() == workers
    age(app, "new")
    anew(supervisor)
    served(app, "new", 1)
    assert supervisor.stop() == 0


def test_nothing_is_lost_or_charged_under_load(app: Application) -> None:
    app.write(max_deliveries=1)
    app.push(*({"n": n, "sleep": 0.005} for n in range(600)))
    supervisor = app.serve("--reload")
    for times in range(1, 4):
        reloader(supervisor)
        eventually(lambda: len(app.done) >= 100 * times, "progress")  # noqa: B023
        app.write(max_deliveries=1, text=f"EDITION = {times}")
        anew(supervisor, times)
    eventually(lambda: len(app.done) == 600)
    assert supervisor.stop() == 0
    assert app.begun == app.done == list(range(600))
    assert not app.letters()


def test_only_code_counts_wherever_it_is_below(app: Application) -> None:
    (app.folder / "shop" / "deep").mkdir(parents=True)
    (app.folder / ".venv").mkdir()
    supervisor = app.serve("--reload").ready(2)
    reloader(supervisor)
    for name in ("notes.txt", "shop/data.json", ".venv/other.py", "shop/x.pyc"):
        (app.folder / name).write_text("")
    (app.folder / "shop" / "deep" / "late.py").write_text("")
    line = supervisor.logged("changed: ")
    assert line.endswith("changed: shop/deep/late.py")
    anew(supervisor)
    assert supervisor.stop() == 0


def test_what_changes_while_it_starts_is_not_missed(app: Application) -> None:
    slow = """
        note("importing", "")
        while not os.path.exists("imported"): time.sleep(0.01)
    """
    age(app, "old", text=slow)
    supervisor = app.serve("--reload")
    eventually(lambda: app.noted("importing"))
    age(app, "new")
    (app.folder / "imported").touch()
    anew(supervisor)
    supervisor.ready(2)
    served(app, "new", 0)
    assert supervisor.stop() == 0
    assert supervisor.log.count(", supervisor, pid ") == 2


def test_reloader_that_dies_is_replaced_and_leaves_with_its_supervisor(app: Application) -> None:
    age(app, "old")
    supervisor = app.serve("--reload").ready(2)
    first = reloader(supervisor)
    os.kill(first, signal.SIGKILL)
    eventually(lambda: supervisor.titled("reloader") and reloader(supervisor) != first)
    age(app, "new")
    anew(supervisor)
    served(app, "new", 0)
    reloader(supervisor)
    [process] = supervisor.titled("reloader")
    supervisor.signal(signal.SIGKILL)
    eventually(lambda: not is_alive(process), "the end of the reloader")


def test_worker_imports(app: Application) -> None:
    """The supervisor finds the folder though it has imported nothing."""
    age(app, "old")
    supervisor = app.serve("--reload", "--import-in", "worker").ready(2)
    reloader(supervisor)
    age(app, "new")
    anew(supervisor)
    supervisor.ready(2)
    served(app, "new", 0)
    assert supervisor.stop() == 0


def test_supervisor_imports_nothing_for_it(app: Application) -> None:
    (app.folder / "sitecustomize.py").write_text(
        """
import os, sys
from importlib.abc import MetaPathFinder

class Spy(MetaPathFinder):
    def find_spec(self, name, *_):
        if name == "watchfiles.main":
            with open("importers", "a") as out:
                out.write(f"{os.getpid()}\\n")

sys.meta_path.insert(0, Spy())
"""
    )
    supervisor = app.serve("--reload", PYTHONPATH=path_with(app.folder)).ready(2)
    pid = reloader(supervisor)
    assert app.noted("importers") == [str(pid)]
    assert supervisor.stop() == 0


def test_application_that_is_elsewhere(app: Application) -> None:
    elsewhere = app.folder / "elsewhere"
    (elsewhere / "shop").mkdir(parents=True)
    (elsewhere / "shop" / "__init__.py").touch()
    (elsewhere / "shop" / "tasks.py").write_text(source(processes=2))
    options = {"app": "shop.tasks:manager", "PYTHONPATH": path_with(elsewhere)}
    supervisor = app.serve("--reload", **options).ready(2)
    reloader(supervisor)
    (app.folder / "app.py").write_text("")
    (elsewhere / "common.py").write_text("")
    assert supervisor.logged("changed: ").endswith("changed: common.py")
    assert supervisor.stop() == 0


def test_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "one.py").touch()
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").touch()
    (tmp_path / "names").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    for app in ("one", "one:x", "package.sub:make()", "package", "names.x"):
        assert watched_folder(app) == str(tmp_path), app
    monkeypatch.chdir("/")
    for app in ("sys", "nowhere_at_all", "", ":x", "a b", "__main__"):
        assert os.path.isdir(watched_folder(app))
    assert watched_folder("nowhere_at_all") == "/"


def test_what_has_changed_since(tmp_path: Path) -> None:
    now = time.time()
    (tmp_path / ".venv").mkdir()
    for name, ago in ((".venv/a", 5), ("old", 100), ("new", 5), ("early", -1000)):
        (tmp_path / f"{name}.py").touch()
        os.utime(tmp_path / f"{name}.py", (now - ago, now - ago))
    (tmp_path / "text").touch()
    watched = Watched(str(tmp_path), now - 50)
    assert [*_changed_since(*watched, {".venv"})] == [str(tmp_path / "new.py")]


def test_without_the_package(app: Application) -> None:
    hide = """
import importlib.util
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name == "watchfiles" else find(name, *more)
"""
    (app.folder / "sitecustomize.py").write_text(hide)
    supervisor = app.serve("--reload", PYTHONPATH=path_with(app.folder))
    assert supervisor.wait() == EXIT_USAGE
    told = "woodenwaiter: reload needs the package watchfiles: pip install 'woodenwaiter[reload]'"
    assert supervisor.log.splitlines() == [told]


def test_not_under_nohup(app: Application) -> None:
    supervisor = app.serve("--reload", inside=("nohup",))
    assert supervisor.wait() == EXIT_USAGE
    assert "which is ignored here, as under nohup" in supervisor.log


def test_not_in_python(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Misuse, match="^reload is for python -m "):
        WoodenManager().run(reload=True)
    monkeypatch.setenv("WOODENWAITER_RELOAD", "maybe")
    with pytest.raises(StartupError, match="must be yes or no"):
        WoodenManager().run()
