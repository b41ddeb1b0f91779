"""Compute the README's numbers for the test images from results/scores and results/times.csv.

    python experiments/standalone/compare.py

Writes results/table.csv (means with 95% intervals), results/differences.csv (paired differences of the fixed graphs to
every other model), and the tables of the README, between their marks.
"""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from explainsal.metrics.bootstrap import mean_interval, paired_difference

HERE = Path(__file__).resolve().parent
METRICS = {"sim": "SIM", "cc": "CC", "nss": "NSS", "auc": "AUC", "sauc": "sAUC", "cc_to_deep": "CC to deep"}
CLASSICAL = ("gbvs", "icl", "signature", "rare_style", "itti", "sim_grouping", "hft", "spectral_residual", "sim2011")
GRAPHS = ("standalone", "divided_0.5", "decentered_0.5", "decentered_0.7", "nonnegative", "terms_10_100", "terms_5_100")


def main() -> None:
    scores = pd.concat([pd.read_csv(path) for path in sorted((HERE / "results" / "scores").glob("*.csv"))])
    times = pd.read_csv(HERE / "results" / "times.csv").set_index("model")["cpu_seconds"]
    written = []
    for name, made in (("table.csv", means(scores)), ("differences.csv", gains(scores))):
        made.to_csv(HERE / "results" / name, index=False, float_format="%.4f")
        written.append(pd.read_csv(HERE / "results" / name))  # rounded, so that the page agrees with the files
    page = HERE / "README.md"
    page.write_text(filled(page.read_text(), *written, times))


def means(scores: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for name, part in scores.groupby("model", sort=True):
        for metric in METRICS:
            own = mean_interval(part[metric].to_numpy())
            rows.append({
                "model": name, "metric": metric, "images": own.images, "mean": own.mean, "low": own.low,
                "high": own.high,
            })  # fmt: skip
    return pd.DataFrame(rows)


def gains(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the gains of each graph over each other model, on the images that the other was scored on."""
    parts = {str(name): part.set_index("id") for name, part in scores.groupby("model")}
    rows = []
    for graph in GRAPHS:
        for name, part in parts.items():
            for metric in METRICS if name != graph else ():
                gain = paired_difference(parts[graph].loc[part.index, metric].to_numpy(), part[metric].to_numpy())
                rows.append({
                    "model": graph, "other": name, "metric": metric, "images": gain.images, "gain": gain.mean,
                    "low": gain.low, "high": gain.high,
                })  # fmt: skip
    return pd.DataFrame(rows)


def filled(page: str, table: pd.DataFrame, differences: pd.DataFrame, times: pd.Series) -> str:
    """Return the page with updated tables."""
    for name, text in (("scores", score_table(table, differences, times)), ("narrowest", narrowest(differences))):
        marked = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        assert len(marked.findall(page)) == 1, f"the page needs one place for {name}"
        page = marked.sub(lambda found, text=text: f"{found[1]}{text}\n{found[2]}", page)
    return page


def score_table(table: pd.DataFrame, differences: pd.DataFrame, times: pd.Series) -> str:
    """Return one row per model, best CC first; a star marks models that the standalone model does not beat."""
    lines = [f"| model | images | {' | '.join(METRICS.values())} | CPU s |", "|" + "---|" * (len(METRICS) + 3)]
    mine = differences[differences["model"] == "standalone"].set_index(["other", "metric"])
    wide = {str(name): part.set_index("metric") for name, part in table.groupby("model")}
    for name in sorted(wide, key=lambda name: -wide[name].loc["cc", "mean"] if wide[name].loc["cc", "images"] else -2):
        cells = []
        for metric in METRICS:
            row = wide[name].loc[metric]
            star = "" if name == "standalone" or mine.loc[(name, metric), "low"] > 0 else "\\*"
            interval = f" [{row['low']:.3f}, {row['high']:.3f}]" if metric == "cc" else ""
            cells.append(f"{row['mean']:.3f}{star}{interval}" if row["images"] else "–")
        seconds = f"{times[name]:.2f}" if name in times.index else "–"
        lines.append(f"| {name} | {wide[name]['images'].max():.0f} | {' | '.join(cells)} | {seconds} |")
    return "\n".join(lines)


def narrowest(differences: pd.DataFrame) -> str:
    """Return the smallest lead of each graph over a classical model, per metric, with the difference's interval."""
    metrics = [metric for metric in METRICS if metric != "cc_to_deep"]
    lines = [f"| least lead over a classical model | {' | '.join(METRICS[m] for m in metrics)} |"]
    lines.append("|" + "---|" * (len(metrics) + 1))
    rivals = differences[differences["other"].isin(CLASSICAL)]
    for graph in GRAPHS:
        cells = []
        for metric in metrics:
            part = rivals[(rivals["model"] == graph) & (rivals["metric"] == metric)]
            row = part.loc[part["low"].idxmin()]
            text = f"{row['gain']:+.3f} [{row['low']:+.4f}, {row['high']:+.3f}] {row['other']}"
            cells.append(f"**{text}**" if row["low"] > 0 else text)
        lines.append(f"| {graph} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
