"""Draw curves on the validation images: training images, coefficients and maps per stage, layers, and center bias.

Bars show the 95% bootstrap interval of each mean over images. Differences between points, which share their images, are
more certain than the intervals suggest.

python experiments/standalone/curves.py
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes

from explainsal.reporting.figures.style import MARKERS, PAGE_WIDTH, SERIES, new_figure, save_figure, styled

HERE = Path(__file__).resolve().parent
METRICS = {"cc_to_deep": "CC to deep map", "cc": "CC to fixations"}
TERMS = {"terms_2": 2, "terms_5": 5, "terms_10": 10, "real": 20}
POOL = {"pool_4": 4, "pool_8": 8, "real": 12, "pool_24": 24}
LAYERS = {"last_layer": 1, "two_layers": 2, "decoder_only": 4, "real": 8}


def main() -> None:
    variants = pd.read_csv(HERE / "results" / "variants.csv").set_index("variant")
    images = pd.read_csv(HERE / "results" / "images.csv").set_index("images")
    with styled():
        figure = new_figure(PAGE_WIDTH, 2.1)
        axes = figure.subplots(1, 5, width_ratios=(1, 1, 1, 1, 1.2))
        line(axes[0], images.sort_index(), "training images")
        line(axes[1], named(variants, TERMS), "coefficients per map")
        line(axes[2], named(variants, POOL), "maps per stage")
        line(axes[3], named(variants, LAYERS), "stages, from the last")
        for one in axes[1:4]:
            one.sharey(axes[0])
        axes[0].set_ylim(0.36, 0.82)
        axes[0].set_xscale("log")
        axes[0].set_xticks(images.index, [str(count) for count in images.index], minor=False)
        axes[0].minorticks_off()
        axes[0].set_ylabel("CC, validation images")
        axes[0].legend(loc="lower right", fontsize=5.5)
        trade(axes[4], pd.read_csv(HERE / "results" / "decentered.csv"))
        save_figure(figure, HERE / "figures", "curves")


def named(variants: pd.DataFrame, places: dict[str, int]) -> pd.DataFrame:
    """Return the finished variants, by their differences."""
    there = [name for name in places if name in variants.index]
    return variants.loc[there].set_axis([places[name] for name in there], axis=0)


def line(axes: Axes, table: pd.DataFrame, label: str) -> None:
    for (metric, name), color, marker in zip(METRICS.items(), SERIES, MARKERS, strict=False):
        low, high = table[f"{metric}_low"], table[f"{metric}_high"]
        axes.vlines(list(table.index), low, high, color=color, linewidth=0.8, alpha=0.6)
        axes.plot(list(table.index), table[metric], color=color, marker=marker, markersize=3, label=name)
    axes.set_xticks(list(table.index))
    axes.set_xlabel(label)


def trade(axes: Axes, table: pd.DataFrame) -> None:
    """Draw shuffled AUC against CC to the fixations, for increasing removal of the center bias."""
    drawn = table.dropna()
    for (name, part), color, marker in zip(drawn.groupby("model", sort=False), SERIES, MARKERS, strict=False):
        axes.plot(part["cc"], part["sauc"], color=color, marker=marker, markersize=3, label=name)
        for _, row in part[part["power"].isin([0.0, 0.5, 1.0])].iterrows():
            axes.annotate(f"{row['power']:g}", (row["cc"], row["sauc"]), (2, 3), textcoords="offset points", fontsize=5)
    rare_style = table.set_index("model").loc["rare_style", "sauc"]
    axes.axhline(rare_style, color=SERIES[2], linewidth=0.8, linestyle="--", label="RARE-style")
    axes.set_xlabel("CC to fixations")
    axes.set_ylabel("shuffled AUC")
    axes.legend(loc="lower left", fontsize=5)


if __name__ == "__main__":
    main()
