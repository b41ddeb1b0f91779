"""What experiments/mit1003 states is what was measured."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

HERE = Path(__file__).resolve().parents[1] / "experiments" / "mit1003"
ROWS = {
    "UNISAL, `published`": "unisal",
    "CMRNet, `cmrnet_osie` (trained on OSIE)": "cmrnet",
    "GBVS": "gbvs",
    "RARE-style": "rare_style",
    "ICL": "icl",
    "ITTI": "itti",
    "HFT": "hft",
    "center bias, leave one out": "center_bias_loo",
}


@pytest.mark.parametrize(("title", "model"), ROWS.items())
def test_the_rows_of_the_page_are_the_means_of_the_scores(title, model):
    (row,) = [line for line in (HERE / "README.md").read_text().splitlines() if line.startswith(f"| {title} | 1,003")]
    scores = pd.read_parquet(HERE / "whole" / "per_image.parquet").query("model == @model")
    cells = [cell.split("(")[0].strip() for cell in row.strip("|").split("|")[2:]]
    shown = [f"{scores[metric].mean():.3f}".removeprefix("0") for metric in ("sim", "cc", "sauc", "auc_judd")]
    assert cells == [*shown, f"{scores['nss'].mean():.2f}"]
    assert len(scores) == 1003


def test_the_claims_on_classical_models_follow_from_the_paired_differences():
    table = pd.read_csv(HERE / "whole" / "differences.csv")
    columns = table[table["metric"].isin(["sim", "cc", "sauc", "auc_judd"])].set_index(["model", "other", "metric"])
    assert (columns.loc[["unisal", "cmrnet"]]["low"] > 0).all()
    page = (HERE / "README.md").read_text()
    for key in (("cmrnet", "rare_style", "sauc"), ("rare_style", "icl", "sauc")):
        row = columns.loc[key]
        said = f"+{row['gain']:.3f} [{row['low']:.3f}, {row['high']:.3f}]".replace("0.", ".")
        assert said in page


@pytest.mark.parametrize(("title", "model", "images"), [
    ("explainable UNISAL", "explainable_unisal", 101),
    ("UNISAL, null: shuffled filters", "shuffled_filters_unisal", 30),
    ("UNISAL, null: untrained network", "untrained_network_unisal", 30),
    ("explainable CMRNet", "explainable_cmrnet", 101),
    ("CMRNet, null: shuffled filters", "shuffled_filters_cmrnet", 30),
    ("CMRNet, null: untrained network", "untrained_network_cmrnet", 30),
])  # fmt: skip
def test_the_explained_rows_are_the_means_of_the_scores(title, model, images):
    (row,) = [
        line for line in (HERE / "README.md").read_text().splitlines() if line.startswith(f"| {title} | {images}")
    ]
    scores = pd.read_parquet(HERE / "explained" / "per_image.parquet").query("model == @model")
    cells = [re.split(r"[([]", cell)[0].strip() for cell in row.strip("|").split("|")]
    means = [f"{scores[m].mean():.3f}" for m in ("sim", "cc", "sauc", "auc_judd", "cc_to_deep")]
    *shown, to_deep = [mean.replace("0.", ".", 1) for mean in means]
    assert cells[2:8] == [*shown, f"{scores['nss'].mean():.2f}", to_deep]
    assert len(scores) == images
