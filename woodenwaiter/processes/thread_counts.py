"""How many threads a library that computes starts in each worker: that many workers do the same.

Each reads an environment variable when it is loaded, or when it computes first. Whoever has set one
knows best: a variable whose value is not from here is left as it is, with all that look to it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from ..errors import text_of
from ..settings import AUTO, Threads
from .cpus import affinity, usable_cpus

OMP = "OMP_NUM_THREADS"
OPENBLAS = "OPENBLAS_NUM_THREADS"
MKL = "MKL_NUM_THREADS"
BLIS = "BLIS_NUM_THREADS"
NUMEXPR = "NUMEXPR_NUM_THREADS"

VARIABLES: Mapping[str, tuple[str, ...]] = {
    OMP: (),
    OPENBLAS: ("GOTO_NUM_THREADS", OMP),
    MKL: (OMP,),
    BLIS: (OMP,),
    NUMEXPR: (OMP,),
    "VECLIB_MAXIMUM_THREADS": (),
    "POLARS_MAX_THREADS": (),
    "RAYON_NUM_THREADS": (),
    "TF_NUM_INTRAOP_THREADS": (),
    "TF_NUM_INTEROP_THREADS": (),
}
"""With those that count instead where it is not set."""

NUMEXPR_MOST = "NUMEXPR_MAX_THREADS"
"""With more threads than it says, or than 64, numexpr cannot be used."""

LIBRARY = re.compile(
    r"/(?P<name>lib(?:(?P<openblas>scipy_openblas|openblas)|(?P<mkl>mkl_rt)|(?P<blis>blis)"
    r"|(?P<openmp>gomp|i?omp5?\b))[^/\s]*)$",
    re.MULTILINE,
)
"""In a process's map, one that has its threads by the time it is loaded; the group is what
`threadpoolctl` calls its kind."""

VARIABLE_OF = {"openblas": OPENBLAS, "mkl": MKL, "blis": BLIS, "openmp": OMP}

_ours: dict[str, str] = {}
"""The variables that were set here, and to what."""


def share_of(threads: Threads, workers: int) -> int:
    """Each worker's number of threads, where ``threads`` is a number or AUTO."""
    return max(1, usable_cpus() // workers) if threads == AUTO else int(threads)


def allot(number: int) -> None:
    """Have what is loaded from now on start so many threads."""
    for name in VARIABLES:
        if is_free(name):
            os.environ[name] = _ours[name] = str(_bounded(name, number))


def is_free(name: str) -> bool:
    """Whether nobody else has set this variable, or one that counts instead."""
    return all(os.environ.get(each) == _ours.get(each) for each in (name, *VARIABLES[name]))


def _bounded(name: str, number: int) -> int:
    if name != NUMEXPR:
        return number
    most = os.environ.get(NUMEXPR_MOST, "")
    return min(number, int(most) if re.fullmatch("0*[1-9][0-9]{0,5}", most, re.ASCII) else 64)


@dataclass(frozen=True)
class Share:
    """What each worker has. ``misfits``: libraries that were loaded with another number of threads,
    ``found``, which nobody has asked for; ``is_adjustable``: whether threadpoolctl can help."""

    number: int = 1
    found: int = 1
    misfits: Collection[str] = ()
    is_adjustable: bool = False

    @classmethod
    def here(cls, number: int) -> Share:
        """The share of this process's children, which have what it has loaded."""
        found = int(_ours.get(OMP, affinity()))
        if found == number:
            return cls(number)
        misfits = [name for name, variable in _loaded() if is_free(variable)]
        return cls(number, found, misfits, bool(misfits) and _has_threadpoolctl())

    def adjust(self) -> str:
        """Give what this process has loaded its number of threads, and return what goes wrong: it
        runs others' code, and is not for the supervisor."""
        if not self.is_adjustable:
            return ""
        try:
            from threadpoolctl import ThreadpoolController  # type: ignore[import-not-found, unused-ignore]

            for library in ThreadpoolController().lib_controllers:
                if self._is_misfit(library.internal_api, library.num_threads):
                    library.set_num_threads(self.number)
        except (Exception, SystemExit) as error:
            return f"{type(error).__name__}: {text_of(error)}"
        return ""

    def _is_misfit(self, kind: str, threads: int) -> bool:
        """Fewer threads than were found are what the application has told it."""
        variable = VARIABLE_OF.get(kind)
        is_other = threads > self.number or threads == self.found
        return variable is not None and is_free(variable) and is_other


def _loaded() -> Iterator[tuple[str, str]]:
    """Libraries in this process, and the variables that they have read; none where the system does
    not tell."""
    with suppress(OSError):
        files = Path("/proc/self/maps").read_text(errors="replace")
        for found in {match[0]: match for match in LIBRARY.finditer(files)}.values():
            [kind] = [kind for kind in VARIABLE_OF if found[kind]]
            yield found["name"], VARIABLE_OF[kind]


def _has_threadpoolctl() -> bool:
    try:
        return find_spec("threadpoolctl") is not None
    except Exception:  # what an application has done to the import
        return False
