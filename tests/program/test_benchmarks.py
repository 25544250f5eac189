"""The benchmarks run, and say what they should; how fast anything was is no test."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ..support import run

pytest.importorskip("matplotlib", reason="needs the extra bench")

ROOT = Path(__file__).parents[2]


def test_quick_run(tmp_path: Path) -> None:
    names = ("throughput", "safety", "woodenwaiter", "plain_rpop")
    arguments = ("-m", "benchmarks", *names, "--quick", "--output", str(tmp_path))
    done = run(ROOT, *arguments, seconds=110, PYTHONPATH=str(ROOT))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "each exactly once" in done.stdout
    results = json.loads((tmp_path / "throughput-safety-quick.json").read_text())
    figures = {(f["question"], f["metric"], f["system"]): f["median"] for f in results["figures"]}
    assert figures["throughput", "tasks/s", "woodenwaiter"] > 0
    assert figures["throughput", "tasks/s", "plain_rpop"] > 0
    assert figures["safety", "tasks lost", "woodenwaiter"] == 0
    assert figures["safety", "other tasks run twice", "woodenwaiter"] == 0
    assert figures["safety", "tasks lost", "plain_rpop"] == 1
    assert not results["failures"]
    for delivery in results["delivery"].values():
        assert delivery["tasks"]
        assert (delivery["lost"], delivery["repeated"]) == (0, 0)


def test_unknown_name_is_refused(tmp_path: Path) -> None:
    done = run(ROOT, "-m", "benchmarks", "nonsense", "--output", str(tmp_path))
    assert done.returncode == 2
    assert "nonsense" in done.stderr
    assert not list(tmp_path.iterdir())
