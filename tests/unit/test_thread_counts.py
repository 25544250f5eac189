"""How many threads libraries that compute are told to have."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from woodenwaiter.processes import thread_counts
from woodenwaiter.processes.thread_counts import LIBRARY, NUMEXPR, VARIABLES, allot, is_free


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        for name in (*VARIABLES, "GOTO_NUM_THREADS", "NUMEXPR_MAX_THREADS"):
            patch.setenv(name, "")  # to have it restored
            del os.environ[name]
        patch.setattr(thread_counts, "_ours", {})
        yield


def allotted() -> dict[str, str]:
    return {name: os.environ[name] for name in VARIABLES if name in os.environ}


def test_a_later_number_counts() -> None:
    for number in (1, 8, 3):
        allot(number)
        assert allotted() == dict.fromkeys(VARIABLES, str(number))


@pytest.mark.parametrize("name", VARIABLES)
def test_variable_that_is_set_is_left_with_all_that_look_to_it(name: str) -> None:
    allot(2)
    os.environ[name] = "7"
    allot(3)
    looking = {other for other, stead in VARIABLES.items() if name in stead}
    unlike = {other for other, value in allotted().items() if value != "3"}
    assert unlike == {name} | looking
    assert os.environ[name] == "7"
    assert not is_free(name)


@pytest.mark.parametrize(
    ("most", "expected"),
    [("4", "4"), ("128", "100"), ("", "64"), ("0", "64"), ("-1", "64"), ("many", "64")],
)
def test_numexpr_gets_no_more_than_it_takes(most: str, expected: str) -> None:
    os.environ["NUMEXPR_MAX_THREADS"] = most
    allot(100)
    assert os.environ[NUMEXPR] == expected
    assert os.environ["NUMEXPR_MAX_THREADS"] == most


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        ("numpy.libs/libscipy_openblas64_-32a4b2a6.so", "openblas"),
        ("lib/x86_64-linux-gnu/libopenblas-r0.3.21.so", "openblas"),
        ("lib/libopenblas.so.0", "openblas"),
        ("lib/libmkl_rt.so.2", "mkl"),
        ("lib/libblis.so.4", "blis"),
        ("torch.libs/libgomp-24e2ab19.so.1.0.0", "openmp"),
        ("lib/libgomp.so.1", "openmp"),
        ("lib/libiomp5.so", "openmp"),
        ("lib/libomp.so.5", "openmp"),
        ("lib/libomp5.so", "openmp"),
        ("lib/libompl.so", None),
        ("lib/libm.so.6", None),
        ("lib/notlibgomp.so.1", None),
        ("libgomp/other.so", None),
    ],
)
def test_libraries_are_known_by_their_files(file: str, kind: str | None) -> None:
    found = LIBRARY.search(
        f"7f0a-7f0b r-xp 00000000 00:01 42    /usr/{file}\n7f0b-7f0c rw-p 0 0:0 0\n"
    )
    groups = found.groupdict() if found else {}
    assert [name for name, text in groups.items() if text and name != "name"] == [kind] * (
        kind is not None
    )


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_map_of_a_process_is_read(text: str) -> None:
    for found in LIBRARY.finditer(text):
        assert found["name"].startswith("lib")
