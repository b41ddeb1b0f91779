"""Measure the effect of each post-processing step on classical models and a network, on OSIE.

OMP_NUM_THREADS=1 python experiments/osie/postprocessing/run.py --root PATH/TO/osie [--images 20]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
import torch

from explainsal.data.sample import SaliencyBatch
from explainsal.datamodules.osie import OSIEDataModule
from explainsal.functional.metrics import Nonfixations
from explainsal.metrics import SaliencyMetrics
from explainsal.reporting.results.files import summarize
from explainsal.workflows.baselines import (
    information_gain_baseline,
    learned_center_bias,
    read_fixations,
    training_quantiles,
)
from explainsal.workflows.loading import PACKAGED, load_model
from explainsal.workflows.postprocessing import Postprocessing

MODELS = ("itti", "gbvs", "icl", "hft", "signature", "spectral_residual", "rare_style", PACKAGED)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", required=True)
    parser.add_argument("--images", type=int, default=20, help="evenly spread over the 100 test images")
    options = parser.parse_args()
    data = OSIEDataModule(options.root, batch_size=1, num_workers=0)
    dataset, bias = data.dataset("test"), learned_center_bias(data)
    quantiles = training_quantiles(data)
    variants = [
        Postprocessing(),
        Postprocessing(blur=12),
        Postprocessing(blur=24),
        Postprocessing(blur=48),
        Postprocessing(center_bias=bias),
        Postprocessing(quantiles=quantiles),
        Postprocessing(24, bias),
        Postprocessing(24, bias, quantiles),
    ]
    center_bias, gain_over = information_gain_baseline(data)
    nonfixations = Nonfixations(*read_fixations(dataset))
    tables = {
        (name, variant.description): SaliencyMetrics(nonfixations=nonfixations, center_bias=center_bias)
        for name in MODELS
        for variant in variants
    }
    models = {name: load_model(name) for name in MODELS}
    for index in torch.linspace(0, len(dataset) - 1, options.images).round().long().tolist():
        batch = SaliencyBatch.collate([dataset[index]])
        for name, model in models.items():
            with torch.inference_mode():
                maps = model(batch.images).float()
            for variant in variants:
                table = tables[name, variant.description]
                table.update(variant(maps).squeeze(1), batch.fixations, batch.density, index=batch.index)
    said = {"profile": "tuebingen", "data": "osie", "split": "test", "density_sigma": 24, "ig_baseline": gain_over}
    results = pd.concat([
        summarize(table.per_image().assign(model=name), said, {name: done}, seed=0)
        for (name, done), table in tables.items()
    ])  # fmt: skip
    results.to_csv(Path(__file__).with_name("results.csv"), index=False, float_format="%.5g")
    print(results.pivot_table("mean", ["model", "postprocessing"], "metric", sort=False).round(3).to_string())


if __name__ == "__main__":
    main()
