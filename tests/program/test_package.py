"""What is in the built package."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import woodenwaiter

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "woodenwaiter").rglob("*.py"))


def test_wheel_has_all_files(tmp_path: Path) -> None:
    project = tmp_path / "project"  # a copy: building leaves traces
    shutil.copytree(
        ROOT / "woodenwaiter",
        project / "woodenwaiter",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    for name in ("pyproject.toml", "README.rst", "LICENSE"):
        shutil.copy(ROOT / name, project)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "-w", str(tmp_path), "."]
    result = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
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


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_and_its_public_classes_say_what_they_are(source: Path) -> None:
    tree = ast.parse(source.read_text())
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    public = [node for node in classes if not node.name.startswith("_")]
    assert ast.get_docstring(tree)
    assert [node.name for node in public if not ast.get_docstring(node)] == []
