"""Libraries that compute, in the handlers of real pools: recycled, killed and drained.

Those that are not installed are skipped; ``pip install -e '.[test,libraries]'`` brings them.
"""

from __future__ import annotations

import signal
from importlib.util import find_spec
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple

import pytest

from ..application import Application, Code, Supervisor
from ..support import eventually


class Library(NamedTuple):
    """``text``: of a module whose `compute` returns ``n * factor``, by as many threads or processes
    as the library takes; ``needs`` must be installed."""

    factor: int
    text: str
    needs: tuple[str, ...]


OPENBLAS = """
    import numpy
    def compute(n):
        ones = numpy.ones((500, 500))
        return int((ones * n @ ones).sum())
"""

PILLOW = """
    import io
    from PIL import Image, ImageFilter
    def compute(n):
        image = Image.new("L", (512, 512), n).filter(ImageFilter.GaussianBlur(2)).resize((64, 64))
        file = io.BytesIO()
        image.save(file, "PNG")
        return sum(Image.open(file).tobytes())
"""

PANDAS = """
    import pandas
    def compute(n):
        frame = pandas.DataFrame({"key": [i % 10 for i in range(10_000)], "value": n})
        return int(frame.groupby("key").value.sum().sum())
"""

POLARS = """
    import polars
    def compute(n):
        frame = polars.DataFrame({"key": range(100_000)}).lazy().group_by(polars.col("key") % 10)
        return frame.agg(sum=polars.lit(n) * polars.len()).collect()["sum"].sum()
"""

PYARROW = """
    import io
    import pyarrow, pyarrow.parquet
    def compute(n):
        file = io.BytesIO()
        columns = {"key": [i % 10 for i in range(100_000)], "value": [n] * 100_000}
        pyarrow.parquet.write_table(pyarrow.table(columns), file)
        groups = pyarrow.parquet.read_table(file).group_by("key")
        return sum(groups.aggregate([("value", "sum")])["value_sum"].to_pylist())
"""

OPENMP = """
    import numpy
    from sklearn.cluster import KMeans
    def compute(n):
        points = numpy.repeat([[0.0], [float(n)]], 5000, axis=0)
        return round(KMeans(2, n_init=1, random_state=0).fit(points).cluster_centers_.sum())
"""

JOBLIB_THREADS = """
    import numpy
    from sklearn.ensemble import RandomForestRegressor
    def compute(n):
        points = numpy.repeat([[0.0], [float(n)]], 100, axis=0)
        forest = RandomForestRegressor(10, n_jobs=2, bootstrap=False).fit(points, points[:, 0])
        return round(forest.predict(points).sum())
"""

LOKY = """
    import joblib
    def compute(n):
        return sum(joblib.Parallel(n_jobs=2)(joblib.delayed(pow)(n, 1) for _ in range(4)))
"""

ONNXRUNTIME = """
    import numpy, onnx.parser, onnxruntime
    MODEL = '''<ir_version: 8, opset_import: ["": 17]>
        product (float[N, N] x, float[N, N] y) => (float[N, N] z) { z = MatMul(x, y) }'''
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 4
    model = onnx.parser.parse_model(MODEL).SerializeToString()
    session = onnxruntime.InferenceSession(model, options)
    def compute(n):
        ones = numpy.ones((400, 400), numpy.float32)
        [product] = session.run(None, {"x": ones * n, "y": ones})
        return int(product.sum(dtype=float))
"""

LXML = """
    from lxml import etree
    def compute(n):
        return int(etree.fromstring("<all>" + "<one/>" * n + "</all>").xpath("count(one)"))
"""

TORCH = """
    import torch
    def compute(n):
        ones = torch.ones(500, 500, dtype=torch.float64)
        return int((ones * n @ ones).sum())
"""

LIBRARIES = {
    "numpy": Library(500**3, OPENBLAS, ("numpy",)),
    "pillow": Library(64**2, PILLOW, ("PIL",)),
    "pandas": Library(10_000, PANDAS, ("pandas",)),
    "polars": Library(100_000, POLARS, ("polars",)),
    "pyarrow": Library(100_000, PYARROW, ("pyarrow",)),
    "scikit-learn": Library(1, OPENMP, ("sklearn",)),
    "scikit-learn n_jobs": Library(100, JOBLIB_THREADS, ("sklearn",)),
    "joblib": Library(4, LOKY, ("joblib",)),
    "onnxruntime": Library(400**3, ONNXRUNTIME, ("onnxruntime", "onnx")),
    "lxml": Library(1, LXML, ("lxml",)),
    "torch": Library(500**3, TORCH, ("torch",)),
}

HANG = {"polars": "polars-0", "scikit-learn": "libgomp", "joblib": "ExecutorManagerThread"}
"""In a worker, once they have computed before the fork; and a thread that they miss."""

WHOLE = tuple(name for name in LIBRARIES if name not in (*HANG, "torch"))

HANDLER = """
    import library
    if foods.get("dies") and delivery().number == 1:
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGKILL)).start()
        while True:
            library.compute(1)
    note("results", f"{foods['n']} {library.compute(foods['n'])}")
"""

SETUP = """
    def setup():
        import library
        library.compute(1)
"""

STALLS_SOON = """
    from woodenwaiter import pace
    pace.STALL = 1.0
"""


@pytest.fixture
def library(request: pytest.FixtureRequest, tmp_path: Path) -> Library:
    library = LIBRARIES[request.param]
    for needed in library.needs:
        if not find_spec(needed):
            pytest.skip(f"{needed} is not installed; the extra `libraries` brings what is tested")
    (tmp_path / "library.py").write_text(dedent(library.text))
    return library


def each(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("library", names, indirect=True)


def write(app: Application, where: str, **policy: object) -> None:
    """An application that loads the library there."""
    text = {
        "at import": "import library",
        "at import, used": "import library\nlibrary.compute(1)",
        "in setup": dedent(SETUP),
        "in the handler": "",
    }[where]
    if where == "in setup":
        policy["setup"] = Code("setup")
    app.write(text=dedent(STALLS_SOON) + text, then=HANDLER, **policy)


def done_over_everything(app: Application) -> Supervisor:
    """Seven tasks: a worker is killed while it computes, others are replaced after each two, and
    the last task is still to compute when the drain begins."""
    app.push(*({"n": n, "dies": n == 2} for n in range(1, 7)))
    supervisor = app.serve("--drain-seconds", "90")
    eventually(lambda: len(app.done) == 6, "six tasks", 90)
    app.push({"n": 7, "sleep": 300})
    eventually(lambda: 7 in app.begun, "the seventh task", 60)
    supervisor.signal(signal.SIGTERM)
    app.let_go(7)
    assert supervisor.wait(90) == 0
    return supervisor


def assert_right(app: Application, library: Library) -> None:
    assert app.done == list(range(1, 8))
    assert sorted(app.noted("results")) == [f"{n} {n * library.factor}" for n in range(1, 8)]
    assert not app.letters()


@pytest.mark.timeout(300)
@each(*LIBRARIES)
@pytest.mark.parametrize("where", ["at import", "in setup", "in the handler"])
def test_library(app: Application, library: Library, where: str) -> None:
    write(app, where, max_tasks=2)
    supervisor = done_over_everything(app)
    assert_right(app, library)
    assert "died of signal 9" in supervisor.log
    assert "is replaced: max_tasks is 2" in supervisor.log
    assert "left running" not in supervisor.log
    assert not supervisor.left_behind()


@pytest.mark.timeout(300)
@each(*WHOLE)
def test_library_that_computed_at_import(app: Application, library: Library) -> None:
    write(app, "at import, used", max_tasks=2)
    supervisor = done_over_everything(app)
    assert_right(app, library)
    assert not supervisor.left_behind()


@each(*HANG)
def test_library_that_hangs_once_it_computed_at_import(app: Application, library: Library) -> None:
    """The time limit ends it, and neither the pool nor its drain waits for it."""
    write(app, "at import, used", processes=1, timeout=4, max_deliveries=1)
    app.push({"n": 1})
    supervisor = app.serve()
    line = supervisor.logged("computes next to nothing in its first task", 60)
    assert any(thread in line for thread in HANG.values()), line
    assert "use their library for the first time in setup" in line
    eventually(app.letters, "its dead letter", 30)
    assert supervisor.stop() == 0
    assert not app.noted("results")


@each("numpy")
def test_library_that_leaks(app: Application, library: Library) -> None:
    text = dedent(STALLS_SOON) + "kept = []"
    leak = HANDLER + "\n    import numpy; kept.append(numpy.ones(2**24))"
    app.write(text=text, then=leak, max_memory=100 * 2**20)
    app.push(*({"n": n} for n in range(1, 7)))
    supervisor = app.serve()
    supervisor.logged("MiB of its own, max_memory is 100 MiB")
    app.push({"n": 7})
    eventually(lambda: len(app.done) == 7, "seven tasks", 60)
    assert supervisor.stop() == 0
    assert_right(app, library)
