"""How many threads a process uses, and how they wait.

PyTorch's threads (OpenMP) by default spin at the end of every small operation. Where another process has their core,
the same explanation then takes five to seven times the CPU time. Threads that wait passively cost microseconds.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def wait_passively() -> None:
    """Let OpenMP's threads sleep while they wait; without effect once PyTorch is imported, or on what the user set."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
    os.environ.setdefault("KMP_BLOCKTIME", "0")


def use_threads() -> int:
    """Give PyTorch and OpenCV as many threads as this process has cores, or as many as OMP_NUM_THREADS says.

    The compiled loops use as many as PyTorch.

    Returns:
        How many.
    """
    import cv2
    import torch

    count = usable_cores()
    torch.set_num_threads(count)
    cv2.setNumThreads(count)
    return count


def usable_cores() -> int:
    """Cores that this process may use: OMP_NUM_THREADS if set, else by affinity and by the quota of its container."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isdecimal() and int(asked) > 0:
        return int(asked)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.floor(min(cores, container_quota())))


def container_quota(root: Path = _CGROUP) -> float:
    """Cores' worth of time that a container may use, infinite where there is no limit (cgroups 2, then 1)."""
    for names in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        try:
            quota, period = " ".join((root / name).read_text() for name in names).split()
            return float(quota) / float(period) if float(quota) > 0 else math.inf
        except (OSError, ValueError):  # no such file, or "max"
            continue
    return math.inf
