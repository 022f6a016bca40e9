"""How does a process that handles whole polls keep its memory small and its threads running?

* **Reference cycles are looked for seldom.**  A poll makes tens of thousands of records that live until it is folded
  and die by their reference counts.  With CPython's defaults they set off a search every 700 of them, and now and then
  one through everything that the process has loaded, during which no thread runs.  Reading a poll out of Kafka's
  batches took twice as long by it.
* **What a poll needed goes back to the system.**  Its buffers are some megabytes each.  glibc would learn from the
  first one that is freed to keep such sizes for itself, in a pool of each thread's own, where they fall to pieces:
  18 bytes an event over three million, instead of 2.
"""

from __future__ import annotations

import ctypes
import gc
import sys

NEW_OBJECTS = 50_000
YOUNG_SEARCHES = 20
MIDDLE_SEARCHES = 100
LARGE_BYTES = 1 << 20
"""A block of so much is the system's own; setting it also keeps glibc from raising it."""
POOLS = 2
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8


def search_seldom() -> None:
    """To be called once everything is imported: leaves that out of all searches for cycles, and makes them rare."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS, YOUNG_SEARCHES, MIDDLE_SEARCHES)


def return_large_blocks() -> None:
    """To be called before threads begin; does nothing where the C library is not glibc."""
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES)
    mallopt(_M_TRIM_THRESHOLD, LARGE_BYTES)
    mallopt(_M_ARENA_MAX, POOLS)
