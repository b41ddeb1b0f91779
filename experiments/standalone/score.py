"""Score models on the test images of OSIE or of MIT1003's split held_out, with one row per model and image.

    python experiments/standalone/score.py --data ../shared/data/osie --deep best.ckpt --out results/classical.csv \
        itti hft center_bias gold_standard:4 standalone=runs/main/standalone.safetensors sparse:20

NAME=FILE/0.5 divides a model's maps by the center bias of the training images, to the power of 0.5.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor, nn

from explainsal import Explainer
from explainsal.classical.center_bias import CenterBias
from explainsal.classical.gold_standard import GOLD_STANDARD
from explainsal.data.dataset import SaliencyDataset
from explainsal.data.osie import read_osie
from explainsal.data.sample import SaliencyBatch
from explainsal.datamodules.mit1003 import MIT1003DataModule
from explainsal.distillation.refinement import center_level
from explainsal.functional.metrics import Nonfixations, cc
from explainsal.metrics import SaliencyMetrics
from explainsal.modules.evaluation import EvaluationModule
from explainsal.types import DensityMap
from explainsal.workflows.baselines import gold_standard
from explainsal.workflows.loading import load_model


class SparseExplanation(nn.Module):
    """The per-image explanation, which uses the deep activations, as a model."""

    def __init__(self, deep: nn.Module) -> None:
        super().__init__()
        self.explainer = Explainer(deep, preset="sparse")

    def forward(self, images: Tensor) -> Tensor:
        return self.explainer(images).explainable_map.clamp(min=0)


class Decentered(nn.Module):
    """A model whose maps are divided by a power of the center bias, a trade-off of shuffled AUC and other metrics."""

    def __init__(self, model: nn.Module, bias: CenterBias, power: float) -> None:
        super().__init__()
        self.model, self.bias, self.power = model, bias, power

    def forward(self, images: Tensor) -> Tensor:
        return self.model(images) / center_level(self.bias(images[:1])[0], self.power)


def read(options: argparse.Namespace) -> SaliencyDataset:
    if options.set == "osie":
        return read_osie(options.data, options.split, density_sigma=options.sigma)
    module = MIT1003DataModule(options.data, split="held_out", density_sigma=options.sigma, batch_size=1)
    module.prepare_data()
    return module.dataset(options.split)


def fixations(dataset: SaliencyDataset) -> tuple[list[Tensor], list[tuple[int, int]]]:
    points, sizes = dataset.all_fixations()
    return [torch.from_numpy(p) for p in points], sizes


def build(spec: str, deep: nn.Module, data: Path) -> nn.Module:
    if spec == "deep":
        return deep
    if spec == "sparse":
        return SparseExplanation(deep)
    if spec == "center_bias":
        return CenterBias.fit(*fixations(read_osie(data, "train")))
    file, _, power = spec.partition(".safetensors/")
    if power:
        bias = CenterBias.fit(*fixations(read_osie(data, "train")))
        return Decentered(load_model("standalone", weights=f"{file}.safetensors"), bias, float(power))
    return load_model("standalone", weights=spec) if spec.endswith(".safetensors") else load_model(spec)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", help="NAME, NAME=FILE, and NAME:N for every N-th image only")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--set", choices=("osie", "mit1003"), default="osie", help="mit1003: its split held_out")
    parser.add_argument("--sigma", type=float, default=24.0, help="of the fixation densities, in pixels")
    parser.add_argument("--deep", required=True, help="NAME, or NAME=WEIGHTS, e.g. unisal=published")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--split", default="test")
    options = parser.parse_args()
    torch.set_num_threads(1)
    dataset, tables = read(options), []
    name, _, weights = options.deep.partition("=")
    deep, deep_maps = load_model(name, weights or None), dict[int, Tensor]()
    pool = Nonfixations(*fixations(dataset))
    for entry in options.models:
        name, _, spec = entry.partition("=")
        name, _, every = name.partition(":")
        if name == GOLD_STANDARD:
            tables.append(score_people(dataset, pool, int(every or 1)))
        else:
            model = build(spec or name, deep, options.data)
            tables.append(score(name, model, deep, deep_maps, dataset, pool, int(every or 1)))
        options.out.parent.mkdir(parents=True, exist_ok=True)
        pd.concat(tables).to_csv(options.out, index=False, float_format="%.6f")
        print(tables[-1].drop(columns=["id"]).groupby("model").mean().round(3).to_string(), flush=True)


@torch.no_grad()
def score(
    name: str,
    model: nn.Module,
    deep: nn.Module,
    deep_maps: dict[int, Tensor],
    dataset: SaliencyDataset,
    pool: Nonfixations,
    every: int,
) -> pd.DataFrame:
    """Score a model; `deep_maps` keeps the network's maps for the models to come."""
    metrics, agreement, seconds = new_metrics(pool), [], []
    for index in range(0, len(dataset), every):
        batch = SaliencyBatch.collate([dataset[index]])
        start = time.process_time()
        maps = model(batch.images)[:, 0].float()
        seconds.append(time.process_time() - start)
        metrics.update(maps, fixations=batch.fixations, density=batch.density, index=batch.index)
        if index not in deep_maps:
            deep_maps[index] = deep(batch.images)[:, 0].float()
        agreement.append(cc(maps, DensityMap(deep_maps[index])).item())
    table = metrics.per_image()
    table.insert(0, "model", name)
    table.insert(1, "id", [dataset.ids[i] for i in table["index"]])
    return table.assign(cc_to_deep=agreement, seconds=seconds)


def score_people(dataset: SaliencyDataset, pool: Nonfixations, every: int) -> pd.DataFrame:
    """Score the gold standard: each observer predicted by the others; metrics that use a density are undefined."""
    people = EvaluationModule({}, lambda: new_metrics(pool), gold_standard=gold_standard(dataset))
    start = time.process_time()
    for index in range(0, len(dataset), every):
        people.test_step(SaliencyBatch.collate([dataset[index]]), index)
    table = people.per_image()
    table.insert(1, "id", [dataset.ids[i] for i in table["index"]])
    return table.assign(cc_to_deep=float("nan"), seconds=(time.process_time() - start) / len(table))


def new_metrics(pool: Nonfixations) -> SaliencyMetrics:
    return SaliencyMetrics("tuebingen", names=["sim", "cc", "nss", "kld", "auc", "sauc"], nonfixations=pool)


if __name__ == "__main__":
    main()
