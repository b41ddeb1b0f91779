"""Fit variants on the same training images; report validation CC to the network's map and to the fixations.

    python experiments/standalone/study.py --data ../shared/data/osie --deep cmrnet_osie --images 100 --epochs 6 \
        --out results/variants.csv real terms_2 terms_5 pool_4 decoder_only
    python experiments/standalone/study.py ... --images 24 50 200 350 --out results/images.csv real

CC is on the model's own grid (96 x 128 here), for clamped maps: mean over the validation images and 95% bootstrap
interval. Every variant is written as soon as it is finished; without --epochs gradient descent is skipped.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor, nn

from explainsal.data.osie import read_osie
from explainsal.data.sample import SaliencyBatch
from explainsal.distillation import Distillation, DistillOptions, RefineOptions, refine, save_standalone
from explainsal.distillation.quality import image_cc
from explainsal.distillation.samples import StoredSamples
from explainsal.explanation.nulls import untrained_copy
from explainsal.metrics.bootstrap import mean_interval
from explainsal.models import load_network
from explainsal.workflows.distilling import spread

LAYERS = ("pool1", "pool2", "block3", "inception", "decoder.1", "decoder.3", "sigmoid")
BASE = DistillOptions(layers=LAYERS)
TRUTH = replace(BASE, target="fixations")
# options, network, and whether the refinement uses the network's maps or the densities
VARIANTS: dict[str, tuple[DistillOptions, str, str]] = {
    "real": (BASE, "trained", "deep"),
    "shuffled_filters": (replace(BASE, bank=BASE.bank.shuffled(0)), "trained", "deep"),
    "real_to_fixations": (TRUTH, "trained", "fixations"),
    "untrained_network": (TRUTH, "untrained", "fixations"),
    "no_network": (TRUTH, "none", "fixations"),
    "terms_2": (replace(BASE, terms=2), "trained", "deep"),
    "terms_5": (replace(BASE, terms=5), "trained", "deep"),
    "terms_10": (replace(BASE, terms=10), "trained", "deep"),
    "nonnegative": (replace(BASE, nonnegative=True), "trained", "deep"),
    "pool_4": (replace(BASE, pool_size=4), "trained", "deep"),
    "pool_8": (replace(BASE, pool_size=8), "trained", "deep"),
    "pool_24": (replace(BASE, pool_size=24), "trained", "deep"),
    "last_layer": (replace(BASE, layers=()), "trained", "deep"),
    "decoder_only": (replace(BASE, layers=("decoder.1", "decoder.3", "sigmoid")), "trained", "deep"),
    "two_layers": (replace(BASE, layers=("decoder.3",)), "trained", "deep"),
    "no_position": (replace(BASE, center=False), "trained", "deep"),
    "luminance": (replace(BASE, input_maps="luminance"), "trained", "deep"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("variants", nargs="+", choices=VARIANTS)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--deep", required=True)
    parser.add_argument("--images", type=int, nargs="+", required=True)
    parser.add_argument("--epochs", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--models", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    net, rows = load_network(options.deep), []
    for images in options.images:
        with tempfile.TemporaryDirectory() as folder:
            work = Path(folder)
            train = stored(options.data, "train", images, work / "train")
            val = stored(options.data, "val", None, work / "val")
            deep = {"train": maps_of(net, train), "val": maps_of(net, val)}
            for name in options.variants:
                with tempfile.TemporaryDirectory() as part:
                    rows += run(name, net, train, val, deep, options, Path(part))
                options.out.parent.mkdir(parents=True, exist_ok=True)
                pd.DataFrame(rows).to_csv(options.out, index=False, float_format="%.4f")


def run(
    name: str,
    net: nn.Module,
    train: StoredSamples,
    val: StoredSamples,
    deep: dict[str, Tensor],
    options: argparse.Namespace,
    work: Path,
) -> list[dict[str, object]]:
    fit_options, network, guide = VARIANTS[name]
    teacher = {"trained": net, "untrained": untrained_copy(net, seed=0), "none": None}[network]
    start = time.process_time()
    fit = Distillation(teacher, train.batches(4), train.count, fit_options, input_size=train.size, store=work / "fit")
    while fit.todo:
        fit.step()
    rows: list[dict[str, object]] = []

    def note(epoch: int, loss: float) -> None:
        spent = time.process_time() - start
        row = {"variant": name, "images": train.count, "epoch": epoch, "coefficients": fit.model.coefficients}
        for metric, target in (("cc_to_deep", deep["val"]), ("cc", val.density[:, None])):
            over = mean_interval(image_cc(fit.model, val, target).numpy())
            row |= {metric: over.mean, f"{metric}_low": over.low, f"{metric}_high": over.high}
        rows.append({**row, "cpu_seconds": spent})
        print(rows[-1], flush=True)

    note(0, 0.0)
    if options.epochs:
        truth = float(guide == "fixations")
        how = RefineOptions(epochs=options.epochs, rate=0.004, deep=1 - truth, fixations=truth, mirror=False,
                            nonnegative=fit_options.nonnegative)  # fmt: skip
        last = options.epochs
        refine(fit.model, train.images, deep["train"], train.density, how,
               lambda epoch, loss: note(epoch, loss) if epoch == last else None, store=work / "seen")  # fmt: skip
    if options.models:
        save_standalone(fit.model, options.models / f"{name}.safetensors", {"finished": True, "variant": name})
    return rows


def stored(data: Path, split: str, images: int | None, folder: Path) -> StoredSamples:
    dataset = spread(read_osie(data, split), images)
    batches = (SaliencyBatch.collate([dataset[i]]) for i in range(len(dataset)))
    samples = StoredSamples(folder, len(dataset), (96, 128))
    return samples.fill(((b.images, b.density.values) for b in batches if b.density), lambda count: None)


@torch.no_grad()
def maps_of(net: nn.Module, samples: StoredSamples) -> Tensor:
    return torch.cat([net(images) for images, _ in samples.batches(8)()])


if __name__ == "__main__":
    main()
