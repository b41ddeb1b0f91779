"""Draw the ablations and the frontier of fidelity against the null model, and write table.md, from results.csv.

python experiments/ablations/plot.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from explainsal.metrics.bootstrap import mean_interval, paired_difference
from explainsal.reporting.figures.style import MUTED, PAGE_WIDTH, SERIES, new_figure, save_figure, styled
from explainsal.reporting.sweep import pareto_front

HERE = Path(__file__).resolve().parent
EXPLANATION, NULL = "explanation", "shuffled_filters"


def summary(results: pd.DataFrame) -> pd.DataFrame:
    """Return both correlations of explanation and null model, and their distances, per group and change."""
    rows = []
    for (group, name), part in results.groupby(["group", "change"], sort=False):
        wide = part.pivot(index="image", columns="variant")
        row = {
            "number": len(rows) + 1,
            "group": group,
            "change": name,
            "images": len(wide),
            "seconds": part["seconds"].mean(),
        }
        for measure in ("cc_to_deep", "layer_correlation"):
            one, null = wide[measure, EXPLANATION].fillna(0), wide[measure, NULL].fillna(0)
            gap = paired_difference(one, null)
            row |= {measure: one.mean(), f"{measure}_null": null.mean(), f"{measure}_gap": gap.mean}
            row[f"{measure}_interval"] = mean_interval(one)
        rows.append(row)
    return pd.DataFrame(rows)


def markdown(table: pd.DataFrame) -> str:
    head = (
        "| # | group | change | CC to deep map | null | distance | layer correlation | null | distance | s/image |\n"
        "|---|---|---|---|---|---|---|---|---|---|\n"
    )
    lines = []
    for row in table.itertuples():
        interval = row.cc_to_deep_interval
        lines.append(
            f"| {row.number} | `{row.group}` | {'**as it is**' if row.change == 'preset' else row.change} "
            f"| {row.cc_to_deep:.3f} [{interval.low:.3f}, {interval.high:.3f}] | {row.cc_to_deep_null:.3f} "
            f"| {row.cc_to_deep_gap:.3f} | {row.layer_correlation:.3f} | {row.layer_correlation_null:.3f} "
            f"| {row.layer_correlation_gap:.3f} | {row.seconds:.1f} |"
        )
    return head + "\n".join(lines) + "\n"


def draw(table: pd.DataFrame) -> Figure:
    """Draw explanation and null model of every variant, connected by a line that shows their distance."""
    groups = list(table["group"].unique())
    heights = [int((table["group"] == group).sum()) + 1 for group in groups]  # half a row above and below
    figure = new_figure(PAGE_WIDTH, 0.6 + 0.4 * len(groups) + 0.15 * sum(heights))
    figure.set_layout_engine("constrained")
    axes = figure.subplots(len(groups), 2, height_ratios=heights, squeeze=False)
    measures = {"cc_to_deep": "CC of explainable to deep map", "layer_correlation": "mean layer correlation"}
    for row, group in zip(axes, groups, strict=True):
        part = table[table["group"] == group]
        y = np.arange(len(part))[::-1]
        for ax, (measure, label) in zip(row, measures.items(), strict=True):
            ax.hlines(y, part[f"{measure}_null"], part[measure], color=MUTED, linewidth=0.8)
            ax.plot(part[measure], y, "o", color=SERIES[0], markersize=4, label="explanation")
            ax.plot(part[f"{measure}_null"], y, "s", color=SERIES[1], markersize=3.5, label="shuffled filters")
            ax.axvline(part[measure].iloc[0], color=SERIES[0], linewidth=0.6, alpha=0.5)
            ax.set_ylim(-0.7, len(part) - 0.3)
            ax.set_xlabel(label)
            ax.set_yticks(y, ["preset as it is" if v == "preset" else v for v in part["change"]])
        row[1].tick_params(labelleft=False)
        row[0].set_title(group)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=2, frameon=False)
    return figure


def draw_frontier(table: pd.DataFrame) -> Figure:
    """Draw fidelity against the distance to the null model, with one point per variant.

    Variants that no other variant of their preset beats in both are connected and numbered. Dotted lines: the targets.
    """
    figure = new_figure(PAGE_WIDTH, 4.2)
    figure.set_layout_engine("constrained")
    labels = {"cc_to_deep": "CC of explainable to deep map", "layer_correlation": "mean layer correlation"}
    aims = {"cc_to_deep": (0.25, [0.95, 0.75]), "layer_correlation": (None, [0.70])}
    for ax, (measure, label) in zip(figure.subplots(1, 2), labels.items(), strict=True):
        for family, color in {"sparse": SERIES[0], "normalized": SERIES[1]}.items():
            part = table[table["group"].str.startswith(family)]
            gap = f"{measure}_gap"
            front = part[pareto_front(part, {measure: "maximize", gap: "maximize"})].sort_values(gap)
            ax.plot(part[gap], part[measure], "o", color=color, markersize=3, alpha=0.5)
            ax.plot(front[gap], front[measure], "o-", color=color, markersize=5, linewidth=0.8, label=family)
            for place, row in enumerate(front.to_dict("records")):
                shift = (2, 4) if place % 2 else (-6, -9)
                ax.annotate(row["number"], (row[gap], row[measure]), xytext=shift, textcoords="offset points", size=6)
        distance, levels = aims[measure]
        for level in levels:
            ax.axhline(level, color=MUTED, linewidth=0.6, linestyle=":")
        if distance is not None:
            ax.axvline(distance, color=MUTED, linewidth=0.6, linestyle=":")
        ax.set_xlabel("distance to shuffled filters")
        ax.set_ylabel(label)
    figure.axes[0].legend(loc="lower left", frameon=False)
    return figure


def main() -> None:
    table = summary(pd.read_csv(HERE / "results.csv"))
    (HERE / "table.md").write_text(markdown(table))
    with styled():
        save_figure(draw(table), HERE, "ablations")
        save_figure(draw_frontier(table), HERE, "frontier")
    print(markdown(table))


if __name__ == "__main__":
    main()
