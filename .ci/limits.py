"""Names the files, classes and functions of the package that have grown too long, if any."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

FILE = 400
CLASS = 250
FUNCTION = 40

LONGER = {"pace.py": 600}
"""Files that are lists: of times, each with its reason."""

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "woodenwaiter").rglob("*.py"))


def lengths(text: str, file: int) -> Iterator[tuple[str, int, int, int]]:
    """What it is, the line where it starts, how many lines it has and how many it may have."""
    yield "file", 1, text.count("\n"), file
    for node in ast.walk(ast.parse(text)):
        end = getattr(node, "end_lineno", 0)
        if isinstance(node, ast.ClassDef):
            yield f"class {node.name}", node.lineno, end - node.lineno + 1, CLASS
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[0].lineno  # a signature is as long as what it declares
            yield f"function {node.name}", node.lineno, end - body + 1, FUNCTION


def excesses() -> Iterator[str]:
    for source in SOURCES:
        for what, line, length, limit in lengths(source.read_text(), LONGER.get(source.name, FILE)):
            if length > limit:
                where = f"{source.relative_to(ROOT)}:{line}"
                yield f"{where}: {what} has {length} lines; {limit} are the limit"


if __name__ == "__main__":
    found = list(excesses())
    print("\n".join(found) or f"{len(SOURCES)} files, none too long")
    raise SystemExit(bool(found))
