"""Draw Figures 1, 5 and 6 of the paper: activation maps by layer, and reconstructions, as PNG and PDF.

    python experiments/paper_figures/run.py                              # on a generated scene: figures/
    python experiments/paper_figures/run.py --data osie --image 27       # on a test image: outputs/paper_figures/

Figure 1 shows UNISAL with its published weights, Figure 5 CMRNet, and Figures 6a and 6b both with their explanations.
OSIE's photographs may not be redistributed, so figures of them are not stored in this folder.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from explainsal.app.cli import conf_dir
from explainsal.data.sample import SaliencyBatch, SaliencySample
from explainsal.explanation import Explainer, Explanation
from explainsal.explanation.result import LayerExplanation
from explainsal.models import SaliencyModel
from explainsal.reporting.figures.strips import displayed
from explainsal.reporting.figures.style import COLUMN_WIDTH, SALIENCY_CMAP, new_figure, save_figure, styled
from explainsal.workflows.loading import load_model

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SHARED = Path(os.environ.get("EXPLAINSAL_SHARED", ROOT.parent / "shared"))
TITLES = {"cmrnet_eyes": "CMRNet", "unisal": "UNISAL", "msinet": "MSI-Net"}
# network -> number of its activation figure, panel of figure 6, and rebuilt layers
FIGURES = {"unisal": ("fig1_unisal", "fig6b_unisal", "block"), "cmrnet_eyes": ("fig5_cmrnet", "fig6a_cmrnet", "leaf")}
WEIGHTS = {"unisal": "published"}
ROWS, MAPS, PAIRS = 8, 5, 3


def sample_of(data: str, index: int) -> SaliencySample:
    """Read one test image with its ground truth."""
    roots = {"osie": [f"data.root={SHARED / 'data' / 'osie'}"]}
    with initialize_config_dir(conf_dir(), version_base="1.3"):
        cfg = compose("evaluate", overrides=[f"data={data}", *roots.get(data, [])])
    datamodule = instantiate(cfg.data)
    datamodule.prepare_data()
    return datamodule.dataset(datamodule.eval_split)[index]


def chosen_layers(explanation: Explanation, count: int) -> list[int]:
    """Return layers at equal distances, including the first and the last with more than one map."""
    shown = [i for i, layer in enumerate(explanation.layers) if layer.shape[0] > 1]
    return [shown[round(place)] for place in np.linspace(0, len(shown) - 1, min(count, len(shown)))]


def activations_figure(sample: SaliencySample, explanation: Explanation, title: str) -> Figure:
    """Draw Figures 1 and 5: a row of maps per layer, below the image and the network's own map."""
    layers = chosen_layers(explanation, ROWS)
    figure, rows = grid(sample, len(layers) + 1, MAPS, title)
    head(rows[0], sample, [("network", explanation.saliency_map)])
    for row, number in zip(rows[1:], layers, strict=True):
        name_row(row[0], explanation.layers[number], number, fit=False)
        for axes, values in zip(row, maps_of(explanation.layers[number].activations, MAPS), strict=True):
            draw(axes, values)
    return figure


def pairs_figure(sample: SaliencySample, explanation: Explanation, title: str) -> Figure:
    """Draw Figure 6: activation maps left, reconstructions right, in the same range, with the final maps below."""
    layers = chosen_layers(explanation, ROWS)
    figure, rows = grid(sample, len(layers) + 1, 2 * PAIRS, title)
    head(rows[0], sample, [("network", explanation.saliency_map), ("explainable", explanation.explainable_map)])
    for row, number in zip(rows[1:], layers, strict=True):
        layer = explanation.layers[number]
        name_row(row[0], layer, number)
        sides = maps_of(layer.activations, PAIRS), maps_of(layer.reconstructions, PAIRS)
        for place, (values, rebuilt) in enumerate(zip(*sides, strict=True)):
            draw(row[place], values)
            draw(row[PAIRS + place], rebuilt, None if values is None else (float(values.min()), float(values.max())))
    for axes, text in ((rows[1][1], "activation maps"), (rows[1][PAIRS + 1], "reconstructions")):
        axes.set_title(text, fontsize=6, loc="center", fontweight="normal")
    return figure


def grid(sample: SaliencySample, rows: int, columns: int, title: str) -> tuple[Figure, np.ndarray]:
    aspect = sample.image.shape[0] / sample.image.shape[1]
    figure = new_figure(COLUMN_WIDTH, (COLUMN_WIDTH - 0.7) / columns * aspect * rows * 1.12 + 0.45)
    figure.suptitle(title, fontsize=7, fontweight="bold", x=0.01, ha="left")
    figure.get_layout_engine().set(w_pad=0.01, h_pad=0.01, wspace=0.01, hspace=0.01)  # type: ignore[union-attr]
    axes = figure.subplots(rows, columns, squeeze=False)
    for one in axes.flat:
        one.set(xticks=[], yticks=[])
        one.grid(visible=False)
        one.spines[:].set_visible(False)
    return figure, axes


def head(row: np.ndarray, sample: SaliencySample, maps: list[tuple[str, torch.Tensor]]) -> None:
    """Draw the first row: image, ground truth, final maps."""
    pictures = [("image", sample.image), ("truth", sample.density)]
    pictures += [(name, values[0, 0].clamp(min=0).numpy()) for name, values in maps]
    for axes, (name, values) in zip(row, pictures, strict=False):
        axes.set_title(name, fontsize=6, loc="center", fontweight="normal")
        if values is not None and values.ndim == 3:
            axes.imshow(values)
        elif values is not None:
            draw(axes, displayed(values))


def name_row(axes: Axes, layer: LayerExplanation, number: int, *, fit: bool = True) -> None:
    name = layer.name if len(layer.name) <= 17 else "…" + layer.name[-16:]
    text = f"{number + 1}  {name}\n{layer.shape[1]}×{layer.shape[2]}"
    text += f", r {float(layer.correlation.nanmean()):.2f}" if fit else ""
    axes.set_ylabel(text, fontsize=5, rotation=0, ha="right", va="center", labelpad=3)


def maps_of(kept: torch.Tensor | None, count: int) -> list[np.ndarray | None]:
    """Return the first kept maps of a layer; None for missing ones."""
    assert kept is not None
    maps: list[np.ndarray | None] = [values.numpy() for values in kept[0, :count]]
    return maps + [None] * (count - len(maps))


def draw(axes: Axes, values: np.ndarray | None, limits: tuple[float, float] | None = None) -> None:
    if values is not None:
        low, high = limits or (float(values.min()), float(values.max()))
        axes.imshow(values, cmap=SALIENCY_CMAP, vmin=low, vmax=max(high, low + 1e-12), interpolation="nearest")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="synthetic")
    parser.add_argument("--image", type=int, default=4, help="position in the test split")
    parser.add_argument("--network", nargs="*", default=list(FIGURES), choices=FIGURES)
    parser.add_argument("--preset", default="sparse")
    parser.add_argument("--out", type=Path, default=None)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)

    sample = sample_of(args.data, args.image)
    out = args.out or (HERE / "figures" if args.data == "synthetic" else ROOT / "outputs" / "paper_figures")
    for name in args.network:
        model = load_model(name, weights=WEIGHTS.get(name))
        assert isinstance(model, SaliencyModel)
        activations, pairs, layers = FIGURES[name]
        explain = Explainer(model, args.preset, layers=layers)
        explanation = explain(SaliencyBatch.collate([sample]).images, keep_maps=MAPS)
        said = f"{TITLES[name]}" + (f" ({model.description})" if model.description else "")
        with styled():
            for figure, file in (
                (activations_figure(sample, explanation, f"Activation maps of {said}"), activations),
                (pairs_figure(sample, explanation, f"{said} and its explanation, {args.preset}"), pairs),
            ):
                print(*save_figure(figure, out, file))


if __name__ == "__main__":
    main()
