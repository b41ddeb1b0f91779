"""Measure the fidelity of an explanation and its null models, with bootstrap intervals, on OSIE.

    python experiments/explanation/fidelity.py best.ckpt --preset sparse --images 8
    python experiments/explanation/fidelity.py best.ckpt --option coefficients=nnls --nulls shuffled_filters

Prints the table and writes results/<checkpoint>_<preset><options>.csv in this folder, one row per variant and image.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import pandas as pd
import torch
import yaml

from explainsal.data.osie import read_osie
from explainsal.data.sample import SaliencyBatch
from explainsal.explanation import Explainer
from explainsal.explanation.fidelity import fidelity_table
from explainsal.explanation.nulls import NULLS
from explainsal.metrics.bootstrap import mean_interval
from explainsal.models import load_network

HERE = Path(__file__).resolve().parent
SHARED = Path(os.environ.get("EXPLAINSAL_SHARED", HERE.parents[2] / "shared"))


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Return mean and 95 % bootstrap interval over images, per variant and measure."""
    rows = []
    for variant, part in table.groupby("variant", sort=False):
        cells = {}
        for name in part.columns.difference(["variant", "image"], sort=False):
            interval = mean_interval(part[name].to_numpy())
            cells[name] = f"{interval.mean:.3f} [{interval.low:.3f}, {interval.high:.3f}]"
        rows.append({"variant": variant, "images": len(part), **cells})
    return pd.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--preset", default="sparse")
    parser.add_argument("--option", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--images", type=int, default=8, help="evenly spread over the split")
    parser.add_argument("--split", default="test")
    parser.add_argument("--nulls", nargs="*", default=list(NULLS), choices=NULLS)
    parser.add_argument("--root", type=Path, default=SHARED / "data" / "osie")
    args = parser.parse_args()
    torch.set_num_threads(1)

    options = {name: yaml.safe_load(value) for name, _, value in (option.partition("=") for option in args.option)}
    dataset = read_osie(args.root, args.split)
    step = max(1, len(dataset) // args.images)
    batch = SaliencyBatch.collate([dataset[i] for i in range(0, step * args.images, step)])
    explainer = Explainer(load_network(args.checkpoint), args.preset, **options)
    table = fidelity_table(explainer, batch.images, density=batch.density, ids=batch.ids, nulls=args.nulls)

    print(summary(table).to_string(index=False))
    name = "_".join([args.checkpoint.stem, args.preset, *args.option]).replace("=", "-")
    (HERE / "results").mkdir(exist_ok=True)
    table.to_csv(HERE / "results" / f"{name}.csv", index=False, float_format="%.5f")


if __name__ == "__main__":
    main()
