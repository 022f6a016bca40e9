"""How are the sequential kernels compiled? Numba, cached on disk and recompiled when any kernel of the package changes.

Numba keys its cache by the file of the *outermost* function, so an edited callee in another file would leave a stale caller
behind. Here every cache entry carries a digest of all source files of the package instead.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])


def _sources_digest() -> str:
    """Return a digest of the source text of every module of this package, in the order of their names."""
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(Path(__file__).parent.glob("*.py")):
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
