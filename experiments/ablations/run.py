"""Vary every option of the presets, one at a time, with its shuffled-filter null model, on OSIE.

    python experiments/ablations/run.py unisal --images 3
    python experiments/ablations/run.py cmrnet_osie --images 4

Adds rows to results.csv, one per network, group, change, model (explanation or null) and image. Existing rows are not
recomputed. Seconds are CPU time per image.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import yaml

from explainsal import load_model
from explainsal.data.osie import read_osie
from explainsal.data.sample import SaliencyBatch
from explainsal.explanation import Explainer
from explainsal.explanation.fidelity import fidelity_table

HERE = Path(__file__).resolve().parent
SHARED = Path(os.environ.get("EXPLAINSAL_SHARED", HERE.parents[2] / "shared"))
RESULTS = HERE / "results.csv"


def variants() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield group, name of the variant, and arguments of the Explainer."""
    for group, changes in yaml.safe_load((HERE / "variants.yaml").read_text()).items():
        for name, options in changes.items():
            yield group, name, {"preset": group, **options}


def done() -> set[tuple[str, str, str]]:
    if not RESULTS.exists():
        return set()
    table = pd.read_csv(RESULTS)
    return set(zip(table["network"], table["group"], table["change"], strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", help="`unisal` is taken with the published weights")
    parser.add_argument("--groups", nargs="*", help="only these presets")
    parser.add_argument("--images", type=int, default=4, help="evenly spread over the split")
    parser.add_argument("--split", default="test")
    parser.add_argument("--root", type=Path, default=SHARED / "data" / "osie")
    args = parser.parse_args()
    torch.set_num_threads(1)

    dataset = read_osie(args.root, args.split)
    step = len(dataset) // args.images
    batch = SaliencyBatch.collate([dataset[i] for i in range(0, step * args.images, step)])
    net = load_model(args.network, weights="published") if args.network == "unisal" else load_model(args.network)
    for group, name, options in variants():
        if (args.network, group, name) in done() or (args.groups and group not in args.groups):
            continue
        start = time.process_time()
        explainer = Explainer(net, **options)
        table = fidelity_table(explainer, batch.images, ids=batch.ids, nulls=["shuffled_filters"])
        for place, (column, value) in enumerate((("network", args.network), ("group", group), ("change", name))):
            table.insert(place, column, value)
        table["seconds"] = (time.process_time() - start) / len(table)
        table.to_csv(RESULTS, mode="a", header=not RESULTS.exists(), index=False, float_format="%.5f")
        means = table.groupby("variant", sort=False)[["cc_to_deep", "layer_correlation"]].mean().round(3)
        print(f"{group}, {name}: {means.to_dict('index')}", flush=True)


if __name__ == "__main__":
    main()
