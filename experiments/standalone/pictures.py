"""Draw test images with the standalone model's map, the network's map, and the parts of the model's map.

python experiments/standalone/pictures.py --data ../shared/data/osie --deep best.ckpt --model standalone.safetensors
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from matplotlib.axes import Axes

from explainsal.data.osie import read_osie
from explainsal.data.sample import SaliencyBatch
from explainsal.distillation import attribute
from explainsal.distillation.quality import attribution_table
from explainsal.reporting.figures.style import new_figure, save_figure, styled
from explainsal.workflows.loading import load_model

HERE = Path(__file__).resolve().parent
IMAGES = (4, 27, 50, 73, 96)  # at equal distances, not selected by results


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--deep", required=True)
    parser.add_argument("--model", required=True)
    options = parser.parse_args()
    dataset, deep = read_osie(options.data, "test"), load_model(options.deep)
    model = load_model("standalone", weights=options.model)
    with styled():
        figure = new_figure(7.2, 1.05 * len(IMAGES))
        axes = figure.subplots(len(IMAGES), 7)
        for row, index in zip(axes, IMAGES, strict=True):
            batch = SaliencyBatch.collate([dataset[index]])
            seen = model.preprocess(batch.images)
            parts = attribute(model.net, seen)
            shares = attribution_table(parts, ["x"]).set_index("part")["variation"]
            strongest = shares.drop(["constant", "clamping"]).sort_values(ascending=False).index[:3]
            shown = [("image", batch.images[0].permute(1, 2, 0)), ("fixations", batch.density.values[0]),
                     ("network", deep(batch.images)[0, 0]), ("standalone", model(batch.images)[0, 0]),
                     *[(f"{name} {shares[name]:.0%}", parts[name][0]) for name in strongest]]  # fmt: skip
            for cell, (title, picture) in zip(row, shown, strict=True):
                draw(cell, title, picture, signed=title.endswith("%"))
        save_figure(figure, HERE / "figures", "pictures")


def draw(axes: Axes, title: str, picture: torch.Tensor, *, signed: bool) -> None:
    limit = float(picture.abs().max()) if signed else None
    axes.imshow(picture.numpy(), cmap="RdBu_r" if signed else "viridis", vmin=-limit if limit else None, vmax=limit)
    axes.set_title(title, fontsize=5.5)
    axes.set_axis_off()


if __name__ == "__main__":
    main()
