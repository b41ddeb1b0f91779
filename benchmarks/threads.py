"""Measure CPU and wall seconds of explain, evaluate and a training epoch: one thread and the default, busy and free.

    python benchmarks/threads.py --busy 2     # with two other processes that each use a whole core
    python benchmarks/threads.py              # on an otherwise idle machine

Each run is a separate process that includes imports and data loading; `explain` explains twelve photos by the packaged
network. The script prints one JSON line per command with the medians and the ratio of the default to one thread.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
SHARED = Path(os.environ.get("EXPLAINSAL_SHARED", HERE.parents[1] / "shared"))
OSIE = SHARED / "data" / "osie"

COMMANDS = {
    "explain": ["-m", "explainsal.explain", f"image={OSIE}/data/stimuli", "evaluation.explain_images=12"],
    "evaluate": [
        "-m", "explainsal.evaluate", "model=cmrnet_osie", "evaluation.presets=[]", "data=osie", f"data.root={OSIE}",
    ],
    "train": [
        "-m", "explainsal.train", "+experiment=demo", "trainer.max_epochs=1", "evaluation.presets=[]", "nulls=[]",
        "data.root=generated",
    ],
}  # fmt: skip


def measure(arguments: list[str], threads: int | None, folder: str) -> tuple[float, float]:
    """Return CPU and wall seconds of a process with a number of threads, or with the default."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_", "MKL_"))}
    env |= {} if threads is None else {"OMP_NUM_THREADS": str(threads)}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run([sys.executable, *arguments], cwd=folder, env=env, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, time.perf_counter() - start


def compare(name: str, repeats: int, folder: str) -> dict[str, object]:
    """Measure one thread and the default, alternating."""
    runs: dict[int | None, list[tuple[float, float]]] = {1: [], None: []}
    for _ in range(repeats):
        for threads, found in runs.items():
            found.append(measure(COMMANDS[name], threads, folder))
    (cpu, wall), (many, short) = (
        [statistics.median(one) for one in zip(*found, strict=True)] for found in runs.values()
    )
    return {
        "what": name, "one_cpu_s": round(cpu, 1), "one_wall_s": round(wall, 1), "default_cpu_s": round(many, 1),
        "default_wall_s": round(short, 1), "cpu_ratio": round(many / cpu, 2), "times_as_fast": round(wall / short, 2),
        "load": round(os.getloadavg()[0], 1),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--busy", type=int, default=0, help="number of other busy processes")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=COMMANDS, default=list(COMMANDS))
    args = parser.parse_args()
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(args.busy)]
    try:
        with tempfile.TemporaryDirectory() as folder:
            for name in args.only:
                print(json.dumps(compare(name, args.repeats, folder) | {"busy": args.busy}), flush=True)
    finally:
        for other in others:
            other.kill()


if __name__ == "__main__":
    main()
