"""The table of the README: means with 95 % intervals, and the paired difference of the standalone model to each other.

python experiments/standalone/compare.py results/standalone.csv results/classical.csv results/nulls_test.csv
python experiments/standalone/compare.py --model standalone_decentered --to table_decentered.csv results/...
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from explainsal.metrics.bootstrap import mean_interval, paired_difference

HERE = Path(__file__).resolve().parent
METRICS = ("sim", "cc", "nss", "auc", "sauc", "cc_to_deep")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scores", nargs="+", type=Path)
    parser.add_argument("--model", default="standalone", help="which of them the others are compared with")
    parser.add_argument("--to", default="table.csv")
    options = parser.parse_args()
    scores = pd.concat([pd.read_csv(path) for path in options.scores])
    mine = scores[scores["model"] == options.model].set_index("id")
    rows = []
    for name, part in scores.groupby("model", sort=False):
        part = part.set_index("id")
        for metric in METRICS:
            own = mean_interval(part[metric].to_numpy())
            gain = paired_difference(mine.loc[part.index, metric].to_numpy(), part[metric].to_numpy())
            rows.append({
                "model": name, "metric": metric, "images": own.images, "mean": own.mean, "low": own.low,
                "high": own.high, "gain": gain.mean, "gain_low": gain.low, "gain_high": gain.high,
                "better": gain.low > 0,
            })  # fmt: skip
    table = pd.DataFrame(rows)
    table.to_csv(HERE / "results" / options.to, index=False, float_format="%.4f")
    print(markdown(table, scores, options.model))


def markdown(table: pd.DataFrame, scores: pd.DataFrame, mine: str) -> str:
    head = "| model | images | " + " | ".join(METRICS) + " | CPU s |"
    lines = [head, "|" + "---|" * (len(METRICS) + 3)]
    seconds = scores.groupby("model")["seconds"].median()
    order = table[table["metric"] == "cc"].sort_values("mean", ascending=False, na_position="first")["model"]
    for name in order:
        part = table[table["model"] == name].set_index("metric")
        cells = [
            f"{part.loc[m, 'mean']:.3f}{'' if part.loc[m, 'better'] or name == mine else ' *'}"
            if part.loc[m, "images"] else "–" for m in METRICS
        ]  # fmt: skip
        if part.loc["cc", "images"]:
            cells[1] += f" [{part.loc['cc', 'low']:.3f}, {part.loc['cc', 'high']:.3f}]"
        lines.append(f"| {name} | {part['images'].max()} | {' | '.join(cells)} | {seconds[name]:.2f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
