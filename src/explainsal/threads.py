"""Set the number of threads of a process, and how they wait.

By default, PyTorch's threads (OpenMP) spin at the end of every small operation. If another process uses their core, the
same explanation then takes five to seven times the CPU time. Threads that wait passively cost microseconds.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def wait_passively() -> None:
    """Let OpenMP's threads sleep while they wait; has no effect after PyTorch's import or on existing settings."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
    os.environ.setdefault("KMP_BLOCKTIME", "0")


def use_threads() -> int:
    """Set the threads of PyTorch and OpenCV to the number of usable cores, or to OMP_NUM_THREADS.

    The compiled loops use the same number as PyTorch.

    Returns:
        The number of threads.
    """
    import cv2
    import torch

    count = usable_cores()
    torch.set_num_threads(count)
    cv2.setNumThreads(count)
    return count


def usable_cores() -> int:
    """Return the number of usable cores: OMP_NUM_THREADS if set, else limited by affinity and container quota."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isdecimal() and int(asked) > 0:
        return int(asked)
    return count_cores()


def count_cores() -> int:
    """Return the number of cores that this process may use, by affinity and container quota."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.floor(min(cores, container_quota())))


def container_quota(root: Path = _CGROUP) -> float:
    """Return the number of cores that a container may use, infinite without a limit (cgroups 2, then 1)."""
    for names in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        try:
            quota, period = " ".join((root / name).read_text() for name in names).split()
            return float(quota) / float(period) if float(quota) > 0 else math.inf
        except (OSError, ValueError):  # no such file, or "max"
            continue
    return math.inf


def usable_memory(root: Path = _CGROUP) -> int:
    """Return the bytes of the machine's memory or of the container's limit, the smaller; 0 if unknown."""
    known = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")] if hasattr(os, "sysconf") else []
    for name in ("memory.max", "memory/memory.limit_in_bytes"):  # cgroups 2 and 1
        try:
            known.append(int((root / name).read_text()))
        except (OSError, ValueError):  # no such file, or "max"
            continue
    return min(known, default=0)
