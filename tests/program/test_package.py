"""What is in the built package."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import woodenwaiter

from ..application import Application
from ..support import eventually, run

ROOT = Path(__file__).parents[2]


def test_wheel_has_all_files(tmp_path: Path) -> None:
    project = tmp_path / "project"  # a copy: building leaves traces
    shutil.copytree(
        ROOT / "woodenwaiter",
        project / "woodenwaiter",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    for name in ("pyproject.toml", "README.rst", "LICENSE"):
        shutil.copy(ROOT / name, project)
    result = run(project, "-m", "pip", "wheel", "--no-deps", "-w", str(tmp_path), ".")
    assert result.returncode == 0, result.stderr
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata = archive.read(f"woodenwaiter-{woodenwaiter.__version__}.dist-info/METADATA")
    sources = (path for path in (project / "woodenwaiter").rglob("*.*"))
    assert {str(path.relative_to(project)) for path in sources} <= names
    assert {"woodenwaiter/py.typed", "woodenwaiter/protocol/lua/claim.lua"} <= names
    assert {name.partition("/")[0] for name in names} == {
        "woodenwaiter",
        f"woodenwaiter-{woodenwaiter.__version__}.dist-info",
    }
    assert b"Provides-Extra: embedded" in metadata


def test_it_runs_from_a_zip_file(app: Application) -> None:
    shutil.make_archive(str(app.folder / "packed"), "zip", ROOT, "woodenwaiter")
    text = """
        import woodenwaiter
        note("where", woodenwaiter.__file__)
    """
    app.write(text=text, processes=1)
    app.push({"n": 0})
    supervisor = app.serve(PYTHONPATH=str(app.folder / "packed.zip"))
    eventually(lambda: app.done == [0])
    assert supervisor.stop() == 0
    [where] = app.noted("where")
    assert "packed.zip" in where
