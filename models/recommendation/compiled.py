"""How are the sequential kernels compiled? By Numba, cached on disk, anew when any kernel of the package changes.

Numba keys its cache by the file of the *outermost* function, so an edited callee in another file would leave a stale
caller behind. Here every cache entry carries a digest of all files with kernels instead.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])


# Modules that no kernel reads, neither functions nor constants. Forgetting one costs a compilation, one too many a bug.
_NO_KERNELS = frozenset({
    "__init__.py", "diversity.py", "explanation.py", "exploration.py", "ials.py", "metrics.py", "recommender.py",
    "reference.py", "snapshots.py", "svd.py", "user_similarity.py",
})  # fmt: skip


def _sources_digest() -> str:
    """Return a digest of the source text of every module that kernels may read, in the order of their names."""
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if path.name not in _NO_KERNELS:
            digest.update(path.read_bytes())
    return digest.hexdigest()


_STAMP = _sources_digest()


def compiled(function: Function) -> Function:
    """Compile a function of arrays to machine code on first use; same result as the plain function, bit for bit.

    ``fastmath`` stays off: sums must not depend on how a loop was vectorised. The plain function stays as ``py_func``.
    """
    dispatcher: Any = njit(cache=True, fastmath=False, nogil=True)(function)
    cache_file = getattr(getattr(dispatcher, "_cache", None), "_cache_file", None)
    if cache_file is not None:  # a read-only installation has no cache
        cache_file._source_stamp = _STAMP
    return cast(Function, dispatcher)
