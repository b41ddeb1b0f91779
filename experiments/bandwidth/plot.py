"""Write table and figure from the results of run.py: slope of the bandwidth with depth, interval and null models.

python experiments/bandwidth/plot.py      # results/layers.csv -> results/slopes.csv, bandwidth.png, bandwidth.pdf
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from explainsal.reporting.figures.style import MARKERS, PAGE_WIDTH, SERIES, new_figure, save_figure, styled
from explainsal.reporting.usage import rank_correlation

HERE = Path(__file__).resolve().parent
DRAWS, SEED = 2000, 0
VARIANTS = {
    "explanation": "this network", "shuffled_filters": "null: shuffled filters",
    "untrained_network": "null: random weights",
}  # fmt: skip
NETWORKS = {
    "cmrnet_eyes": "CMRNet (packaged)", "unisal": "UNISAL (published weights)", "msinet": "MSI-Net (trained here)",
}  # fmt: skip
MEASURES = ("octaves", "sigma_theta", "log2_wavelength", "log2_band", "log2_image_wavelength")


def slopes(values: np.ndarray) -> np.ndarray:
    """Return the least-squares slope of rows ``(..., layers)``, as the change from the first to the last layer."""
    depth = np.linspace(-0.5, 0.5, values.shape[-1])
    return (values * depth).sum(-1) / (depth**2).sum()


def by_image(table: pd.DataFrame, measure: str) -> np.ndarray:
    """Return images x layers; a layer without band-pass filters in an image gets the mean of the others."""
    wide = table.pivot(index="image", columns="layer", values=measure)
    return wide.fillna(wide.mean()).to_numpy()


def row_of(part: pd.DataFrame, measure: str, rng: np.random.Generator) -> dict[str, float]:
    """Return the slope, its bootstrap interval over images, and the share of random layer orders that reach it."""
    values = by_image(part, measure)
    drawn = values[rng.integers(0, len(values), (DRAWS, len(values)))].mean(axis=1)
    low, high = np.quantile(slopes(drawn), (0.025, 0.975))
    mean = values.mean(axis=0)
    own = float(slopes(mean))
    orders = np.array([slopes(rng.permutation(mean)) for _ in range(DRAWS)])
    third = max(1, len(mean) // 3)
    return {
        "slope": own, "low": low, "high": high, "p_order": float((np.abs(orders) >= abs(own)).mean()),
        "rank_correlation": rank_correlation(pd.Series(mean).round(6)), "first_third": mean[:third].mean(),
        "last_third": mean[-third:].mean(),
        "layers": len(mean), "images": len(values),
    }  # fmt: skip


def main() -> None:
    table = pd.read_csv(HERE / "results" / "layers.csv")
    table["log2_image_wavelength"] = table["log2_wavelength"] + np.log2(table["stride"])
    rng = np.random.default_rng(SEED)
    keys = ["network", "preset", "bank", "variant"]
    rows = [
        dict(zip(keys, key, strict=True)) | {"measure": measure} | row_of(part, measure, rng)
        for key, part in table.groupby(keys, sort=False)
        for measure in MEASURES
    ]
    summary = pd.DataFrame(rows)
    summary.to_csv(HERE / "results" / "slopes.csv", index=False, float_format="%.4f")
    print(summary[summary["measure"] == "octaves"].round(3).to_string(index=False))
    draw(table)


def draw(table: pd.DataFrame) -> None:
    panels = list(table.groupby(["network", "preset", "bank"], sort=False))
    with styled():
        figure = new_figure(PAGE_WIDTH, 1.9 * -(-len(panels) // 2) + 0.3)
        grid = figure.subplots(-(-len(panels) // 2), 2, squeeze=False, sharey=True)  # so that slopes are comparable
        for axes, ((network, preset, bank), part) in zip(grid.flat, panels, strict=False):
            for (variant, label), color, marker in zip(VARIANTS.items(), SERIES, MARKERS, strict=False):
                rows = part[part["variant"] == variant]
                if rows.empty:
                    continue
                values = by_image(rows, "octaves")
                depth, mean = np.linspace(0, 1, values.shape[1]), values.mean(axis=0)
                axes.plot(depth, mean, marker, color=color, markersize=2.2, label=label)
                axes.plot(depth, mean.mean() + slopes(mean) * (depth - 0.5), color=color)
            axes.set_title(f"{NETWORKS[network]}: {preset}, bank {bank}")
            axes.set_xlabel("relative depth, input to output")
            axes.set_ylabel("mean bandwidth (octaves)")
        for axes in list(grid.flat)[len(panels) :]:
            axes.remove()
        handles, labels = grid[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3)
        save_figure(figure, HERE, "bandwidth")


if __name__ == "__main__":
    main()
