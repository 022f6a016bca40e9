"""Which process used the processor?  Seconds of each named process and its children between two moments."""

from __future__ import annotations

import time
from collections.abc import Mapping

import psutil


def used_seconds(pid: int) -> float:
    """Processor seconds of a process tree so far, ended children included; 0.0 when it is gone."""
    try:
        root = psutil.Process(pid)
        tree = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0.0
    total = 0.0
    for process in tree:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        # What ended children used stands in their parent's children_* only.
        total += times.user + times.system + times.children_user + times.children_system
    return total


class ProcessorTime:
    """Measures named process trees from now on."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._pids = dict(pids)
        self._begin = {name: used_seconds(pid) for name, pid in self._pids.items()}
        self._since = time.monotonic()

    @property
    def elapsed_seconds(self) -> float:
        """Since the beginning."""
        return max(time.monotonic() - self._since, 1e-9)

    def figures(self, prefix: str = "cpu") -> dict[str, float]:
        """Average cores in use since the beginning, ``{prefix}_{name}_cores`` each."""
        elapsed = self.elapsed_seconds
        used = {name: used_seconds(pid) - self._begin[name] for name, pid in self._pids.items()}
        return {f"{prefix}_{name}_cores": seconds / elapsed for name, seconds in used.items()}
