"""Measure whether the filters' bandwidth grows with depth: mean bandwidth per layer, network, bank and null model.

    python experiments/bandwidth/run.py cmrnet_eyes --bank widths --images 3
    python experiments/bandwidth/run.py unisal --weights published --bank widths --images 3 --layers conv

Appends rows to results/layers.csv, one per image and layer, with the mean over the terms of the layer; maps have equal
weights, and terms are weighted by the size of their coefficients.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from explainsal.data.osie import read_osie
from explainsal.data.sample import SaliencyBatch
from explainsal.explanation import Explainer
from explainsal.explanation.nulls import NULLS, null_explainer
from explainsal.explanation.result import Explanation
from explainsal.reporting.usage import bandwidth_octaves
from explainsal.workflows.loading import load_model, require_network

HERE = Path(__file__).resolve().parent
SHARED = Path(os.environ.get("EXPLAINSAL_SHARED", HERE.parents[2] / "shared"))
WAVELENGTHS = (3.0, 6.0, 12.0, 24.0)
_PAPER_WIDTHS = tuple(0.5 * 1.5**j for j in range(4))
BANKS = {
    # literally the paper's: radial and angular width are scaled together, wavelengths 1 to 3.4 px
    "paper": {"name": "paper"},
    # the paper's widths at wavelengths that fit a pixel grid
    "paper_coarse": {"name": "paper", "wavelengths": WAVELENGTHS},
    # radial bandwidths of 0.55 to 2.7 octaves at one angular width, so only the bandwidth changes
    "widths": {"name": "kovesi", "wavelengths": WAVELENGTHS, "n_orientations": 5, "sigma_theta": (0.5236,) * 5,
               "sigma_on_f": (0.85, 0.75, 0.65, 0.55, 0.45)},
}  # fmt: skip


def osie_images(count: int, root: Path) -> tuple[Tensor, list[str]]:
    dataset = read_osie(root, "test")
    step = len(dataset) // count
    batch = SaliencyBatch.collate([dataset[i] for i in range(0, step * count, step)])
    return batch.images, list(batch.ids)


def layer_means(explanation: Explanation, ids: list[str], stride: dict[str, float]) -> pd.DataFrame:
    """Return the columns image, layer, name, stride, correlation and the mean parameters of the band-pass filters."""
    terms = explanation.to_dataframe(ids)
    terms = terms[terms["orientation"].notna()]
    size = terms["weight"].abs()
    share = size / size.groupby([terms["image"], terms["layer"], terms["map"]]).transform("sum")
    octaves = pd.Series(bandwidth_octaves(terms["sigma_on_f"]), index=terms.index)
    values = pd.DataFrame({
        "octaves": octaves,
        "sigma_theta": terms["sigma_theta"],
        "log2_wavelength": np.log2(terms["wavelength"]),
        # width of the pass band, in cycles per pixel of the filtered map
        "log2_band": np.log2((2 ** (octaves / 2) - 2 ** (-octaves / 2)) / terms["wavelength"]),
    })  # fmt: skip
    keys = [terms["image"], terms["layer"]]
    means = values.mul(share, axis=0).groupby(keys).sum().div(share.groupby(keys).sum(), axis=0).reset_index()
    layers = explanation.layer_dataframe(ids)[["image", "layer", "name", "correlation"]]
    means = layers.merge(means, on=["image", "layer"])
    return means.assign(stride=means["name"].map(stride))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", help="name or checkpoint for load_model, e.g. cmrnet_eyes")
    parser.add_argument("--weights", help="e.g. published")
    parser.add_argument("--preset", default="sparse")
    parser.add_argument("--bank", default="paper_coarse", choices=BANKS)
    parser.add_argument("--images", type=int, default=4, help="evenly spread over OSIE's test split")
    parser.add_argument("--nulls", nargs="*", default=["shuffled_filters", "untrained_network"], choices=NULLS)
    parser.add_argument("--layers", default=None, help="leaf, conv, block or paper; default: the preset's")
    parser.add_argument("--root", type=Path, default=SHARED / "data" / "osie")
    args = parser.parse_args()
    torch.set_num_threads(1)

    images, ids = osie_images(args.images, args.root)
    net = require_network(load_model(args.network, weights=args.weights))
    explainer = Explainer(net, args.preset, bank=BANKS[args.bank], layers=args.layers)
    parts = []
    for variant in ("explanation", *args.nulls):
        measured = explainer if variant == "explanation" else null_explainer(explainer, variant)
        for image, name in zip(images, ids, strict=True):
            began = time.process_time()
            explanation = measured(image[None])
            height = max(layer.shape[1] for layer in explanation.layers)
            strides = {layer.name: height / layer.shape[1] for layer in explanation.layers}
            parts.append(layer_means(explanation, [name], strides).assign(variant=variant))
            print(f"{variant} {name}: {time.process_time() - began:.1f} s CPU", flush=True)
    table = pd.concat(parts).assign(network=net.name, preset=args.preset, bank=args.bank)
    path = HERE / "results" / "layers.csv"
    path.parent.mkdir(exist_ok=True)
    if path.exists():
        old = pd.read_csv(path)
        same = (old["network"] == net.name) & (old["preset"] == args.preset) & (old["bank"] == args.bank)
        table = pd.concat([old[~same], table])
    table.to_csv(path, index=False, float_format="%.5f")


if __name__ == "__main__":
    main()
