"""Draw the ablations and the frontier of fidelity against the null model, and write table.md, from results.csv.

python experiments/ablations/plot.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from matplotlib.figure import Figure

from explainsal.metrics.bootstrap import paired_difference
from explainsal.reporting.figures.style import MUTED, PAGE_WIDTH, SERIES, new_figure, save_figure, styled
from explainsal.reporting.sweep import pareto_front

HERE = Path(__file__).resolve().parent
EXPLANATION, NULL = "explanation", "shuffled_filters"
NETWORKS = {"unisal": "UNISAL (published)", "cmrnet_osie": "cmrnet_osie"}


def summary(results: pd.DataFrame) -> pd.DataFrame:
    """Return both correlations of explanation and null model, and their distances, per network, group and change."""
    rows = []
    numbers: dict[tuple[str, str], int] = {}
    for (network, group, name), part in results.groupby(["network", "group", "change"], sort=False):
        wide = part.pivot(index="image", columns="variant")
        row = {
            "network": network,
            "number": numbers.setdefault((group, name), len(numbers) + 1),
            "group": group,
            "change": name,
            "images": len(wide),
            "seconds": part["seconds"].mean(),
        }
        for measure in ("cc_to_deep", "layer_correlation"):
            one, null = wide[measure, EXPLANATION].fillna(0), wide[measure, NULL].fillna(0)
            row |= {measure: one.mean(), f"{measure}_null": null.mean()}
            row[f"{measure}_gap"] = paired_difference(one, null).mean
        row["least"] = wide["cc_to_deep", EXPLANATION].fillna(0).min()
        rows.append(row)
    return pd.DataFrame(rows)


def markdown(table: pd.DataFrame) -> str:
    """Return a table of Markdown with a part for each network."""
    parts = []
    for network, title in NETWORKS.items():
        mine = table[table["network"] == network]
        head = f"{title}, {mine['images'].max()} images: means, and the lowest image in brackets.\n\n"
        head += "| # | preset | change | CC to deep map | null | distance | layer correlation | null | s/image |\n"
        lines = [
            f"| {row.number} | `{row.group}` | {'**as it is**' if row.change == 'preset' else row.change} "
            f"| {row.cc_to_deep:.3f} [{row.least:.3f}] | {row.cc_to_deep_null:.3f} | {row.cc_to_deep_gap:.3f} "
            f"| {row.layer_correlation:.3f} | {row.layer_correlation_null:.3f} | {row.seconds:.1f} |"
            for row in mine.itertuples()
        ]
        parts.append(head + "|---|---|---|---|---|---|---|---|---|\n" + "\n".join(lines) + "\n")
    return "\n".join(parts)


def draw(table: pd.DataFrame) -> Figure:
    """Draw explanation and null model of every variant, connected by a line that shows their distance."""
    groups = list(table["group"].unique())
    names = {group: list(table[table["group"] == group]["change"].unique()) for group in groups}
    heights = [len(names[group]) + 1 for group in groups]  # half a row above and below
    figure = new_figure(PAGE_WIDTH, 0.6 + 0.4 * len(groups) + 0.15 * sum(heights))
    figure.set_layout_engine("constrained")
    axes = figure.subplots(len(groups), len(NETWORKS), height_ratios=heights, squeeze=False)
    for row, group in zip(axes, groups, strict=True):
        for ax, (network, title) in zip(row, NETWORKS.items(), strict=True):
            part = table[(table["group"] == group) & (table["network"] == network)].set_index("change")
            part = part.reindex(names[group])
            y = np.arange(len(part))[::-1]
            ax.hlines(y, part["cc_to_deep_null"], part["cc_to_deep"], color=MUTED, linewidth=0.8)
            ax.plot(part["cc_to_deep"], y, "o", color=SERIES[0], markersize=4, label="explanation")
            ax.plot(part["cc_to_deep_null"], y, "s", color=SERIES[1], markersize=3.5, label="shuffled filters")
            ax.axvline(part["cc_to_deep"].iloc[0], color=SERIES[0], linewidth=0.6, alpha=0.5)
            ax.set_ylim(-0.7, len(part) - 0.3)
            ax.set_xlabel("CC of explainable to deep map")
            ax.locator_params(axis="x", nbins=6)
            ax.set_yticks(y, ["preset as it is" if name == "preset" else name for name in names[group]])
            ax.set_title(f"{group}, {title}")
        for ax in row[1:]:
            ax.tick_params(labelleft=False)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=2, frameon=False)
    return figure


def draw_frontier(table: pd.DataFrame) -> Figure:
    """Draw fidelity against the distance to the null model, with one point per variant.

    Variants that no other variant of their preset beats in both are connected and numbered.
    """
    figure = new_figure(PAGE_WIDTH, 3.2)
    figure.set_layout_engine("constrained")
    for ax, (network, title) in zip(figure.subplots(1, len(NETWORKS)), NETWORKS.items(), strict=True):
        for group, color in {"sparse": SERIES[0], "normalized": SERIES[1]}.items():
            part = table[(table["group"] == group) & (table["network"] == network)]
            front = part[pareto_front(part, {"cc_to_deep": "maximize", "cc_to_deep_gap": "maximize"})]
            front = front.sort_values("cc_to_deep_gap")
            ax.plot(part["cc_to_deep_gap"], part["cc_to_deep"], "o", color=color, markersize=3, alpha=0.5)
            ax.plot(
                front["cc_to_deep_gap"],
                front["cc_to_deep"],
                "o-",
                color=color,
                markersize=5,
                linewidth=0.8,
                label=group,
            )
            for place, row in enumerate(front.to_dict("records")):
                shift = (2, 4) if place % 2 else (-6, -9)
                at = row["cc_to_deep_gap"], row["cc_to_deep"]
                ax.annotate(row["number"], at, xytext=shift, textcoords="offset points", size=6)
        ax.set_xlabel("distance to shuffled filters")
        ax.set_ylabel("CC of explainable to deep map")
        ax.set_title(title)
    figure.axes[0].legend(loc="lower right", frameon=False)
    return figure


def main() -> None:
    variants = yaml.safe_load((HERE / "variants.yaml").read_text())
    order = [(group, name) for group, changes in variants.items() for name in changes]
    results = pd.read_csv(HERE / "results.csv")
    places = [order.index(each) for each in zip(results["group"], results["change"], strict=True)]
    table = summary(results.iloc[np.argsort(places, kind="stable")])
    (HERE / "table.md").write_text(markdown(table))
    with styled():
        save_figure(draw(table), HERE, "ablations")
        save_figure(draw_frontier(table), HERE, "frontier")
    print(markdown(table))


if __name__ == "__main__":
    main()
