"""Measure the CPU time of every model per image, on one thread, in turns in one process.

    OMP_NUM_THREADS=1 python experiments/standalone/times.py --data ../shared/data/osie --rounds 3

Results are medians over validation images of 600 x 800, after one image that is not counted.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import pandas as pd
import torch
from compare import CLASSICAL
from score import build

from explainsal.data.osie import read_osie
from explainsal.data.sample import SaliencyBatch
from explainsal.workflows.loading import load_model

HERE = Path(__file__).resolve().parent
GRAPH = HERE / "models" / "standalone.safetensors"


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rounds", type=int, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    deep, dataset = load_model("cmrnet_osie"), read_osie(options.data, "val")
    named = {name: name for name in (*CLASSICAL, "center_bias", "deep", "sparse")}
    named |= {"standalone": str(GRAPH), "divided_0.5": f"{GRAPH}/0.5"}
    models = {name: build(spec, deep, options.data) for name, spec in named.items()}
    spent: dict[str, list[float]] = {name: [] for name in models}
    for index in range(options.rounds + 1):
        images = SaliencyBatch.collate([dataset[index]]).images
        for name, model in models.items():
            start = time.process_time()
            model(images)
            spent[name].append(time.process_time() - start)
    rows = [
        {"model": name, "images": options.rounds, "cpu_seconds": pd.Series(seconds[1:]).median()}
        for name, seconds in spent.items()
    ]
    table = pd.DataFrame(rows).sort_values("cpu_seconds")
    table.to_csv(HERE / "results" / "times.csv", index=False, float_format="%.4f")
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
