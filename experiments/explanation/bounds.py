"""Measure fidelity and stability on twenty test images: ten of OSIE and ten of MIT1003.

    python experiments/explanation/bounds.py unisal --roundings kernels noise --nulls shuffled_filters
    python experiments/explanation/bounds.py cmrnet_osie --data osie --nulls shuffled_filters

A rounding is one of several equivalent computations: `kernels` is the default, with one thread; `threads` uses two;
`plain` uses plain PyTorch instead of compiled loops; `noise` changes each activation at random by about 1e-7 of its
value. The script adds the missing rows to results/bounds.csv in this folder, one per network, image, variant and
rounding.
"""

from __future__ import annotations

import argparse
import csv
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
import yaml
from PIL import Image
from torch import Tensor

from explainsal import load_model
from explainsal.explanation import Explainer
from explainsal.explanation.chain import as_computed
from explainsal.explanation.fidelity import EXPLANATION, fidelity_rows
from explainsal.explanation.nulls import NULLS, null_explainer
from explainsal.functional.kernels.dispatch import plain_only

HERE = Path(__file__).resolve().parent
SHARED = Path(os.environ.get("EXPLAINSAL_SHARED", HERE.parents[2] / "shared"))
TABLE = HERE / "results" / "bounds.csv"
COLUMNS = ("network", "preset", "options", "data", "image", "variant", "rounding", "cc_to_deep", "sim_to_deep",
           "kld_to_deep", "layer_correlation", "weighted_layer_correlation", "cpu_seconds")  # fmt: skip
NOISE = 1e-7
Key = tuple[str, ...]


def osie(numbers: range) -> Iterator[tuple[str, Path]]:
    for number in numbers:
        yield str(number), next((SHARED / "data" / "osie").rglob(f"{number}.jpg"))


def mit1003(positions: range) -> Iterator[tuple[str, Path]]:
    paths = sorted((SHARED / "data" / "mit1003" / "STIMULI").iterdir(), key=lambda path: path.name)
    for position in positions:
        yield paths[position].stem, paths[position]


SETS: dict[str, Callable[[], Iterator[tuple[str, Path]]]] = {
    "osie": lambda: osie(range(1401, 1501, 10)),
    "mit1003": lambda: mit1003(range(0, 1000, 100)),
}


def read(path: Path) -> Tensor:
    picture = np.asarray(Image.open(path).convert("RGB")).copy()
    return torch.from_numpy(picture).permute(2, 0, 1)[None]


def noisy(seed: int = 1) -> Callable[[Tensor], Tensor]:
    """Return a function that changes each activation at random by about 1e-7 of its value."""
    generator = torch.Generator().manual_seed(seed)

    def changed(maps: Tensor) -> Tensor:
        maps = as_computed(maps)
        return maps * (1 + NOISE * torch.randn(maps.shape, generator=generator, dtype=maps.dtype))

    return changed


def explain(explainer: Explainer, image: Tensor, name: str, variant: str, rounding: str) -> dict[str, object]:
    """Return a row of the table without the columns that are equal in all rows."""
    torch.set_num_threads(2 if rounding == "threads" else 1)
    before = time.process_time()
    taken = noisy() if rounding == "noise" else as_computed
    with plain_only(rounding == "plain"), patch("explainsal.explanation.chain.as_computed", taken):
        explanation = explainer(image)
    seconds = time.process_time() - before
    return fidelity_rows(explanation, [name], variant=variant)[0] | {"rounding": rounding, "cpu_seconds": seconds}


def done() -> set[Key]:
    """Return the keys of the rows in the table."""
    if not TABLE.exists():
        return set()
    with TABLE.open(newline="") as file:
        return {tuple(row[name] for name in COLUMNS[:7]) for row in csv.DictReader(file)}


def add(row: dict[str, object]) -> None:
    new = not TABLE.exists()
    with TABLE.open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore", lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow({name: f"{value:.5f}" if isinstance(value, float) else value for name, value in row.items()})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", help="`unisal` is taken with the published weights")
    parser.add_argument("--preset", default="sparse")
    parser.add_argument("--option", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--data", nargs="*", default=list(SETS), choices=list(SETS))
    parser.add_argument("--roundings", nargs="*", default=["kernels"], choices=["kernels", "threads", "plain", "noise"])
    parser.add_argument("--nulls", nargs="*", default=[], choices=NULLS)
    args = parser.parse_args()

    options = {name: yaml.safe_load(value) for name, _, value in (option.partition("=") for option in args.option)}
    model = load_model(args.network, weights="published") if args.network == "unisal" else load_model(args.network)
    explainer = Explainer(model, args.preset, **options)
    runs = [(EXPLANATION, rounding) for rounding in args.roundings] + [(null, "kernels") for null in args.nulls]
    for variant, rounding in runs:
        own = explainer if variant == EXPLANATION else null_explainer(explainer, variant)
        for data in args.data:
            for name, path in SETS[data]():
                same = {"network": args.network, "preset": args.preset, "options": " ".join(args.option), "data": data}
                if (*same.values(), name, variant, rounding) in done():
                    continue
                row = same | explain(own, read(path), name, variant, rounding)
                add(row)
                print(data, name, variant, rounding, f"{row['cc_to_deep']:.4f}", flush=True)


if __name__ == "__main__":
    main()
